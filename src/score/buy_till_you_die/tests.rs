//! Stated answers where there is little to answer from, or what is there breaks an assumption.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Date32Array, Float64Array, Int64Array, StringArray};
use arrow::datatypes::{Date32Type, Float64Type};
use chrono::NaiveDate;
use indexmap::IndexMap;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha12Rng;
use rand_distr::{Beta, Distribution, Exp, Gamma};

use super::*;
use crate::score::{Grouping, ValidationSettings};
use crate::spec::Spanned;
use crate::spec::pipeline::Scalar;

/// A customer: frequency, recency_age, customer_age in days, and the mean value of a repeat.
type Customer = (i64, i64, i64, Option<f64>);

fn scorer(
    parameters: &[(&str, Scalar)],
    validation: Option<ValidationSettings>,
) -> Box<dyn CheckedScorer> {
    let given: IndexMap<String, Spanned<Scalar>> = parameters
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Spanned::unplaced(value.clone())))
        .collect();
    let value = ValueSettings {
        horizon_days: 365,
        annual_discount_rate: 0.1,
        validation,
    };
    BuyTillYouDie
        .build(&mut Parameters::new(&given), &value)
        .unwrap()
}

fn integers(values: impl IntoIterator<Item = i64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(values))
}

fn table(customers: &[Customer]) -> RecordBatch {
    let ids: StringArray = (0..customers.len())
        .map(|i| Some(format!("{i:06}")))
        .collect();
    let values: Float64Array = customers.iter().map(|c| c.3).collect();
    RecordBatch::try_from_iter_with_nullable([
        ("customer_id", Arc::new(ids) as ArrayRef, false),
        ("frequency", integers(customers.iter().map(|c| c.0)), false),
        (
            "recency_age",
            integers(customers.iter().map(|c| c.1)),
            false,
        ),
        (
            "customer_age",
            integers(customers.iter().map(|c| c.2)),
            false,
        ),
        ("monetary_value", Arc::new(values) as ArrayRef, true),
    ])
    .unwrap()
}

/// The tables that the scorer asks for, as its stage would bring them.
fn fit_tables(customers: &[Customer]) -> Vec<Vec<RecordBatch>> {
    let all = table(customers);
    let ones = integers(customers.iter().map(|_| 1));
    let names = ["frequency", "recency_age", "customer_age"];
    let mut columns: Vec<(&str, ArrayRef)> = names
        .iter()
        .map(|name| (*name, Arc::clone(all.column_by_name(name).unwrap())))
        .collect();
    columns.push(("customers", ones));
    let spenders: Vec<Customer> = customers
        .iter()
        .copied()
        .filter(|c| c.0 > 0 && c.3.is_some_and(|value| value > 0.0))
        .collect();
    vec![
        vec![RecordBatch::try_from_iter(columns).unwrap()],
        vec![table(&spenders)],
    ]
}

fn days() -> FitContext {
    FitContext::new(NaiveDate::from_ymd_opt(2025, 1, 1).unwrap(), 0)
}

/// `model`, `spend_model`, `reason` of a row, and the figures that are known of it.
fn row(scored: &RecordBatch, at: usize) -> (String, String) {
    let text = |name: &str| {
        let column = arrow::compute::cast(
            scored.column_by_name(name).unwrap(),
            &arrow::datatypes::DataType::Utf8,
        );
        let column = column.unwrap();
        let column = column.as_string::<i32>();
        if column.is_valid(at) {
            column.value(at).to_owned()
        } else {
            "-".to_owned()
        }
    };
    let known: Vec<String> = scored
        .schema()
        .fields()
        .iter()
        .zip(scored.columns())
        .filter(|(field, column)| {
            column.as_primitive_opt::<Float64Type>().is_some()
                && !field.name().ends_with("_low")
                && !field.name().ends_with("_high")
                && column.is_valid(at)
        })
        .map(|(field, _)| field.name().clone())
        .collect();
    let told = format!(
        "{} {} {}",
        text("model"),
        text("spend_model"),
        text("reason")
    );
    (told, known.join(" "))
}

