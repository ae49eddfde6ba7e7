//! The tables that a fit looks at, by group and in order: their rows come in none.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use cvm_models::btyd::bg_bb::DiscreteSummary;

use super::super::ScoreError;
use super::super::columns::{at_least_zero, dates, integers, texts};
use super::Group;

/// The customers of a dimension's value.
#[derive(Default)]
pub(super) struct Customers {
    /// Ascending by the days of the cohort's month; within it by history, with the number of customers.
    pub(super) cohorts: BTreeMap<i32, Vec<(DiscreteSummary, u64)>>,
    /// By the days of the month of activity: months since the cohort's, its customers, and those who were active.
    pub(super) months: BTreeMap<i32, Vec<(u64, u64, u64)>>,
}

/// The most months ahead that are asked for; 0 where none are.
pub(super) fn horizon(batches: &[RecordBatch]) -> Result<u64, ScoreError> {
    let mut most = 0;
    for batch in batches {
        let months = integers(batch, "months_ahead")?;
        most = months.values().iter().copied().fold(most, i64::max);
    }
    Ok(u64::try_from(most).unwrap_or_default())
}

/// The customers of each group.
pub(super) fn groups(
    histories_table: &str,
    histories: &[RecordBatch],
    months_table: &str,
    months: &[RecordBatch],
) -> Result<BTreeMap<Group, Customers>, ScoreError> {
    let mut groups: BTreeMap<Group, Customers> = BTreeMap::new();
    for batch in histories {
        add_histories(histories_table, batch, &mut groups)?;
    }
    for batch in months {
        add_months(months_table, batch, &mut groups)?;
    }
    for customers in groups.values_mut() {
        customers
            .cohorts
            .values_mut()
            .for_each(|rows| rows.sort_unstable());
        customers
            .months
            .values_mut()
            .for_each(|rows| rows.sort_unstable());
    }
    Ok(groups)
}

fn add_histories(
    table: &str,
    batch: &RecordBatch,
    groups: &mut BTreeMap<Group, Customers>,
) -> Result<(), ScoreError> {
    let (dimension, value) = (texts(batch, "dimension")?, texts(batch, "dimension_value")?);
    let cohort = dates(batch, "cohort_month")?;
    let names = ["frequency", "recency_age", "opportunities", "customers"];
    let columns = [
        integers(batch, names[0])?,
        integers(batch, names[1])?,
        integers(batch, names[2])?,
        integers(batch, names[3])?,
    ];
    for row in 0..batch.num_rows() {
        let mut counts = [0; 4];
        for (i, count) in counts.iter_mut().enumerate() {
            *count = at_least_zero(table, names[i], columns[i].value(row))?;
        }
        let [frequency, recency_age, opportunities, customers] = counts;
        let history = DiscreteSummary::new(frequency, recency_age, opportunities);
        let history = history.map_err(|error| ScoreError::ImpossibleRow {
            input: table.to_owned(),
            message: error.to_string(),
        })?;
        if customers > 0 {
            let group = (dimension.value(row).into(), value.value(row).into());
            let cohorts = &mut groups.entry(group).or_default().cohorts;
            let rows = cohorts.entry(cohort.value(row)).or_default();
            rows.push((history, customers));
        }
    }
    Ok(())
}

fn add_months(
    table: &str,
    batch: &RecordBatch,
    groups: &mut BTreeMap<Group, Customers>,
) -> Result<(), ScoreError> {
    let (dimension, value) = (texts(batch, "dimension")?, texts(batch, "dimension_value")?);
    let month = dates(batch, "activity_month")?;
    let since = integers(batch, "months_since_first_order")?;
    let customers = integers(batch, "customers")?;
    let active = integers(batch, "active_customers")?;
    for row in 0..batch.num_rows() {
        let group = (dimension.value(row).into(), value.value(row).into());
        let months = &mut groups.entry(group).or_default().months;
        months.entry(month.value(row)).or_default().push((
            at_least_zero(table, "months_since_first_order", since.value(row))?,
            at_least_zero(table, "customers", customers.value(row))?,
            at_least_zero(table, "active_customers", active.value(row))?,
        ));
    }
    Ok(())
}
