//! Standard errors, confidence limits and predictive intervals. How often they hold is in `coverage`.

use cvm_models::btyd::bg_nbd::BgNbd;
use cvm_models::btyd::forecast::{Forecast, Forecasted, MOST_PURCHASES, Purchases};
use cvm_models::btyd::{Horizon, PurchaseModel, Summaries, Summary};
use cvm_models::fit::Fit;
use cvm_models::spend::forecast::SpendForecast;
use cvm_models::spend::gamma_gamma::GammaGamma;
use cvm_models::spend::{Spender, Spenders};
use cvm_models::uncertainty::{Estimated, Level, LevelError, Pair, Spread};
use proptest::prelude::*;

use crate::{bg_nbd, cdnow, close, gamma_gamma, properties, simulated};

/// Every number of a forecast that has all its intervals.
pub(crate) fn numbers(forecast: &Forecasted) -> Vec<f64> {
    let figures = [
        forecast.probability_alive,
        forecast.expected_purchases,
        forecast.discounted_expected_purchases,
    ];
    let purchases = forecast.purchases.unwrap();
    let figures = figures.into_iter().flat_map(|figure| {
        let confidence = figure.confidence.unwrap();
        [
            figure.value,
            confidence.error,
            confidence.low,
            confidence.high,
        ]
    });
    figures
        .chain([purchases.low as f64, purchases.high as f64])
        .collect()
}

pub(crate) fn ninety() -> Level {
    Level::new(0.9).unwrap()
}

fn error(figure: &Estimated) -> f64 {
    figure.confidence.unwrap().error
}

/// The limits are the figure.
fn is_certain(figure: &Estimated, value: f64) {
    let confidence = figure.confidence.unwrap();
    let limits = (confidence.error, confidence.low, confidence.high);
    assert_eq!((figure.value, limits), (value, (0.0, value, value)));
}

fn five_thousand() -> (Summaries, Fit<BgNbd>) {
    let (x, recency_age, customer_age) =
        simulated::histories(5_000, [0.5, 6.0, 0.8, 2.4], 78.0, 11);
    let summaries = Summaries::new(&x, &recency_age, &customer_age).unwrap();
    let fit = bg_nbd::fit(&summaries);
    (summaries, fit)
}

#[test]
fn levels_are_quantiles_of_the_normal_distribution() {
    // Abramowitz & Stegun, table 26.5.
    for (share, z) in [
        (0.5, 0.674489750196082),
        (0.9, 1.644853626951472),
        (0.95, 1.959963984540054),
        (0.99, 2.575829303548901),
    ] {
        close(Level::new(share).unwrap().z(), z, 2e-15);
    }
    close(ninety().tail(), 0.05, 1e-16);
    for share in [0.0, 1.0, -0.5, 90.0] {
        assert_eq!(Level::new(share), Err(LevelError { share }));
    }
}

