use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, Date32Array, Int64Array, StringArray};
use arrow::datatypes::Float64Type;
use chrono::NaiveDate;
use indexmap::IndexMap;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha12Rng;
use rand_distr::{Beta, Distribution};

use super::*;
use crate::spec::Spanned;
use crate::spec::pipeline::Scalar;

/// One customer: the value of the dimension `kind`, the cohort's month, and whether he or she ordered in each since.
type Customer = (&'static str, i32, Vec<bool>);

/// Days of the first of the months, which need not be those of a calendar here.
const MONTH: i32 = 30;

/// Customers of BG/BB of six cohorts, observed up to month 12.
fn shop(customers: usize, kind: &'static str, random: &mut ChaCha12Rng) -> Vec<Customer> {
    let (buys, leaves) = (Beta::new(0.8, 1.6).unwrap(), Beta::new(0.7, 6.0).unwrap());
    (0..customers)
        .map(|i| {
            let cohort = i32::try_from(i % 6).unwrap();
            let (p, theta): (f64, f64) = (buys.sample(random), leaves.sample(random));
            let mut alive = true;
            let months = (cohort..12)
                .map(|_| {
                    alive = alive && random.random::<f64>() >= theta;
                    alive && random.random::<f64>() < p
                })
                .collect();
            (kind, cohort, months)
        })
        .collect()
}

fn texts_of(values: impl Iterator<Item = &'static str>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

fn integers_of(values: impl Iterator<Item = u64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(
        values.map(|value| i64::try_from(value).unwrap()),
    ))
}

fn dates_of(months: impl Iterator<Item = i32>) -> ArrayRef {
    Arc::new(Date32Array::from_iter_values(
        months.map(|month| month * MONTH),
    ))
}

/// Each customer under `all` and under the own kind.
fn grouped(customers: &[Customer]) -> Vec<(&'static str, &'static str, &Customer)> {
    let everybody = customers.iter().map(|customer| ("all", "all", customer));
    let kinds = customers
        .iter()
        .map(|customer| ("kind", customer.0, customer));
    everybody.chain(kinds).collect()
}

fn histories(customers: &[Customer]) -> RecordBatch {
    let rows = grouped(customers);
    let last = |months: &[bool]| {
        let last = months.iter().rposition(|bought| *bought);
        last.map_or(0, |last| last as u64 + 1)
    };
    let frequency = |months: &[bool]| months.iter().filter(|bought| **bought).count() as u64;
    RecordBatch::try_from_iter([
        ("dimension", texts_of(rows.iter().map(|row| row.0))),
        ("dimension_value", texts_of(rows.iter().map(|row| row.1))),
        ("cohort_month", dates_of(rows.iter().map(|row| row.2.1))),
        (
            "frequency",
            integers_of(rows.iter().map(|row| frequency(&row.2.2))),
        ),
        (
            "recency_age",
            integers_of(rows.iter().map(|row| last(&row.2.2))),
        ),
        (
            "opportunities",
            integers_of(rows.iter().map(|row| row.2.2.len() as u64)),
        ),
        ("customers", integers_of(rows.iter().map(|_| 1))),
    ])
    .unwrap()
}

/// Each month of each cohort.
fn months(customers: &[Customer]) -> RecordBatch {
    let mut counts: BTreeMap<(&str, &str, i32, i32), [u64; 2]> = BTreeMap::new();
    for (dimension, value, (_, cohort, months)) in grouped(customers) {
        for (month, bought) in (cohort + 1..).zip(months) {
            let count = counts
                .entry((dimension, value, *cohort, month))
                .or_default();
            count[0] += 1;
            count[1] += u64::from(*bought);
        }
    }
    let keys = || counts.keys();
    RecordBatch::try_from_iter([
        ("dimension", texts_of(keys().map(|key| key.0))),
        ("dimension_value", texts_of(keys().map(|key| key.1))),
        ("activity_month", dates_of(keys().map(|key| key.3))),
        (
            "months_since_first_order",
            integers_of(keys().map(|key| u64::try_from(key.3 - key.2).unwrap())),
        ),
        (
            "is_partial_month",
            Arc::new(keys().map(|_| Some(false)).collect::<BooleanArray>()),
        ),
        (
            "customers",
            integers_of(counts.values().map(|count| count[0])),
        ),
        (
            "active_customers",
            integers_of(counts.values().map(|count| count[1])),
        ),
    ])
    .unwrap()
}

/// Months 1 and 12 ahead of cohort 0 of each group.
fn ahead(groups: &[(&'static str, &'static str)]) -> RecordBatch {
    let rows: Vec<_> = groups
        .iter()
        .flat_map(|group| [(*group, 1), (*group, 12)])
        .collect();
    RecordBatch::try_from_iter([
        ("dimension", texts_of(rows.iter().map(|row| row.0.0))),
        ("dimension_value", texts_of(rows.iter().map(|row| row.0.1))),
        ("cohort_month", dates_of(rows.iter().map(|_| 0))),
        ("months_ahead", integers_of(rows.iter().map(|row| row.1))),
    ])
    .unwrap()
}

fn scored(
    parameters: &[(&str, Scalar)],
    customers: &[Customer],
    groups: &[(&'static str, &'static str)],
) -> (RecordBatch, Vec<FitRow>) {
    let given: IndexMap<String, Spanned<Scalar>> = parameters
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Spanned::unplaced(value.clone())))
        .collect();
    let value = ValueSettings {
        horizon_days: 365,
        annual_discount_rate: 0.1,
        validation: None,
    };
    let scorer = CohortProjection
        .build(&mut Parameters::new(&given), &value)
        .unwrap();
    let days = FitContext::new(NaiveDate::from_ymd_opt(2025, 1, 1).unwrap(), 0);
    let ahead = ahead(groups);
    let inputs = [
        vec![ahead.clone()],
        vec![histories(customers)],
        vec![months(customers)],
    ];
    let fitted = scorer.fit(&days, &inputs).unwrap();
    (fitted.predict(&ahead).unwrap(), fitted.fits())
}