fn score(parameters: &[(&str, Scalar)], customers: &[Customer]) -> (RecordBatch, Vec<FitRow>) {
    let fitted = scorer(parameters, None)
        .fit(&days(), &fit_tables(customers))
        .unwrap();
    (fitted.predict(&table(customers)).unwrap(), fitted.fits())
}

/// Customers drawn from BG/NBD in days, whose spend does not depend on how often they buy.
fn shop(number: usize) -> Vec<Customer> {
    let mut random = ChaCha12Rng::seed_from_u64(11);
    let (rates, leave) = (
        Gamma::new(0.8, 1.0 / 40.0).unwrap(),
        Beta::new(0.8, 2.5).unwrap(),
    );
    (0..number)
        .map(|_| {
            let age = random.random_range(100..700);
            let (rate, p): (f64, f64) = (rates.sample(&mut random), leave.sample(&mut random));
            let (mut frequency, mut recency, mut now) = (0, 0, 0.0);
            loop {
                now += Exp::new(rate.max(1e-9)).unwrap().sample(&mut random);
                let day = now.ceil() as i64;
                if day > age {
                    break;
                }
                if day > recency {
                    frequency += 1;
                    recency = day;
                }
                if random.random::<f64>() < p {
                    break;
                }
            }
            let level = Gamma::new(4.0, 8.0).unwrap().sample(&mut random);
            let noise = Gamma::new(
                6.0 * frequency.max(1) as f64,
                1.0 / (6.0 * frequency.max(1) as f64),
            )
            .unwrap();
            let value = (frequency > 0).then(|| level * noise.sample(&mut random));
            (frequency, recency, age, value)
        })
        .collect()
}

const ALL: &str = "probability_alive expected_purchases expected_spend customer_lifetime_value";
const PURCHASES: &str = "probability_alive expected_purchases";

#[test]
fn a_shop_is_scored_and_every_row_says_by_what() {
    let customers = shop(900);
    let (scored, fits) = score(&[], &customers);
    for (at, customer) in customers.iter().enumerate() {
        let (told, figures) = match customer.0 {
            0 => ("bg_nbd - no_repeat_purchase", PURCHASES),
            _ => ("bg_nbd gamma_gamma -", ALL),
        };
        assert_eq!(row(&scored, at), (told.into(), figures.into()), "{at}");
    }
    assert!(
        fits.iter()
            .all(|fit| fit.is_chosen && fit.converged && fit.reason.is_none())
    );
}

#[test]
fn limits_hold_the_figure_between_them() {
    let (scored, _) = score(&[], &shop(900));
    let column = |name: String| {
        let column = scored.column_by_name(&name).unwrap();
        column.as_primitive::<Float64Type>().clone()
    };
    let names = [
        "probability_alive",
        "expected_purchases",
        "expected_spend",
        "customer_lifetime_value",
    ];
    for name in names {
        let [low, figure, high] =
            ["_low", "", "_high"].map(|limit| column(format!("{name}{limit}")));
        for at in (0..scored.num_rows()).filter(|at| figure.is_valid(*at)) {
            assert!(
                low.value(at) <= figure.value(at) && figure.value(at) <= high.value(at),
                "{name} {at}"
            );
        }
    }
}

#[test]
fn one_customer_is_too_few_and_gets_no_made_up_number() {
    let (scored, fits) = score(&[], &[(3, 40, 100, Some(20.0))]);
    assert_eq!(
        row(&scored, 0),
        (
            "- observed_mean too_few_customers".into(),
            "expected_spend".into()
        )
    );
    let told: Vec<_> = fits
        .iter()
        .map(|fit| fit.reason.as_deref().unwrap())
        .collect();
    assert_eq!(
        told,
        [
            "only 1 customers bought at all: min_customers is 100",
            "only 1 customers have a repeat purchase of positive value: min_customers is 100",
        ]
    );
}

