//! How customers truly feel, by what they look for and whether they are on the way out: `truth/experience.json`.

use serde::{Deserialize, Serialize};

use super::figure::{Draws, Figure, add_each};
use crate::demo::needs::NEEDS;

/// The answers of customers with one need to whether they recommend the company, 0 to 10.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecommendTruth {
    /// The need.
    pub need_segment: String,
    /// The share of those asked who answered.
    pub response_rate: Figure,
    /// The share of answers from 9.
    pub promoters: Figure,
    /// The share of 7 and 8.
    pub passives: Figure,
    /// The share up to 6.
    pub detractors: Figure,
    /// Promoters less detractors, in points from −100 to 100.
    pub nps: Figure,
    /// The mean answer.
    pub score: Figure,
}

/// Customers who are satisfied as customers are, and those who were disappointed and left soon after.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StateTruth {
    /// `steady` or `warned`.
    pub state: String,
    /// The mean satisfaction with an order, 1 to 5.
    pub csat: Figure,
    /// The mean effort of getting help, 1 to 7: high is bad.
    pub ces: Figure,
    /// The share of orders with a ticket, among those of which nothing came back.
    pub ticket_rate: Figure,
    /// The mean sentiment of mentions, −1 to 1.
    pub sentiment: Figure,
}

/// The content of `truth/experience.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExperienceTruth {
    /// By need, those on the way out included.
    pub recommend: Vec<RecommendTruth>,
    /// Before and after disappointment.
    pub states: Vec<StateTruth>,
    /// Reviews, 1 to 5, of orders of which nothing came back.
    pub review_of_kept: Figure,
    /// … and of orders of which something came back.
    pub review_of_returned: Figure,
    /// Customers whose scores fell before they left.
    pub warned_customers: u64,
    /// The share of them among those who left after at least three purchase days. No raw table says who
    /// left for good, nor why; it shows in how often two bad experiences come together.
    pub warned_share: Figure,
    /// Tickets.
    pub tickets: u64,
    /// Tickets that were resolved by the end.
    pub tickets_resolved: u64,
    /// Times that tickets were reopened.
    pub reopened: u64,
    /// Tickets that were reopened at least once, among all.
    pub reopened_share: Figure,
    /// Complaints.
    pub complaints: u64,
    /// Messages and calls.
    pub contacts: u64,
    /// Cost of the tickets in cents.
    pub ticket_cost_cents: i64,
    /// Seconds from opening to the first reply, over all tickets that had one.
    pub seconds_to_first_reply: i64,
    /// Tickets that had a first reply by the end.
    pub tickets_replied: u64,
    /// Seconds from opening to resolution, over all resolved.
    pub seconds_to_resolve: i64,
}

const NEED_COUNT: usize = NEEDS.len();

/// What was counted of experience.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::demo) struct ExperienceLedger {
    responses: [Draws; NEED_COUNT],
    promoters: [Draws; NEED_COUNT],
    passives: [Draws; NEED_COUNT],
    detractors: [Draws; NEED_COUNT],
    nps: [Draws; NEED_COUNT],
    score: [Draws; NEED_COUNT],
    /// Steady, warned.
    pub(in crate::demo) csat: [Draws; 2],
    pub(in crate::demo) ces: [Draws; 2],
    pub(in crate::demo) ticket_rate: [Draws; 2],
    pub(in crate::demo) sentiment: [Draws; 2],
    /// Kept, returned.
    pub(in crate::demo) reviews: [Draws; 2],
    pub(in crate::demo) warned: Draws,
    pub(in crate::demo) warned_customers: u64,
    pub(in crate::demo) tickets: Tickets,
    pub(in crate::demo) reopened_share: Draws,
}

/// What was counted of tickets.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::demo) struct Tickets {
    pub(in crate::demo) opened: u64,
    pub(in crate::demo) replied: u64,
    pub(in crate::demo) resolved: u64,
    pub(in crate::demo) reopened: u64,
    pub(in crate::demo) complaints: u64,
    pub(in crate::demo) contacts: u64,
    pub(in crate::demo) cost_cents: i64,
    pub(in crate::demo) reply_seconds: i64,
    pub(in crate::demo) resolve_seconds: i64,
}