fn doubles_of(batch: &RecordBatch, name: &str) -> Vec<Option<f64>> {
    let column = batch.column_by_name(name).unwrap();
    column.as_primitive::<Float64Type>().iter().collect()
}

fn words_of(batch: &RecordBatch, name: &str) -> Vec<Option<String>> {
    let column = batch.column_by_name(name).unwrap();
    let words = column.as_string_view().iter();
    words.map(|word| word.map(str::to_owned)).collect()
}

const ALL: (&str, &str) = ("all", "all");

#[test]
fn a_thin_value_is_projected_by_the_model_of_all() {
    let mut random = ChaCha12Rng::seed_from_u64(3);
    let mut customers = shop(1_800, "many", &mut random);
    customers.extend(shop(30, "few", &mut random));
    let groups = [ALL, ("kind", "many"), ("kind", "few"), ("kind", "none")];
    let (batch, fits) = scored(&[], &customers, &groups);
    let some = |word: &str| Some(word.to_owned());
    let reasons = words_of(&batch, "reason");
    assert_eq!(reasons[0], None);
    assert_eq!(reasons[2], None);
    assert_eq!(reasons[4], some("model_of_all"));
    assert_eq!(reasons[6], some("no_model"));
    let models = words_of(&batch, "model");
    assert_eq!((&models[4], &models[6]), (&some("bg_bb"), &None));
    let retention = doubles_of(&batch, "projected_retention");
    let (low, high) = (
        doubles_of(&batch, "projected_retention_low"),
        doubles_of(&batch, "projected_retention_high"),
    );
    let survival = doubles_of(&batch, "projected_survival");
    for row in 0..6 {
        let [low, value, high] = [low[row], retention[row], high[row]].map(Option::unwrap);
        assert!(low < value && value < high, "{row}: {low} {value} {high}");
        assert!(survival[row].unwrap() > value);
        // A year ahead fewer are left.
        if row % 2 == 1 {
            assert!(value < retention[row - 1].unwrap());
        }
    }
    assert_eq!(retention[6], None);
    // Chance alone makes five customers less sure than three hundred.
    let width = |row: usize| high[row].unwrap() - low[row].unwrap();
    assert!(width(4) > 2.0 * width(0));
    let told: Vec<_> = fits.iter().map(|fit| fit.parameter.as_str()).collect();
    let names = ["alpha", "beta", "gamma", "delta"];
    assert_eq!(told, [names, names].concat());
    // These customers leave in any month, so that the model by which they do is the likelier.
    assert!(
        fits.iter()
            .all(|fit| fit.is_chosen == (fit.model == "bg_bb") && fit.customers == 1_830)
    );
}