#[test]
fn nobody_who_buys_again_gives_no_model() {
    let customers: Vec<Customer> = (0..200).map(|i| (0, 0, 10 + i, None)).collect();
    let (scored, fits) = score(&[], &customers);
    assert_eq!(
        row(&scored, 0),
        ("- - no_purchase_model".into(), String::new())
    );
    assert_eq!(
        fits[0].reason.as_deref().unwrap(),
        "BG/NBD: none of the 200 customers has a repeat purchase, so no parameter can be told"
    );
}

/// A million rows of one history hold no heterogeneity to find: no maximum, but with the prior there is one.
#[test]
fn a_million_identical_rows_need_the_prior() {
    let customers = [(3, 200, 400, Some(20.0)); 2];
    let mut tables = fit_tables(&customers);
    tables[0] = vec![
        RecordBatch::try_from_iter([
            ("frequency", integers([3])),
            ("recency_age", integers([200])),
            ("customer_age", integers([400])),
            ("customers", integers([1_000_000])),
        ])
        .unwrap(),
    ];
    let fitted = scorer(&[], None).fit(&days(), &tables).unwrap();
    let scored = fitted.predict(&table(&customers)).unwrap();
    let (told, figures) = row(&scored, 0);
    assert_eq!(told, "bg_nbd observed_mean purchase_model_needed_prior");
    assert!(figures.contains("customer_lifetime_value"), "{figures}");
}

#[test]
fn customers_who_are_all_alive_are_likely_to_be() {
    // The last purchase of each is on the last observed day.
    let customers: Vec<Customer> = (0..400)
        .map(|i| {
            (
                1 + i % 7,
                100 + i % 90,
                100 + i % 90,
                Some(10.0 + (i % 13) as f64),
            )
        })
        .collect();
    let (scored, _) = score(&[], &customers);
    let alive = scored.column_by_name("probability_alive").unwrap();
    let alive = alive.as_primitive::<Float64Type>();
    assert_eq!(alive.null_count(), 0);
    assert!(alive.values().iter().all(|p| *p > 0.9), "{alive:?}");
}

#[test]
fn equal_spend_falls_back_to_the_mean_and_says_so() {
    let customers: Vec<Customer> = shop(900)
        .into_iter()
        .map(|(x, recency, age, value)| (x, recency, age, value.map(|_| 25.0)))
        .collect();
    let (scored, _) = score(&[], &customers);
    let buyer = customers
        .iter()
        .position(|customer| customer.0 > 0)
        .unwrap();
    let spend = scored.column_by_name("expected_spend").unwrap();
    let spend = spend.as_primitive::<Float64Type>().value(buyer);
    assert_eq!(spend, 25.0);
    let (told, _) = row(&scored, buyer);
    assert_eq!(told, "bg_nbd observed_mean no_spend_model");
}

#[test]
fn an_age_of_zero_is_scored_as_a_new_customer() {
    let mut customers = shop(900);
    customers.push((0, 0, 0, None));
    let (scored, _) = score(&[], &customers);
    assert_eq!(row(&scored, 900).0, "bg_nbd - no_repeat_purchase");
    assert_eq!(row(&scored, 900).1, PURCHASES);
}

#[test]
fn negative_unknown_and_absent_values_are_told_apart() {
    let mut customers = shop(900);
    customers.extend([(2, 30, 90, Some(-5.0)), (2, 30, 90, None), (0, 0, 90, None)]);
    let (scored, _) = score(&[], &customers);
    let told: Vec<String> = (900..903).map(|at| row(&scored, at).0).collect();
    assert_eq!(
        told,
        [
            "bg_nbd - non_positive_value",
            "bg_nbd - unknown_value",
            "bg_nbd - no_repeat_purchase",
        ]
    );
}