impl ExperienceLedger {
    /// Somebody was asked, and perhaps answered a score drawn from these probabilities of 0 to 10.
    pub(in crate::demo) fn recommend(
        &mut self,
        need: usize,
        response_rate: f64,
        probabilities: &[f64; 11],
        answer: Option<usize>,
    ) {
        self.responses[need].chance(response_rate, answer.is_some());
        let Some(answer) = answer else { return };
        let [detractors, passives, promoters] =
            [0..7, 7..9, 9..11].map(|scores| probabilities[scores].iter().sum::<f64>());
        self.promoters[need].chance(promoters, answer >= 9);
        self.passives[need].chance(passives, (7..9).contains(&answer));
        self.detractors[need].chance(detractors, answer < 7);
        let nps = 100.0 * (promoters - detractors);
        let points = f64::from(i8::from(answer >= 9) - i8::from(answer < 7)) * 100.0;
        let variance = 10_000.0 * (promoters + detractors) - nps * nps;
        self.nps[need].value(nps, variance, points);
        let (mean, variance) = moments(probabilities, 0.0);
        self.score[need].value(mean, variance, answer as f64);
    }

    pub(in crate::demo) fn add(&mut self, other: &Self) {
        add_each(&mut self.responses, &other.responses);
        add_each(&mut self.promoters, &other.promoters);
        add_each(&mut self.passives, &other.passives);
        add_each(&mut self.detractors, &other.detractors);
        add_each(&mut self.nps, &other.nps);
        add_each(&mut self.score, &other.score);
        add_each(&mut self.csat, &other.csat);
        add_each(&mut self.ces, &other.ces);
        add_each(&mut self.ticket_rate, &other.ticket_rate);
        add_each(&mut self.sentiment, &other.sentiment);
        add_each(&mut self.reviews, &other.reviews);
        self.warned.add(&other.warned);
        self.warned_customers += other.warned_customers;
        self.reopened_share.add(&other.reopened_share);
        let (tickets, other) = (&mut self.tickets, &other.tickets);
        tickets.opened += other.opened;
        tickets.replied += other.replied;
        tickets.resolved += other.resolved;
        tickets.reopened += other.reopened;
        tickets.complaints += other.complaints;
        tickets.contacts += other.contacts;
        tickets.cost_cents += other.cost_cents;
        tickets.reply_seconds += other.reply_seconds;
        tickets.resolve_seconds += other.resolve_seconds;
    }

    pub(in crate::demo) fn truth(&self) -> ExperienceTruth {
        let recommend = NEEDS.iter().enumerate().map(|(need, of)| RecommendTruth {
            need_segment: of.name.to_owned(),
            response_rate: self.responses[need].figure(),
            promoters: self.promoters[need].figure(),
            passives: self.passives[need].figure(),
            detractors: self.detractors[need].figure(),
            nps: self.nps[need].figure(),
            score: self.score[need].figure(),
        });
        let states = ["steady", "warned"].into_iter().enumerate();
        let states = states.map(|(state, name)| StateTruth {
            state: name.to_owned(),
            csat: self.csat[state].figure(),
            ces: self.ces[state].figure(),
            ticket_rate: self.ticket_rate[state].figure(),
            sentiment: self.sentiment[state].figure(),
        });
        let tickets = &self.tickets;
        ExperienceTruth {
            recommend: recommend.collect(),
            states: states.collect(),
            review_of_kept: self.reviews[0].figure(),
            review_of_returned: self.reviews[1].figure(),
            warned_customers: self.warned_customers,
            warned_share: self.warned.figure(),
            tickets: tickets.opened,
            tickets_resolved: tickets.resolved,
            reopened: tickets.reopened,
            reopened_share: self.reopened_share.figure(),
            complaints: tickets.complaints,
            contacts: tickets.contacts,
            ticket_cost_cents: tickets.cost_cents,
            seconds_to_first_reply: tickets.reply_seconds,
            tickets_replied: tickets.replied,
            seconds_to_resolve: tickets.resolve_seconds,
        }
    }
}

/// Mean and variance of scores that count up from `first` with these probabilities.
pub(in crate::demo) fn moments(probabilities: &[f64], first: f64) -> (f64, f64) {
    let (mut mean, mut second) = (0.0, 0.0);
    for (index, probability) in probabilities.iter().enumerate() {
        let score = first + index as f64;
        mean += probability * score;
        second += probability * score * score;
    }
    (mean, second - mean * mean)
}