/// Maximum, observed information and gradients of the closed forms in 30-digit arithmetic (mpmath) on the CDNOW sample.
/// Per customer and horizon: P(alive) and the error of its logit, expected purchases and discounted expected purchases
/// (10 % a year of 365 days) with the errors of their logarithms.
#[test]
fn errors_match_the_delta_method_in_high_precision() {
    let Some(customers) = cdnow::customers() else {
        return;
    };
    let table = cdnow::calibration(&customers);
    let summaries =
        Summaries::new(&table.frequency, &table.recency_age, &table.customer_age).unwrap();
    let fit = bg_nbd::fit(&summaries);
    let cases = [
        (
            (26, 216.0 / 7.0, 31.0, 52.0),
            [0.96885444139767, 0.21029013884592],
            [25.757336970269, 0.081083336338177],
            [24.702692429711, 0.079939255049086],
        ),
        (
            (2, 30.43, 38.86, 39.0),
            [0.72660916263972, 0.081656308214925],
            [1.225906835429, 0.03686205604656],
            [1.1856331418448, 0.036668573079316],
        ),
        (
            (1, 3.0, 30.0, 52.0),
            [0.31231574058731, 0.11969098146409],
            [0.46236069664934, 0.087983705677657],
            [0.44259818978984, 0.0878630743713],
        ),
        (
            (0, 0.0, 38.86, 52.0),
            [1.0, 0.0],
            [0.251667285077, 0.046585143703996],
            [0.2405979299054, 0.046553324588329],
        ),
    ];
    for ((x, recency_age, customer_age, length), alive, expected, discounted) in cases {
        let horizon = Horizon::new(length, 0.1, 365.0 / 7.0).unwrap();
        let customer = Summary::new(x, recency_age, customer_age).unwrap();
        let forecast = Forecast::of_fit(&fit, &summaries, &horizon, &ninety()).predict(&customer);
        for (figure, [value, error_of_it]) in [
            (forecast.probability_alive, alive),
            (forecast.expected_purchases, expected),
            (forecast.discounted_expected_purchases, discounted),
        ] {
            // The search ends within some 1e-8 of a standard error of the maximum.
            close(figure.value, value, 1e-7 * value);
            close(error(&figure), error_of_it, 1e-7 * error_of_it);
        }
        let confidence = forecast.expected_purchases.confidence.unwrap();
        let factor = (1.644853626951472 * expected[1]).exp();
        close(
            confidence.high,
            expected[0] * factor,
            1e-7 * confidence.high,
        );
        close(confidence.low, expected[0] / factor, 1e-7 * confidence.low);
    }
    let spread = fit.spread(&summaries).unwrap();
    let of_new = spread.standard_error(|model| model.expected_purchases_new_customer(52.0));
    close(of_new, 0.070201047970675, 1e-8);
}

/// As above: expected spend and the error of its logarithm.
#[test]
fn errors_of_spend_match_the_delta_method_in_high_precision() {
    let Some(customers) = cdnow::customers() else {
        return;
    };
    let table = cdnow::calibration(&customers);
    let rows = table.frequency.iter().zip(&table.mean_spend);
    let (x, spend): (Vec<u64>, Vec<f64>) = rows.filter(|(_, spend)| **spend > 0.0).unzip();
    let spenders = Spenders::new(&x, &spend).unwrap();
    let forecast = SpendForecast::of_fit(&gamma_gamma::fit(&spenders), &spenders, &ninety());
    let figure = |x: u64, mean: f64| match x {
        0 => forecast.mean_spend().unwrap(),
        x => forecast
            .expected_spend(&Spender::new(x, mean).unwrap())
            .unwrap(),
    };
    for (x, mean, value, error_of_it) in [
        (0, 0.0, 35.170371265656, 0.026239012714484),
        (1, 100.0, 80.21891448615, 0.047537442146166),
        (2, 22.35, 24.658018561043, 0.020789207468251),
        (26, 40.0, 39.919788553217, 0.0007172931578216),
    ] {
        let figure = figure(x, mean);
        close(figure.value, value, 1e-7 * value);
        // The search ends 1e-7 of the parameters short of the maximum, which these were computed at.
        close(error(&figure), error_of_it, 1e-6 * error_of_it);
    }
}

/// √(∇gᵀ C ∇g) with C in natural parameters.
fn delta_method(gradient: &[f64], covariance: &[Vec<f64>]) -> f64 {
    let products = gradient.iter().zip(covariance).map(|(g, row)| {
        g * row
            .iter()
            .zip(gradient)
            .map(|(c, other)| c * other)
            .sum::<f64>()
    });
    products.sum::<f64>().sqrt()
}

