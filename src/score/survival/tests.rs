use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, StringArray};
use arrow::datatypes::{Float64Type, Int64Type};
use chrono::NaiveDate;
use indexmap::IndexMap;

use super::*;
use crate::spec::Spanned;
use crate::spec::pipeline::Scalar;

type Row = (&'static str, i64, i64, i64);

fn table(rows: &[Row]) -> RecordBatch {
    let integers = |get: fn(&Row) -> i64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(rows.iter().map(get)))
    };
    let texts = |get: fn(&Row) -> &'static str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(rows.iter().map(get)))
    };
    RecordBatch::try_from_iter([
        ("dimension", texts(|_| "arm")),
        ("dimension_value", texts(|row| row.0)),
        ("tenure", integers(|row| row.1)),
        ("lost_customers", integers(|row| row.2)),
        ("censored_customers", integers(|row| row.3)),
    ])
    .unwrap()
}

fn scored(parameters: &[(&str, Scalar)], rows: &[Row]) -> Result<RecordBatch, ScoreError> {
    let given: IndexMap<String, Spanned<Scalar>> = parameters
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Spanned::unplaced(value.clone())))
        .collect();
    let value = ValueSettings {
        horizon_days: 365,
        annual_discount_rate: 0.1,
        validation: None,
    };
    let scorer = Survival
        .build(&mut Parameters::new(&given), &value)
        .unwrap();
    let days = FitContext::new(NaiveDate::from_ymd_opt(2025, 1, 1).unwrap(), 0);
    let table = table(rows);
    scorer.fit(&days, &[vec![table.clone()]])?.predict(&table)
}

fn doubles_of(batch: &RecordBatch, name: &str) -> Vec<Option<f64>> {
    let column = batch.column_by_name(name).unwrap();
    column.as_primitive::<Float64Type>().iter().collect()
}

fn integers_of(batch: &RecordBatch, name: &str) -> Vec<Option<i64>> {
    let column = batch.column_by_name(name).unwrap();
    column.as_primitive::<Int64Type>().iter().collect()
}

/// Freireich et al. 1963: remission in weeks under 6-mercaptopurine and under placebo, of which S(1) = 19/21 and
/// S(23) = 0 (Kleinbaum & Klein 2012, table 1.1).
const REMISSIONS: [Row; 7] = [
    ("6-MP", 6, 3, 1),
    ("6-MP", 7, 1, 0),
    ("6-MP", 9, 0, 1),
    ("6-MP", 10, 1, 1),
    ("6-MP", 35, 0, 13),
    ("placebo", 1, 2, 0),
    ("placebo", 23, 19, 0),
];

#[test]
fn values_are_estimated_apart() {
    let batch = scored(&[], &REMISSIONS).unwrap();
    let shown: Vec<String> = doubles_of(&batch, "survival")
        .iter()
        .map(|survival| format!("{:.4}", survival.unwrap()))
        .collect();
    assert_eq!(
        shown,
        [
            "0.8571", "0.8067", "0.8067", "0.7529", "0.7529", "0.9048", "0.0000"
        ]
    );
    let at_risk: Vec<i64> = integers_of(&batch, "at_risk")
        .into_iter()
        .flatten()
        .collect();
    assert_eq!(at_risk, [21, 17, 16, 15, 13, 21, 19]);
    let error = doubles_of(&batch, "standard_error");
    assert!((error[0].unwrap() - 0.0764).abs() < 5e-5, "{error:?}");
    assert_eq!(error[6], None);
    assert_eq!(doubles_of(&batch, "survival_high")[6], None);
}

#[test]
fn medians_and_means_stand_on_each_row() {
    let batch = scored(&[("restricted_to", Scalar::Integer(100))], &REMISSIONS).unwrap();
    let median = integers_of(&batch, "median_tenure");
    assert_eq!(
        (median[0], median[5], median[6]),
        (None, Some(23), Some(23))
    );
    let restricted = integers_of(&batch, "restricted_to");
    // Of the placebo arm everything is known, of the other nothing beyond 35.
    assert_eq!((restricted[0], restricted[6]), (Some(35), Some(100)));
    let mean = doubles_of(&batch, "mean_tenure");
    assert!((mean[5].unwrap() - (2.0 + 19.0 * 23.0) / 21.0).abs() < 1e-12);
}

#[test]
fn a_tenure_at_which_nothing_happened_is_told_too() {
    let rows = [
        ("a", 0, 0, 0),
        ("a", 2, 1, 1),
        ("a", 5, 0, 0),
        ("a", 9, 0, 2),
    ];
    let batch = scored(&[], &rows).unwrap();
    assert_eq!(
        doubles_of(&batch, "survival"),
        [Some(1.0), Some(0.75), Some(0.75), Some(0.75)]
    );
    assert_eq!(
        integers_of(&batch, "at_risk"),
        [Some(4), Some(4), Some(2), Some(2)]
    );
}

#[test]
fn nobody_gives_no_row() {
    assert_eq!(scored(&[], &[]).unwrap().num_rows(), 0);
}

#[test]
fn a_negative_count_is_refused() {
    let error = scored(&[], &[("a", 3, -1, 0)]).err().unwrap();
    assert_eq!(
        error.to_string(),
        "the table `the input of survival` holds a customer that cannot be: lost_customers is -1"
    );
}
