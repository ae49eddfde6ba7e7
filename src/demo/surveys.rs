//! The survey tool's export: who was asked what, and what they answered, as CSV.

use rand::{Rng, RngCore};

use super::Object;
use super::channels::pick;
use super::crm::{Spots, push_row};
use super::dirt::Dirt;
use super::sales::{Buyer, Sale};
use super::text::{berlin, push, push_utc};
use super::truth::Ledger;
use super::truth::experience::moments;

/// The raw table's name.
pub(super) const RESPONSES: &str = "surveys.responses";

const HEADER: &[u8] = b"response_id,survey,question,scale,customer,order_no,asked_at,answered_at,score,comment,sent_by\n";

const SPOTS: Spots = Spots {
    key: 0,
    text: 9,
    number: 8,
    wrong_number: "l0",
    date: 6,
    wrong_date: "2023-02-30T08:00:00Z",
};

/// Whether they recommend the company is asked twice a year, first this many days before the history ends.
const FIRST_WAVE: i32 = 45;
const WAVES: i32 = 6;
const WAVE_DAYS: i32 = 182;
/// The share of customers who are asked in a wave, and of those who answer.
const WAVE_SHARE: f64 = 0.35;
pub(super) const RECOMMEND_RESPONSE_RATE: f64 = 0.40;
/// How scores are spread within promoters (9, 10), passives (7, 8) and detractors (0 to 6).
const DETRACTORS: [f64; 7] = [0.05, 0.03, 0.07, 0.12, 0.15, 0.25, 0.33];
const PASSIVES: [f64; 2] = [0.45, 0.55];
const PROMOTERS: [f64; 2] = [0.5, 0.5];
/// Promoters and passives among those who are on the way out.
const WARNED_RECOMMENDS: [f64; 2] = [0.05, 0.20];

/// The share of orders after which satisfaction is asked for, and of those asked who answer.
const CSAT_SHARE: f64 = 0.25;
const CSAT_RESPONSE_RATE: f64 = 0.35;
/// The probabilities of 1 to 5: steady, warned.
const CSAT: [[f64; 5]; 2] = [
    [0.03, 0.05, 0.12, 0.40, 0.40],
    [0.30, 0.35, 0.20, 0.10, 0.05],
];

/// The share of resolved tickets after which effort is asked for, and of those asked who answer.
const CES_SHARE: f64 = 0.70;
const CES_RESPONSE_RATE: f64 = 0.50;
/// The probabilities of 1 (no effort) to 7 (very much): steady, warned.
const CES: [[f64; 7]; 2] = [
    [0.25, 0.30, 0.20, 0.10, 0.08, 0.04, 0.03],
    [0.03, 0.05, 0.10, 0.15, 0.22, 0.25, 0.20],
];

/// A question to somebody.
struct Question<'a> {
    id: String,
    survey: &'static str,
    kind: &'static str,
    scale: &'static str,
    order_id: Option<&'a str>,
    /// Seconds since 1970.
    asked_at: i64,
    answer: Option<(i64, usize)>,
    comment: &'static str,
    sent_by: &'static str,
}

/// The answers of a chunk, and those who gave none.
pub(super) struct Surveys {
    out: Vec<u8>,
    end_day: i32,
}

impl Surveys {
    pub(super) fn new(end_day: i32) -> Self {
        Self {
            out: HEADER.to_vec(),
            end_day,
        }
    }

    /// When somebody answers, if they do before the history ends.
    fn answer(&self, asked_at: i64, share: f64, random: &mut impl RngCore) -> Option<i64> {
        let answers = random.random::<f64>() < share;
        // Soon, or some days later.
        let days: f64 = random.random();
        let at = asked_at + 600 + (days * days * days * 5.0 * 86_400.0) as i64;
        answers.then_some(at)
    }

    fn has_happened(&self, at: i64) -> bool {
        at < berlin(self.end_day, 0)
    }

    /// Twice a year, whoever is a customer by then may be asked whether they recommend the company.
    pub(super) fn recommend(
        &mut self,
        buyer: &Buyer<'_>,
        ledger: &mut Ledger,
        random: &mut impl RngCore,
    ) {
        for wave in 0..WAVES {
            let day = self.end_day - FIRST_WAVE - wave * WAVE_DAYS;
            let is_asked = random.random::<f64>() < WAVE_SHARE;
            if buyer.traits.first_day >= day || !is_asked {
                continue;
            }
            let need = buyer.persona.taste.need;
            let recommends = if buyer.is_warned_on(day) {
                WARNED_RECOMMENDS
            } else {
                buyer.persona.taste.need().recommends
            };
            let probabilities = recommend_probabilities(recommends);
            let asked_at = berlin(day, 32_400 + random.random_range(0..28_800));
            let answered_at = self.answer(asked_at, RECOMMEND_RESPONSE_RATE, random);
            let score = pick(&probabilities, random.random());
            let answer = answered_at.map(|at| (at, score));
            ledger.experience.recommend(
                need,
                RECOMMEND_RESPONSE_RATE,
                &probabilities,
                answer.map(|(_, score)| score),
            );
            let question = Question {
                id: format!("N{}-{}", buyer.id, WAVES - wave),
                survey: "relationship",
                kind: "recommend",
                scale: "0-10",
                order_id: None,
                asked_at,
                answer,
                comment: match score {
                    0..=3 => "\"Slow, expensive, \"\"never again\"\"\"",
                    10 => "Love it",
                    _ => "",
                },
                sent_by: "email",
            };
            self.write(buyer, &question, None, ledger);
        }
    }

