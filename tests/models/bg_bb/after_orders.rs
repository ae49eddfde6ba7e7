//! BG/BB whose customers leave only after an order. Expected values are scipy's beta functions in the sums of the module's
//! documentation, a maximum its simplex search's.

use cvm_models::btyd::bg_bb::{BgBb, BgBbAfterOrders, DiscreteSummaries};
use cvm_models::fit::FitParams;

use super::{donations, history};
use crate::close;

const PARAMETERS: [f64; 4] = [0.84, 1.16, 0.7, 6.4];

fn model([alpha, beta, gamma, delta]: [f64; 4]) -> BgBbAfterOrders {
    BgBbAfterOrders::new(alpha, beta, gamma, delta).unwrap()
}

#[test]
fn likelihoods_and_probabilities_match_scipy() {
    let model = model(PARAMETERS);
    for (x, last, n, log_likelihood, alive) in [
        (0, 0, 5, -1.443_699_303_830_29, 1.0),
        (5, 9, 9, -7.554_243_217_806_472, 0.936_936_936_936_936_9),
        (5, 9, 12, -9.229_155_873_280_916, 0.663_348_630_771_551),
    ] {
        let one = DiscreteSummaries::new(&[x], &[last], &[n]).unwrap();
        close(model.evaluate(&one).value, log_likelihood, 1e-12);
        close(model.probability_alive(&history(x, last, n)), alive, 1e-14);
    }
}

#[test]
fn what_is_ahead_matches_scipy() {
    let model = model(PARAMETERS);
    for (customer, first, twelfth) in [
        (
            history(0, 0, 5),
            [1.0, 0.12],
            [0.894_405_698_254_689_1, 0.097_433_004_041_806_5],
        ),
        (
            history(5, 9, 12),
            [0.663_348_630_771_551, 0.276_711_143_121_847],
            [0.527_733_805_516_806_4, 0.215_965_035_613_058_38],
        ),
    ] {
        let ahead = model.ahead(12, &customer);
        assert_eq!(ahead.len(), 12);
        for (step, [alive, buys]) in [(&ahead[0], first), (&ahead[11], twelfth)] {
            close(step.alive, alive, 1e-13);
            close(step.buys, buys, 1e-13);
        }
    }
    let new = model.ahead_of_new_customer(12);
    close(new[2].alive, 0.922_513_371_587_55, 1e-13);
    close(new[11].buys, 0.261_502_936_515_244_4, 1e-13);
}

#[test]
fn derivatives_are_those_of_the_value() {
    let summaries = DiscreteSummaries::new(
        &[0, 1, 1, 5, 5, 20],
        &[0, 1, 3, 9, 9, 22],
        &[5, 1, 30, 9, 12, 35],
    )
    .unwrap();
    let at = model(PARAMETERS).evaluate(&summaries);
    let step = 1e-5;
    for i in 0..4 {
        let moved = |by: f64| {
            let mut parameters = PARAMETERS;
            parameters[i] += by;
            model(parameters).evaluate(&summaries)
        };
        let (up, down) = (moved(step), moved(-step));
        let slope = (up.value - down.value) / (2.0 * step);
        close(at.gradient[i], slope, 1e-6);
        for j in 0..4 {
            let slope = (up.gradient[j] - down.gradient[j]) / (2.0 * step);
            close(at.hessian[i][j], slope, 1e-6);
        }
    }
}

/// Who gave in one year and not in the next may give again, so that the published model is the likelier by far.
#[test]
fn donors_leave_at_any_time() {
    let Some(donations) = donations() else { return };
    let fit = FitParams::<BgBbAfterOrders>::default()
        .check()
        .unwrap()
        .fit(&donations)
        .unwrap();
    close(fit.log_likelihood, -33_451.974_914, 1e-4);
    let expected = [0.321_277, 0.354_581, 2.302_12, 13.374_5];
    for (value, expected) in fit.model.parameters().into_iter().zip(expected) {
        close(value, expected, 1e-3 * expected);
    }
    let published = BgBb::new(1.2035, 0.7497, 0.6568, 2.7834).unwrap();
    assert!(published.evaluate(&donations).value > fit.log_likelihood + 200.0);
}