#[test]
fn errors_equal_the_delta_method_by_hand() {
    let (purchases, means) = simulated::spend(5_000, [6.25, 3.74, 15.44], 11);
    let spenders = Spenders::new(&purchases, &means).unwrap();
    let fit = gamma_gamma::fit(&spenders);
    let [p, q, v] = fit.model.parameters();
    let gradient = [
        v / (q - 1.0),
        -p * v / ((q - 1.0) * (q - 1.0)),
        p / (q - 1.0),
    ];
    let by_hand = delta_method(&gradient, fit.covariance.as_ref().unwrap());
    let spread = fit.spread(&spenders).unwrap();
    let ours = spread.standard_error(|model| model.mean_spend().unwrap());
    close(ours, by_hand, 1e-7 * by_hand);

    let (summaries, fit) = five_thousand();
    let spread = fit.spread(&summaries).unwrap();
    let theta = fit.model.parameters();
    let expected = |model: &BgNbd| model.expected_purchases_new_customer(52.0);
    let slope = |i: usize| {
        let moved = |steps: f64| {
            let mut theta = theta;
            theta[i] *= 1.0 + 1e-3 * steps;
            expected(&BgNbd::new(theta[0], theta[1], theta[2], theta[3]).unwrap())
        };
        // The five-point rule (Abramowitz & Stegun 25.3.6).
        (8.0 * (moved(1.0) - moved(-1.0)) - (moved(2.0) - moved(-2.0))) / (12e-3 * theta[i])
    };
    let gradient: Vec<f64> = (0..4).map(slope).collect();
    let by_hand = delta_method(&gradient, fit.covariance.as_ref().unwrap());
    close(spread.standard_error(expected), by_hand, 1e-7 * by_hand);

    // A parameter is a figure too.
    for (i, estimate) in fit.estimates.iter().enumerate() {
        let ours = spread.standard_error(|model| model.parameters()[i]);
        let known = estimate.standard_error.unwrap();
        close(ours, known, 1e-7 * known);
    }
}

/// Parameters that the data cannot tell apart leave a covariance that is singular but for rounding.
#[test]
fn a_singular_covariance_has_a_spread() {
    let (summaries, mut fit) = five_thousand();
    let theta = fit.theta();
    fit.covariance = Some(
        theta
            .iter()
            .map(|t| theta.iter().map(|other| 0.01 * t * other).collect())
            .collect(),
    );
    let spread = fit.spread(&summaries).unwrap();
    let product = |model: &BgNbd| model.parameters().iter().map(|p| p.ln()).sum::<f64>();
    close(spread.standard_error(product), 0.4, 1e-6);
    let ratio = |model: &BgNbd| (model.parameters()[0] / model.parameters()[3]).ln();
    close(spread.standard_error(ratio), 0.0, 1e-6);
}

#[test]
fn what_does_not_depend_on_the_parameters_is_certain() {
    let (summaries, fit) = five_thousand();
    let once = Summary::new(0, 0.0, 30.0).unwrap();
    let often = Summary::new(4, 20.0, 30.0).unwrap();
    let year = Horizon::new(52.0, 0.1, 365.0 / 7.0).unwrap();
    let forecast = Forecast::of_fit(&fit, &summaries, &year, &ninety()).predict(&once);
    is_certain(&forecast.probability_alive, 1.0);
    assert!(error(&forecast.expected_purchases) > 0.01);

    let now = Horizon::new(0.0, 0.1, 365.0 / 7.0).unwrap();
    for customer in [once, often] {
        let forecast = Forecast::of_fit(&fit, &summaries, &now, &ninety()).predict(&customer);
        is_certain(&forecast.expected_purchases, 0.0);
        is_certain(&forecast.discounted_expected_purchases, 0.0);
        assert_eq!(forecast.purchases, Some(Purchases { low: 0, high: 0 }));
    }

    let exact = Spread::<Box<dyn PurchaseModel>> {
        center: Box::new(fit.model),
        pairs: vec![],
    };
    let forecast = Forecast::of_spread(exact, &year, &ninety()).predict(&often);
    let known = fit.model.predict(&year, &often);
    is_certain(&forecast.probability_alive, known.probability_alive);
    is_certain(&forecast.expected_purchases, known.expected_purchases);
}