#[test]
fn too_little_gives_a_reason_and_no_number() {
    let mut random = ChaCha12Rng::seed_from_u64(3);
    let (batch, fits) = scored(&[], &shop(60, "few", &mut random), &[ALL]);
    assert_eq!(doubles_of(&batch, "projected_retention"), [None, None]);
    assert_eq!(
        words_of(&batch, "reason")[0].as_deref(),
        Some("too_few_customers")
    );
    assert_eq!(
        fits[0].reason.as_deref(),
        Some("only 60 customers bought at all: min_customers is 100")
    );
    let young: Vec<Customer> = (0..200)
        .map(|i| ("new", 0, vec![i % 3 == 0, false]))
        .collect();
    let (batch, _) = scored(&[], &young, &[ALL]);
    assert_eq!(
        words_of(&batch, "reason")[0].as_deref(),
        Some("too_few_months")
    );
    let (batch, fits) = scored(&[], &[], &[ALL]);
    assert_eq!(words_of(&batch, "reason")[0].as_deref(), Some("no_model"));
    assert_eq!(fits, vec![]);
}

#[test]
fn nobody_who_buys_again_gives_no_model() {
    let once: Vec<Customer> = (0..200).map(|_| ("once", 0, vec![false; 6])).collect();
    let (batch, fits) = scored(&[], &once, &[ALL]);
    assert_eq!(words_of(&batch, "reason")[0].as_deref(), Some("no_model"));
    assert_eq!(
        fits[0].reason.as_deref(),
        Some("BG/BB: none of the 200 customers has a repeat purchase, so no parameter can be told")
    );
}

/// The cohort that Fader & Hardie 2007 call regular, of whom 241 of 1,000 are there after 7 renewals; their model has
/// α 0.704 and β 1.182, by which (β+7)/(α+β+7) of them make the eighth.
#[test]
fn under_contract_a_missed_month_is_the_end() {
    let survivors = [1000, 631, 468, 382, 326, 289, 262, 241];
    let mut customers = Vec::new();
    for renewals in 0..8_usize {
        let next = survivors.get(renewals + 1).copied().unwrap_or(0);
        for _ in next..survivors[renewals] {
            let months = (0..7).map(|month| month < renewals).collect();
            customers.push(("regular", 0, months));
        }
    }
    let model = Scalar::Text("shifted_beta_geometric".into());
    let (batch, fits) = scored(&[("model", model)], &customers, &[ALL]);
    let retention = doubles_of(&batch, "projected_retention")[0].unwrap();
    let expected = 0.241 * (1.182 + 7.0) / (0.704 + 1.182 + 7.0);
    assert!(
        (retention - expected).abs() < 1e-4,
        "{retention} {expected}"
    );
    assert_eq!(doubles_of(&batch, "projected_survival")[0], Some(retention));
    assert!((fits[0].estimate.unwrap() - 0.704).abs() < 5e-4);
}

#[test]
fn the_order_of_rows_does_not_matter() {
    let mut random = ChaCha12Rng::seed_from_u64(3);
    let customers = shop(600, "many", &mut random);
    let reversed: Vec<Customer> = customers.iter().rev().cloned().collect();
    assert_eq!(
        scored(&[], &customers, &[ALL]).0,
        scored(&[], &reversed, &[ALL]).0
    );
}