    /// Some days after an order, satisfaction with it may be asked for.
    pub(super) fn satisfaction(
        &mut self,
        buyer: &Buyer<'_>,
        sale: &Sale,
        ledger: &mut Ledger,
        random: &mut impl RngCore,
    ) {
        let is_asked = random.random::<f64>() < CSAT_SHARE;
        let asked_at = berlin(sale.day + 4, 36_000) + random.random_range(0..7_200);
        let answered_at = self.answer(asked_at, CSAT_RESPONSE_RATE, random);
        let state = usize::from(buyer.is_warned_on(sale.day));
        let score = pick(&CSAT[state], random.random());
        if !is_asked || !self.has_happened(asked_at) {
            return;
        }
        let answer = answered_at
            .filter(|at| self.has_happened(*at))
            .map(|at| (at, score + 1));
        if answer.is_some() {
            let (mean, variance) = moments(&CSAT[state], 1.0);
            ledger.experience.csat[state].value(mean, variance, (score + 1) as f64);
        }
        let question = Question {
            id: format!("S{}", sale.id),
            survey: "order",
            kind: "satisfaction",
            scale: "1-5",
            order_id: Some(&sale.id),
            asked_at,
            answer,
            comment: "",
            sent_by: "email",
        };
        self.write(buyer, &question, None, ledger);
    }

    /// After a ticket was resolved, the effort that it took may be asked for.
    pub(super) fn effort(
        &mut self,
        buyer: &Buyer<'_>,
        sale: &Sale,
        resolved_at: i64,
        ledger: &mut Ledger,
        random: &mut impl RngCore,
    ) {
        let is_asked = random.random::<f64>() < CES_SHARE;
        let asked_at = resolved_at + 3_600;
        let answered_at = self.answer(asked_at, CES_RESPONSE_RATE, random);
        let state = usize::from(buyer.is_warned_on(sale.day));
        let score = pick(&CES[state], random.random());
        if !is_asked || !self.has_happened(asked_at) {
            return;
        }
        let answer = answered_at
            .filter(|at| self.has_happened(*at))
            .map(|at| (at, score + 1));
        if answer.is_some() {
            let (mean, variance) = moments(&CES[state], 1.0);
            ledger.experience.ces[state].value(mean, variance, (score + 1) as f64);
        }
        let question = Question {
            id: format!("E{}", sale.id),
            survey: "service",
            kind: "effort",
            scale: "1-7",
            order_id: Some(&sale.id),
            asked_at,
            answer,
            comment: "",
            sent_by: "chat",
        };
        self.write(buyer, &question, None, ledger);
    }

    /// A row in addition that does not fit.
    pub(super) fn fault(&mut self, buyer: &Buyer<'_>, fault: Dirt, ledger: &mut Ledger) {
        let asked_at = berlin(buyer.traits.first_day, 36_000);
        let question = Question {
            id: format!("X{}", buyer.id),
            survey: "order",
            kind: "satisfaction",
            scale: "1-5",
            order_id: None,
            asked_at,
            answer: Some((asked_at + 60, 3)),
            comment: "",
            sent_by: "email",
        };
        self.write(buyer, &question, Some(fault), ledger);
    }

    fn write(
        &mut self,
        buyer: &Buyer<'_>,
        question: &Question<'_>,
        fault: Option<Dirt>,
        ledger: &mut Ledger,
    ) {
        let mut cells: Vec<Vec<u8>> = vec![question.id.as_str().into()];
        cells.extend([question.survey, question.kind, question.scale].map(Vec::from));
        cells.push(buyer.id.into());
        cells.push(question.order_id.unwrap_or_default().into());
        cells.extend([const { Vec::new() }; 3]);
        push_utc(&mut cells[6], question.asked_at);
        if let Some((at, score)) = question.answer {
            push_utc(&mut cells[7], at);
            push!(&mut cells[8], "{score}");
            cells.push(question.comment.into());
        } else {
            cells.push(Vec::new());
        }
        cells.push(question.sent_by.into());
        match fault {
            Some(fault) => {
                SPOTS.soil(&mut cells, fault);
                ledger.tally.count_fault(RESPONSES, fault);
            }
            None => ledger.tally.count_rows(RESPONSES, 1),
        }
        push_row(&mut self.out, &cells, b',', b"\n");
    }

    pub(super) fn finish(self, chunk: u64) -> Object {
        Object {
            path: format!("surveys/responses/responses-{chunk:05}.csv"),
            bytes: self.out.into(),
        }
    }
}

fn recommend_probabilities([promoters, passives]: [f64; 2]) -> [f64; 11] {
    let detractors = 1.0 - promoters - passives;
    std::array::from_fn(|score| match score {
        0..7 => detractors * DETRACTORS[score],
        7..9 => passives * PASSIVES[score - 7],
        _ => promoters * PROMOTERS[score - 9],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_of_scores_add_up_to_one() {
        let one = |probabilities: &[f64]| {
            let sum: f64 = probabilities.iter().sum();
            assert!((sum - 1.0).abs() < 1e-12, "{sum}");
        };
        one(&recommend_probabilities([0.3, 0.35]));
        CSAT.iter().for_each(|state| one(state));
        CES.iter().for_each(|state| one(state));
    }
}