#[test]
fn without_a_covariance_there_are_no_limits() {
    let (summaries, mut fit) = five_thousand();
    fit.covariance = None;
    assert_eq!(fit.spread(&summaries), None);
    let year = Horizon::new(52.0, 0.1, 365.0 / 7.0).unwrap();
    let customer = Summary::new(4, 20.0, 30.0).unwrap();
    let alone = |value: f64| Estimated {
        value,
        confidence: None,
    };
    let forecast = Forecast::of_fit(&fit, &summaries, &year, &ninety()).predict(&customer);
    let known = fit.model.predict(&year, &customer);
    assert_eq!(forecast.probability_alive, alone(known.probability_alive));
    assert_eq!(forecast.expected_purchases, alone(known.expected_purchases));
    let discounted = known.discounted_expected_purchases;
    assert_eq!(forecast.discounted_expected_purchases, alone(discounted));
    assert!(forecast.purchases.unwrap().high > 0);

    let model = GammaGamma::new(6.25, 3.74, 15.44).unwrap();
    let spender = Spender::new(4, 20.0).unwrap();
    let spend = SpendForecast::of_model(model, &ninety());
    let expected = model.expected_spend(&spender).unwrap();
    assert_eq!(spend.expected_spend(&spender), Some(alone(expected)));
    assert_eq!(
        spend.lifetime_value(&forecast, &spender),
        Some(alone(discounted * expected))
    );
    let heavy = SpendForecast::of_model(GammaGamma::new(0.3, 0.5, 10.0).unwrap(), &ninety());
    assert_eq!(heavy.mean_spend(), None);
    assert_eq!(
        heavy.lifetime_value(&forecast, &Spender::new(1, 20.0).unwrap()),
        None
    );
}

/// The two fits are independent, so that the variances of the logarithms add.
#[test]
fn a_lifetime_value_has_the_errors_of_both_its_factors() {
    let (summaries, fit) = five_thousand();
    let (purchases, means) = simulated::spend(5_000, [6.25, 3.74, 15.44], 11);
    let spenders = Spenders::new(&purchases, &means).unwrap();
    let spend_fit = gamma_gamma::fit(&spenders);
    let year = Horizon::new(52.0, 0.1, 365.0 / 7.0).unwrap();
    let customer = Summary::new(4, 20.0, 30.0).unwrap();
    let spender = Spender::new(4, 20.0).unwrap();
    let forecast = Forecast::of_fit(&fit, &summaries, &year, &ninety()).predict(&customer);
    let spend = SpendForecast::of_fit(&spend_fit, &spenders, &ninety());
    let value = spend.lifetime_value(&forecast, &spender).unwrap();

    let of_purchases = fit.spread(&summaries).unwrap().standard_error(|model| {
        model
            .predict(&year, &customer)
            .discounted_expected_purchases
            .ln()
    });
    let of_spend = spend_fit
        .spread(&spenders)
        .unwrap()
        .standard_error(|model| model.expected_spend(&spender).unwrap().ln());
    let both = of_purchases.hypot(of_spend);
    close(error(&value), both, 1e-8 * both);
    let confidence = value.confidence.unwrap();
    close(
        (confidence.high / value.value).ln(),
        ninety().z() * both,
        1e-8,
    );
    close(
        (value.value / confidence.low).ln(),
        ninety().z() * both,
        1e-8,
    );
}

#[test]
fn intervals_do_not_depend_on_the_unit_of_time() {
    let (x, recency_age, customer_age) =
        simulated::histories(5_000, [0.5, 6.0, 0.8, 2.4], 78.0, 11);
    let of = |unit: f64| {
        let scaled = |column: &[f64]| column.iter().map(|time| unit * time).collect::<Vec<f64>>();
        let (recency_age, customer_age) = (scaled(&recency_age), scaled(&customer_age));
        let summaries = Summaries::new(&x, &recency_age, &customer_age).unwrap();
        let horizon = Horizon::new(unit * 52.0, 0.1, unit * 365.0 / 7.0).unwrap();
        let forecast = Forecast::of_fit(&bg_nbd::fit(&summaries), &summaries, &horizon, &ninety());
        let some = |column: &[f64]| column[..200].to_vec();
        let all = forecast.predict_all(&x[..200], &some(&recency_age), &some(&customer_age));
        all.unwrap().iter().flat_map(numbers).collect::<Vec<f64>>()
    };
    for (week, day) in of(1.0).into_iter().zip(of(7.0)) {
        close(day, week, 1e-7 * week);
    }
}

