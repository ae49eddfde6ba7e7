//! Cohorts ahead: against the sums over their customers, and simulated cohorts.

use cvm_models::btyd::bg_bb::{
    BgBb, BgBbAfterOrders, BgBbParams, DiscreteSummaries, DiscreteSummary,
};
use cvm_models::fit::FitParams;
use cvm_models::retention::cohort::{
    CohortModel, Period, Projected, period_variance, project, with_rival,
};
use cvm_models::retention::shifted_beta_geometric::ShiftedBetaGeometric;
use cvm_models::retention::{Tenures, estimated_survivors};
use cvm_models::uncertainty::{Level, Spread};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha12Rng;
use rand_distr::{Beta, Distribution};

use super::REGULAR;
use crate::close;

fn level() -> Level {
    Level::new(0.9).unwrap()
}

fn history(frequency: u64, recency_age: u64, opportunities: u64) -> DiscreteSummary {
    DiscreteSummary::new(frequency, recency_age, opportunities).unwrap()
}

fn certain<M>(center: M) -> Spread<M> {
    Spread {
        center,
        pairs: Vec::new(),
    }
}

/// Where leaving is seen the cohort's projection is that of its survivors, and Fader & Hardie's cohort goes on as they say.
#[test]
fn survivors_under_contract_are_those_of_the_shifted_beta_geometric() {
    let tenures = Tenures::from_survivors(&[REGULAR]).unwrap();
    let fit = FitParams::<ShiftedBetaGeometric>::default()
        .check()
        .unwrap()
        .fit(&tenures)
        .unwrap();
    let spread = fit.spread(&tenures).unwrap();
    let mut cohort = vec![(history(7, 7, 7), REGULAR[7])];
    for year in 0..7 {
        let at = usize::try_from(year).unwrap();
        cohort.push((history(year, year, 7), REGULAR[at] - REGULAR[at + 1]));
    }
    let projected = project(&spread, &cohort, 5, 0.0, &level());
    let expected = estimated_survivors(&spread, &tenures, 5, &level());
    for (ours, theirs) in projected.iter().zip(&expected) {
        close(1000.0 * ours.active.value, theirs.value, 1e-9);
        assert_eq!(ours.active, ours.alive);
    }
    // Of these 1,000 customers 207 were there after the ninth (Fader & Hardie 2007, table 1).
    close(1000.0 * projected[1].active.value, 207.0, 3.0);
}

/// Nobody sees who is a customer still: who never came back may have left by one model and has not by the other.
#[test]
fn limits_of_survival_hold_those_of_the_rival() {
    let cohort = [(history(0, 0, 6), 300), (history(3, 4, 6), 300)];
    let any_time = BgBb::new(1.2, 0.75, 0.66, 2.78).unwrap();
    let after_orders = BgBbAfterOrders::new(0.84, 1.16, 0.7, 6.4).unwrap();
    let chosen = project(&certain(after_orders), &cohort, 3, 0.0, &level());
    let rival = project(&certain(any_time), &cohort, 3, 0.0, &level());
    let both = with_rival(chosen.clone(), &rival);
    let limits = |month: &Projected| {
        let confidence = month.alive.confidence.unwrap();
        [confidence.low, confidence.high]
    };
    assert_eq!(both.len(), 3);
    for ((both, chosen), rival) in both.iter().zip(&chosen).zip(&rival) {
        assert_eq!(both.active, chosen.active);
        assert_eq!(both.alive.value.to_bits(), chosen.alive.value.to_bits());
        assert!(limits(rival)[0] < limits(chosen)[0]);
        assert_eq!(limits(both), [limits(rival)[0], limits(chosen)[1]]);
    }
}

#[test]
fn a_cohort_is_the_mean_of_its_customers() {
    let model = BgBb::new(1.2, 0.75, 0.66, 2.78).unwrap();
    let cohort = [(history(3, 4, 6), 3), (history(0, 0, 6), 5)];
    let projected = project(&certain(model), &cohort, 3, 0.0, &level());
    let ahead: Vec<_> = cohort
        .iter()
        .map(|(customer, _)| CohortModel::ahead(&model, 3, customer))
        .collect();
    for (month, projected) in projected.iter().enumerate() {
        let mean = (3.0 * ahead[0][month].active + 5.0 * ahead[1][month].active) / 8.0;
        close(projected.active.value, mean, 1e-15);
        let alive = (3.0 * ahead[0][month].alive + 5.0 * ahead[1][month].alive) / 8.0;
        close(projected.alive.value, alive, 1e-15);
    }
    assert_eq!(project(&certain(model), &[], 3, 0.0, &level()), vec![]);
}

#[test]
fn the_share_of_new_customers_is_that_of_one_without_history() {
    let model = BgBb::new(1.2, 0.75, 0.66, 2.78).unwrap();
    let new = CohortModel::ahead(&model, 9, &history(0, 0, 0));
    for (step, period) in new.iter().zip(1..) {
        close(step.active, model.active_share(period), 1e-15);
    }
    assert_eq!(model.active_share(0), 1.0);
    let survival = ShiftedBetaGeometric::new(0.704, 1.182).unwrap();
    close(survival.active_share(1), 1.182 / (0.704 + 1.182), 1e-15);
}