#[test]
fn spend_that_depends_on_frequency_is_not_gamma_gammas() {
    let customers: Vec<Customer> = shop(900)
        .into_iter()
        .map(|(x, recency, age, value)| (x, recency, age, value.map(|v| v + 20.0 * x as f64)))
        .collect();
    let (scored, fits) = score(&[], &customers);
    let buyer = customers
        .iter()
        .position(|customer| customer.0 > 0)
        .unwrap();
    let (told, figures) = row(&scored, buyer);
    assert_eq!(told, "bg_nbd observed_mean spend_depends_on_frequency");
    assert_eq!(figures, ALL);
    let reason = fits
        .iter()
        .find(|fit| fit.model == "gamma_gamma")
        .unwrap()
        .reason
        .as_deref();
    assert!(
        reason
            .unwrap()
            .starts_with("frequency and mean value have the correlation 0.9"),
        "{reason:?}"
    );
}

#[test]
fn of_two_listed_models_one_is_chosen_and_both_are_told() {
    let listed = Scalar::List(vec![
        Scalar::Text("bg_nbd".into()),
        Scalar::Text("mbg_nbd".into()),
    ]);
    let (_, fits) = score(&[("model", listed)], &shop(900));
    let bic = |name: &str| {
        fits.iter()
            .find(|fit| fit.model == name)
            .unwrap()
            .bic
            .unwrap()
    };
    let best = if bic("bg_nbd") <= bic("mbg_nbd") {
        "bg_nbd"
    } else {
        "mbg_nbd"
    };
    for fit in fits.iter().filter(|fit| fit.model != "gamma_gamma") {
        assert_eq!(fit.is_chosen, fit.model == best, "{}", fit.model);
    }
}

#[test]
fn a_holdout_chooses_by_what_came_and_adds_up() {
    let listed = Scalar::List(vec![
        Scalar::Text("bg_nbd".into()),
        Scalar::Text("pareto_nbd".into()),
    ]);
    let validation = ValidationSettings {
        holdout_days: 60,
        max_bias: None,
        min_gini: None,
        max_mae: None,
    };
    let customers = shop(900);
    let mut tables = fit_tables(&customers);
    let calibrated = tables[0].clone();
    let held = {
        let batch = &calibrated[0];
        let came = integers((0..900).map(|i| i % 3));
        let mut columns: Vec<(String, ArrayRef)> = batch
            .schema()
            .fields()
            .iter()
            .zip(batch.columns())
            .map(|(field, column)| (field.name().clone(), Arc::clone(column)))
            .collect();
        columns.push(("holdout_purchases".to_owned(), came));
        vec![RecordBatch::try_from_iter(columns).unwrap()]
    };
    let monday = NaiveDate::from_ymd_opt(2024, 12, 30).unwrap();
    let weeks = RecordBatch::try_from_iter([
        (
            "week_start_date",
            Arc::new(Date32Array::from_iter_values([
                Date32Type::from_naive_date(monday),
            ])) as ArrayRef,
        ),
        ("repeat_purchases", integers([17])),
    ]);
    tables.extend([calibrated, held, vec![weeks.unwrap()]]);
    let context = FitContext::new(NaiveDate::from_ymd_opt(2025, 1, 1).unwrap(), 60);
    let fitted = scorer(&[("model", listed)], Some(validation))
        .fit(&context, &tables)
        .unwrap();
    let calibration = fitted.calibration();
    let overall: Vec<_> = calibration
        .iter()
        .filter(|row| row.grouping == Grouping::Overall)
        .collect();
    assert_eq!(
        overall.iter().map(|row| row.customers).collect::<Vec<_>>(),
        [900, 900]
    );
    assert_eq!(
        overall.iter().map(|row| row.actual).collect::<Vec<_>>(),
        [900.0, 900.0]
    );
    let best = overall
        .iter()
        .max_by(|a, b| a.log_score.unwrap().total_cmp(&b.log_score.unwrap()));
    for row in &overall {
        assert_eq!(row.is_chosen, row.model == best.unwrap().model);
    }
    let last_week = calibration
        .iter()
        .find(|row| row.group == "2024-12-30")
        .unwrap();
    assert_eq!((last_week.actual, last_week.customers), (17.0, 900));
}