#[test]
fn a_prepared_pair_changes_no_bit() {
    let (summaries, fit) = five_thousand();
    let year = Horizon::new(52.0, 0.1, 365.0 / 7.0).unwrap();
    let bare = || Forecast::of_fit(&fit, &summaries, &year, &ninety());
    let pairs = summaries.pairs();
    assert!(pairs.is_sorted_by(|one, other| one.partial_cmp(other).unwrap().is_lt()));
    // Pairs that no customer can have are left out.
    let prepared = bare().prepare(&[&pairs[..], &[(1, -1.0), (1, 0.0), (0, f64::NAN)]].concat());
    let prepared = prepared.unwrap();
    let (x, recency_age, customer_age) = (
        [0, 4, 4, 4],
        [0.0, 20.0, 30.0, 20.0],
        [30.0, pairs.last().unwrap().1, 30.0, 30.0],
    );
    let all = bare().predict_all(&x, &recency_age, &customer_age).unwrap();
    assert_eq!(
        all,
        prepared
            .predict_all(&x, &recency_age, &customer_age)
            .unwrap()
    );
    for row in 0..4 {
        let customer = Summary::new(x[row], recency_age[row], customer_age[row]).unwrap();
        assert_eq!(all[row], bare().predict(&customer));
        assert_eq!(all[row], prepared.predict(&customer));
        // … nor do figures differ from those of the model alone.
        let known = fit.model.predict(&year, &customer);
        assert_eq!(all[row].probability_alive.value, known.probability_alive);
        assert_eq!(all[row].expected_purchases.value, known.expected_purchases);
    }
    assert_eq!(bare().predict_all(&[], &[], &[]), Ok(vec![]));
}

#[test]
fn summaries_tell_their_distinct_pairs() {
    let summaries = Summaries::new(
        &[3, 0, 1, 3, 0, 3, 1],
        &[5.0, 0.0, 2.0, 4.0, 0.0, 5.0, 1.0],
        &[9.0, 2.0, 7.0, 9.0, 2.0, 8.0, 9.0],
    );
    let pairs = [(0, 2.0), (1, 7.0), (1, 9.0), (3, 8.0), (3, 9.0)];
    assert_eq!(summaries.unwrap().pairs(), pairs);
}

/// Where nobody leaves, purchases ahead are negative binomial (scipy.stats.nbinom: R = 300.25, 1 − w = 3/33; the same
/// with 4/40,004), however far out the first term underflows.
#[test]
fn counts_in_the_thousands_have_their_quantiles() {
    let loyal = BgNbd::new(0.25, 2.0, 1e-12, 1e3).unwrap();
    let of = |age: f64, length: f64| {
        let horizon = Horizon::new(length, 0.0, 365.0).unwrap();
        let customer = Summary::new(300, age, age).unwrap();
        let forecast = Forecast::of_model(Box::new(loyal), &horizon, &ninety());
        forecast.predict(&customer).purchases
    };
    assert_eq!(
        of(1.0, 30.0),
        Some(Purchases {
            low: 2710,
            high: 3307
        })
    );
    assert_eq!(
        of(2.0, 200.0),
        Some(Purchases {
            low: 13603,
            high: 16480
        })
    );
    // 300,250 on average, which is more than are counted.
    assert!(of(1.0, 3_000.0).is_none() && MOST_PURCHASES == 65_536);
}

/// BG/NBD that does not give its log-odds itself.
struct Plain(BgNbd);

impl PurchaseModel for Plain {
    fn log_likelihood(&self, customer: &Summary) -> f64 {
        self.0.log_likelihood(customer)
    }

    fn probability_alive(&self, customer: &Summary) -> f64 {
        self.0.probability_alive(customer)
    }

    fn purchases_if_alive(&self, time: f64, frequency: u64, customer_age: f64) -> f64 {
        self.0.purchases_if_alive(time, frequency, customer_age)
    }

    fn time_scale(&self, customer_age: f64) -> f64 {
        self.0.time_scale(customer_age)
    }

    fn distribution_if_alive(&self, time: f64, x: u64, customer_age: f64, into: &mut [f64]) {
        self.0.distribution_if_alive(time, x, customer_age, into);
    }

    fn expected_purchases_new_customer(&self, time: f64) -> f64 {
        self.0.expected_purchases_new_customer(time)
    }

    fn distribution_new_customer(&self, time: f64, probabilities: &mut [f64]) {
        self.0.distribution_new_customer(time, probabilities);
    }
}

