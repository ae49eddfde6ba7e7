//! Clusters of a table, and stated answers where there are none.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, StringArray};
use arrow::datatypes::Float64Type;
use chrono::NaiveDate;
use indexmap::IndexMap;

use super::*;
use crate::spec::Spanned;
use crate::spec::pipeline::Scalar;

fn text(text: &str) -> Scalar {
    Scalar::Text(text.to_owned())
}

fn list(names: &[&str]) -> Scalar {
    Scalar::List(names.iter().map(|name| text(name)).collect())
}

fn build(parameters: &[(&str, Scalar)]) -> Result<Box<dyn CheckedScorer>, Vec<BuildError>> {
    let given: IndexMap<String, Spanned<Scalar>> = parameters
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Spanned::unplaced(value.clone())))
        .collect();
    let value = ValueSettings {
        horizon_days: 365,
        annual_discount_rate: 0.1,
        validation: None,
    };
    KMeans.build(&mut Parameters::new(&given), &value)
}

type Features = [Option<f64>; 4];
const NAMES: [&str; 4] = ["days", "orders", "discount_share", "return_share"];

fn table(customers: &[Features]) -> RecordBatch {
    let ids: StringArray = (0..customers.len())
        .map(|i| Some(format!("{i:06}")))
        .collect();
    let mut columns = vec![("customer_id", Arc::new(ids) as ArrayRef, false)];
    for (i, name) in NAMES.iter().enumerate() {
        let values: Float64Array = customers.iter().map(|customer| customer[i]).collect();
        columns.push((name, Arc::new(values) as ArrayRef, true));
    }
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

fn fitted(parameters: &[(&str, Scalar)], customers: &[Features]) -> Box<dyn FittedScorer> {
    let mut all = vec![("features", list(&NAMES)), ("log_features", text("orders"))];
    all.extend_from_slice(parameters);
    let days = FitContext::new(NaiveDate::from_ymd_opt(2024, 1, 1).unwrap(), 0);
    build(&all)
        .unwrap()
        .fit(&days, &[vec![table(customers)]])
        .unwrap()
}

/// Each customer's cluster or reason.
fn answers(fitted: &dyn FittedScorer, customers: &[Features]) -> Vec<String> {
    let scored = fitted.predict(&table(customers)).unwrap();
    let words = |name: &str| {
        scored
            .column_by_name(name)
            .unwrap()
            .as_string_view()
            .clone()
    };
    let (clusters, reasons) = (words("cluster_name"), words("reason"));
    let distances = scored.column_by_name("distance").unwrap();
    let distances = distances.as_primitive::<Float64Type>();
    (0..scored.num_rows())
        .map(|row| {
            assert_eq!(clusters.is_null(row), distances.is_null(row));
            assert_eq!(clusters.is_null(row), reasons.is_valid(row));
            let found = if clusters.is_null(row) {
                &reasons
            } else {
                &clusters
            };
            found.value(row).to_owned()
        })
        .collect()
}

/// Three kinds of customers: recent and frequent, gone, and bargain hunters. Nobody returns anything.
fn customers() -> Vec<Features> {
    (0..300)
        .map(|i| {
            let noise = f64::from(i % 10) / 10.0;
            let (days, orders, discount) = match i % 3 {
                0 => (10.0 + noise, 40.0 + noise, 0.1),
                1 => (400.0 + noise, 1.0 + noise, 0.1),
                _ => (150.0 + noise, 4.0 + noise, 0.8),
            };
            [Some(days), Some(orders), Some(discount), Some(0.0)]
        })
        .collect()
}

#[test]
fn kinds_of_customers_are_found_and_named() {
    let fitted = fitted(&[], &customers());
    let mut some = customers()[..3].to_vec();
    some.push([Some(1.0), None, Some(0.1), Some(0.0)]);
    some.push([None, None, None, None]);
    some.push([Some(405.0), Some(1.0), Some(f64::INFINITY), Some(0.0)]);
    // What was left out need not be known.
    some.push([Some(405.0), Some(1.0), Some(0.1), None]);
    let expected = [
        "high_orders",
        "high_days",
        "high_discount_share",
        "unknown_orders",
        "unknown_days",
        "unknown_discount_share",
        "high_days",
    ];
    assert_eq!(answers(fitted.as_ref(), &some), expected);

    let fits = fitted.fits();
    let estimate = |parameter: &str| {
        let row = fits.iter().find(|row| row.parameter == parameter);
        row.unwrap_or_else(|| panic!("no {parameter}"))
            .estimate
            .unwrap()
    };
    assert_eq!(estimate("clusters"), 3.0);
    assert_eq!(estimate("high_orders.customers"), 100.0);
    assert!((estimate("mean.discount_share") - 1.0 / 3.0).abs() < 1e-12);
    assert!(estimate("silhouette") > 0.9);
    assert_eq!(estimate("silhouette"), estimate("silhouette_of_03"));
    assert!(estimate("high_orders.orders") > 1.0);
    let left_out: Vec<&str> = fits
        .iter()
        .filter_map(|row| row.reason.as_deref())
        .collect();
    assert_eq!(
        left_out,
        ["`return_share` is the same for every customer: left out"]
    );
}

#[test]
fn the_order_of_customers_changes_nothing() {
    let mut reversed = customers();
    reversed.reverse();
    let (one, other) = (fitted(&[], &customers()), fitted(&[], &reversed));
    assert_eq!(one.fits(), other.fits());
    let scored = |fitted: &dyn FittedScorer| fitted.predict(&table(&customers())).unwrap();
    assert_eq!(scored(one.as_ref()), scored(other.as_ref()));
}

#[test]
fn a_feature_that_nobody_has_is_left_out() {
    let without: Vec<Features> = customers()
        .into_iter()
        .map(|[days, orders, discount, _]| [days, orders, discount, None])
        .collect();
    let fitted = fitted(&[("clusters", Scalar::Integer(3))], &without);
    assert_eq!(answers(fitted.as_ref(), &without[..1]), ["high_orders"]);
    let fits = fitted.fits();
    let left_out: Vec<&str> = fits
        .iter()
        .filter_map(|row| row.reason.as_deref())
        .collect();
    assert_eq!(
        left_out,
        ["`return_share` is unknown for every customer: left out"]
    );
    // The number was given, so none was tried.
    assert!(
        fits.iter()
            .all(|row| !row.parameter.starts_with("silhouette_of"))
    );
}

#[test]
fn where_there_are_no_clusters_everybody_is_told_why() {
    let cases = [
        (
            Vec::new(),
            "too_few_customers",
            "only 0 customers have all features: min_customers is 100",
        ),
        (
            customers()[..99].to_vec(),
            "too_few_customers",
            "only 99 customers have all features: min_customers is 100",
        ),
        (
            vec![[Some(1.0), Some(2.0), Some(0.5), Some(0.0)]; 150],
            "no_varying_feature",
            "every feature is the same for every customer",
        ),
    ];
    for (customers, word, told) in cases {
        let fitted = fitted(&[], &customers);
        let someone = [[Some(1.0), Some(2.0), Some(0.5), Some(0.0)]];
        assert_eq!(answers(fitted.as_ref(), &someone), [word]);
        assert_eq!(fitted.fits().last().unwrap().reason.as_deref(), Some(told));
    }
    let mut two_kinds = vec![[Some(1.0), Some(2.0), Some(0.5), Some(0.0)]; 150];
    two_kinds.push([Some(2.0), Some(2.0), Some(0.5), Some(0.0)]);
    let fitted = fitted(&[("clusters", Scalar::Integer(3))], &two_kinds);
    assert_eq!(
        answers(fitted.as_ref(), &two_kinds[..1]),
        ["too_few_different_customers"]
    );
}

#[test]
fn parameters_that_do_not_fit_are_told_together() {
    let told = |parameters: &[(&str, Scalar)]| {
        let errors = build(parameters).err().unwrap();
        let told = errors
            .iter()
            .map(|error| format!("{} — {}", error.message, error.help));
        told.collect::<Vec<_>>()
    };
    assert_eq!(
        told(&[]),
        [
            "there are no features to compare customers by — list columns of the input: features: [days_since_last_order, orders]"
        ]
    );
    let parameters = [
        ("features", list(&["days", "days", "Orders"])),
        ("log_features", list(&["orders"])),
        ("clusters", Scalar::Number(2.5)),
        ("starts", Scalar::Integer(0)),
        ("min_clusters", Scalar::Integer(9)),
    ];
    assert_eq!(
        told(&parameters),
        [
            "`days` is named twice under features — name columns of the score's input, each once",
            "`Orders` is no name of a column — name columns of the score's input, each once",
            "`clusters` is not a whole number from 2 to 20 — leave it out to have it chosen",
            "`starts` is not a whole number from 1 to 1000 — leave it out for 20",
            "`orders` under log_features is none of the features — list it under features too",
            "min_clusters is 9, and max_clusters 8 — swap them",
        ]
    );
}