/// By hand: of 100 customers 50 were expected and 60, 40 and 50 came; ln(60/40)² twice less three times 1/25 by three.
#[test]
fn periods_vary_by_what_chance_does_not_explain() {
    let period = |active: f64| Period {
        customers: 100.0,
        active,
        expected: 50.0,
    };
    let miss = 1.5_f64.ln().powi(2);
    let expected = (2.0 * miss - 3.0 / 25.0) / 3.0;
    close(
        period_variance(&[period(60.0), period(40.0), period(50.0)]),
        expected,
        1e-15,
    );
    assert_eq!(period_variance(&[period(60.0), period(40.0)]), 0.0);
    assert_eq!(period_variance(&[period(50.0); 3]), 0.0);
    // Nobody and everybody have no logit.
    assert_eq!(
        period_variance(&[period(0.0), period(100.0), period(60.0)]),
        0.0
    );
}

/// Draws customers of BG/BB: whether each bought at each of `periods`.
fn simulate(customers: usize, periods: usize, random: &mut ChaCha12Rng) -> Vec<Vec<bool>> {
    let (buys, leaves) = (Beta::new(0.8, 1.6).unwrap(), Beta::new(0.7, 6.0).unwrap());
    (0..customers)
        .map(|_| {
            let (p, theta): (f64, f64) = (buys.sample(random), leaves.sample(random));
            let mut alive = true;
            (0..periods)
                .map(|_| {
                    alive = alive && random.random::<f64>() >= theta;
                    alive && random.random::<f64>() < p
                })
                .collect()
        })
        .collect()
}

fn summarised(bought: &[bool]) -> DiscreteSummary {
    let frequency = bought.iter().filter(|bought| **bought).count() as u64;
    let last = bought.iter().rposition(|bought| *bought);
    history(
        frequency,
        last.map_or(0, |last| last as u64 + 1),
        bought.len() as u64,
    )
}

fn fitted(histories: &[(DiscreteSummary, u64)]) -> Spread<BgBb> {
    let column = |get: fn(&DiscreteSummary) -> u64| -> Vec<u64> {
        histories.iter().map(|(history, _)| get(history)).collect()
    };
    let customers: Vec<u64> = histories.iter().map(|(_, count)| *count).collect();
    let summaries = DiscreteSummaries::weighted(
        &column(DiscreteSummary::frequency),
        &column(DiscreteSummary::recency_age),
        &column(DiscreteSummary::opportunities),
        &customers,
    )
    .unwrap();
    let fit = BgBbParams::default()
        .check()
        .unwrap()
        .fit(&summaries)
        .unwrap();
    assert!(fit.convergence.converged, "{:?}", fit.convergence);
    fit.spread(&summaries).unwrap()
}

/// How often the shares of cohorts of so many customers, seen for 12 periods, lie within their 90 % limits in the 6 after.
fn inside(cohorts: usize, customers: usize) -> f64 {
    let mut random = ChaCha12Rng::seed_from_u64(5);
    let cohorts: Vec<_> = (0..cohorts)
        .map(|_| simulate(customers, 18, &mut random))
        .collect();
    let histories = |cohort: &[Vec<bool>]| -> Vec<(DiscreteSummary, u64)> {
        cohort
            .iter()
            .map(|bought| (summarised(&bought[..12]), 1))
            .collect()
    };
    let all: Vec<_> = cohorts
        .iter()
        .flat_map(|cohort| histories(cohort))
        .collect();
    let spread = fitted(&all);
    let mut inside = 0;
    for cohort in &cohorts {
        let projected = project(&spread, &histories(cohort), 6, 0.0, &level());
        for (month, projected) in projected.iter().enumerate() {
            let active = cohort.iter().filter(|bought| bought[12 + month]).count();
            let share = active as f64 / cohort.len() as f64;
            let limits = projected.active.confidence.unwrap();
            inside += usize::from(limits.low <= share && share <= limits.high);
        }
    }
    inside as f64 / (6 * cohorts.len()) as f64
}

/// Of few customers counts come in steps, so that limits hold more than they say; one customer is one or none.
#[test]
fn limits_hold_what_comes_nine_times_out_of_ten() {
    for (cohorts, customers, least, most) in [
        (40, 400, 0.86, 0.95),
        (400, 40, 0.89, 0.96),
        (1_600, 5, 0.93, 1.0),
        (4_000, 1, 0.95, 1.0),
    ] {
        let share = inside(cohorts, customers);
        assert!((least..=most).contains(&share), "{customers}: {share}");
    }
}

#[test]
fn no_bound_is_crossed_at_the_edges() {
    // Nobody is there any more, and whoever is there stays.
    let left = [(history(2, 2, 5), 7)];
    let model = ShiftedBetaGeometric::new(0.7, 1.2).unwrap();
    for month in project(&certain(model), &left, 2, 0.0, &level()) {
        assert_eq!(month.active.value, 0.0);
        assert_eq!(month.active.confidence.unwrap().high, 0.0);
    }
    let tiny = BgBb::new(1e-6, 1e6, 1e6, 1e-6).unwrap();
    let wide = project(&certain(tiny), &[(history(0, 0, 3), 1)], 40, 2.0, &level());
    for month in wide {
        if let Some(limits) = month.active.confidence {
            assert!(0.0 <= limits.low && limits.high <= 1.0);
        }
    }
}

#[test]
fn a_sum_of_customers_is_what_it_is_in_any_split() {
    let model = BgBb::new(1.2, 0.75, 0.66, 2.78).unwrap();
    let whole = project(&certain(model), &[(history(3, 4, 6), 8)], 3, 0.1, &level());
    let parts = [(history(3, 4, 6), 3), (history(3, 4, 6), 5)];
    for (one, other) in whole
        .iter()
        .zip(project(&certain(model), &parts, 3, 0.1, &level()))
    {
        close(one.active.value, other.active.value, 1e-15);
        close(
            one.active.confidence.unwrap().high,
            other.active.confidence.unwrap().high,
            1e-14,
        );
    }
}