/// From a probability alone the limits are the same, also where it is next to 1 or rounded to it.
#[test]
fn log_odds_may_come_from_the_probability() {
    for power in 0..25 {
        let a = 10.0_f64.powi(-power);
        let nudged = |step: f64| BgNbd::new(0.5, 6.0, a * step.exp(), 2.4).unwrap();
        let spread = || Spread {
            center: nudged(0.0),
            pairs: vec![Pair {
                up: nudged(1e-4),
                down: nudged(-1e-4),
                step: 2e-4,
            }],
        };
        let horizon = Horizon::new(52.0, 0.1, 365.0 / 7.0).unwrap();
        let customer = Summary::new(4, 20.0, 30.0).unwrap();
        let predict = |spread: Spread<Box<dyn PurchaseModel>>| {
            let forecast = Forecast::of_spread(spread, &horizon, &ninety()).predict(&customer);
            let figures = [forecast.probability_alive, forecast.expected_purchases];
            figures.map(|figure| (figure.value, figure.confidence.unwrap()))
        };
        let given = predict(spread().map(|model| -> Box<dyn PurchaseModel> { Box::new(model) }));
        let derived =
            predict(spread().map(|model| -> Box<dyn PurchaseModel> { Box::new(Plain(model)) }));
        for ((value, given), (same, derived)) in given.into_iter().zip(derived) {
            close(same, value, 0.0);
            close(derived.low, given.low, 1e-9);
            close(derived.high, given.high, 1e-9);
        }
    }
}

/// A model with up to three directions of uncertainty, which may be great.
fn spreads() -> impl Strategy<Value = Spread<BgNbd>> {
    let direction = (prop::array::uniform4(-1e-4..1e-4_f64), -6.0..1.0_f64);
    let directions = prop::collection::vec(direction, 0..4);
    (properties::models(), directions).prop_map(|(center, directions)| {
        let pair = |(along, power): ([f64; 4], f64)| {
            let nudged = |sign: f64| {
                let [r, alpha, a, b] =
                    std::array::from_fn(|i| center.parameters()[i] * (sign * along[i]).exp());
                BgNbd::new(r, alpha, a, b).unwrap()
            };
            Pair {
                up: nudged(1.0),
                down: nudged(-1.0),
                step: 10.0_f64.powf(power),
            }
        };
        Spread {
            center,
            pairs: directions.into_iter().map(pair).collect(),
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn limits_stay_in_their_bounds_about_the_figure(
        spread in spreads(), customer in properties::customers(300),
        length in properties::magnitude(-3.0, 3.0), rate in 0.0..1.0_f64, share in 0.01..0.999_f64,
    ) {
        let horizon = Horizon::new(length, rate, 365.0).unwrap();
        let level = Level::new(share).unwrap();
        let model = spread.center;
        let spread = spread.map(|model| -> Box<dyn PurchaseModel> { Box::new(model) });
        let forecast = Forecast::of_spread(spread, &horizon, &level).predict(&customer);
        for (figure, most) in [
            (forecast.probability_alive, 1.0),
            (forecast.expected_purchases, f64::MAX),
            (forecast.discounted_expected_purchases, f64::MAX),
        ] {
            prop_assert!(figure.value >= 0.0);
            if let Some(limits) = figure.confidence {
                prop_assert!(limits.error >= 0.0);
                prop_assert!(0.0 <= limits.low && limits.low <= figure.value, "{figure:?}");
                prop_assert!(figure.value <= limits.high && limits.high <= most, "{figure:?}");
            }
        }
        // The definition of the quantiles, with the distribution of the trait.
        if let Some(Purchases { low, high }) = forecast.purchases {
            let mut probabilities = vec![0.0; usize::try_from(high).unwrap() + 1];
            model.distribution(length, &customer, &mut probabilities);
            for (limit, quantile) in [(low, level.tail()), (high, 1.0 - level.tail())] {
                let limit = usize::try_from(limit).unwrap();
                let within: f64 = probabilities[..=limit].iter().sum();
                prop_assert!(within >= quantile - 1e-12, "{within} {quantile}");
                let below = within - probabilities[limit];
                prop_assert!(limit == 0 || below < quantile + 1e-12, "{below} {quantile}");
            }
        }
    }
}
