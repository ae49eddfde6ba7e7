//! The table `check_results`: what every check of a run found, and what the runs of other as-of days found before.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Date32Array, Int64Array, RecordBatch, StringArray,
};
use arrow::datatypes::{DataType, Date32Type, Int64Type};
use arrow::error::ArrowError;
use chrono::NaiveDate;

use super::error::RunError;
use super::published::PublishedTables;
use crate::plan::{CHECK_RESULTS, check_results_schema};
use crate::publish::{CheckResult, Commit, Published, Target, are_there, run_manifest};

/// As-of days that the table tells of: more than a year of nightly runs.
const DAYS_KEPT: usize = 400;

/// What each column means, in their order.
pub(super) const DESCRIPTIONS: [&str; 9] = [
    "The as-of day of the run. A later run of the same day takes its place.",
    "The check: the name of its file, or <table>__<name> for what a contract declares.",
    "The table that it is about; null for a query below sql/checks.",
    "What it asks: sql, condition, unique, relationship, freshness, row_count, reconciliation, contract (key, types, required columns, accepted values and ranges; of tables that are not published all but that the key is unique), set_aside (raw rows that do not fit), lookback (objects of days that were over) or validation (bounds of predictions).",
    "Whether it would stop the run: error or warning. A run that an error stops publishes nothing, and so is not in this table: `cvm runs` lists it.",
    "Whether it holds.",
    "Rows that break it; null where it asks the table as a whole.",
    "Rows that were looked at, where they were counted.",
    "What was found, in words.",
];

/// The results of one as-of day.
type OfDay = Vec<CheckResult>;

/// What earlier runs found, by as-of day, without that of `as_of`: from the newest commit of `history` whose results are kept.
///
/// Replays are passed over where that can be: they know of nothing newer than the run that they repeat.
///
/// # Errors
/// When the store does not answer, or what it holds cannot be read.
pub(super) async fn earlier(
    target: &Target,
    as_of: NaiveDate,
    history: &[Commit],
) -> Result<BTreeMap<NaiveDate, OfDay>, RunError> {
    for may_be_replay in [false, true] {
        for commit in history {
            let run = run_manifest(target, &commit.run_id).await?;
            if run.is_none_or(|run| run.replay_of.is_some() && !may_be_replay) {
                continue;
            }
            let published = Published::at(target, commit.clone()).await?;
            let Some(table) = published.tables.get(CHECK_RESULTS) else {
                break;
            };
            // What `gc` removed of a commit it removed of those before it too.
            if !are_there(target, table.files.clone()).await? {
                break;
            }
            return read(target, &published, as_of).await;
        }
    }
    Ok(BTreeMap::new())
}

async fn read(
    target: &Target,
    published: &Published,
    as_of: NaiveDate,
) -> Result<BTreeMap<NaiveDate, OfDay>, RunError> {
    let mut days: BTreeMap<NaiveDate, OfDay> = BTreeMap::new();
    let tables = PublishedTables::of(target, published)?;
    for batch in tables.query(&query()).await? {
        for (day, result) in results(&batch).into_iter().flatten() {
            if day != as_of {
                days.entry(day).or_default().push(result);
            }
        }
    }
    Ok(days)
}

/// All results, sorted by day and check; of the last days only.
pub(super) fn to_batch(
    mut days: BTreeMap<NaiveDate, OfDay>,
    as_of: NaiveDate,
    results: &[CheckResult],
) -> Result<RecordBatch, ArrowError> {
    days.insert(as_of, results.to_vec());
    let left_out = days.len().saturating_sub(DAYS_KEPT);
    let mut rows: Vec<(NaiveDate, CheckResult)> = days
        .into_iter()
        .skip(left_out)
        .flat_map(|(day, of_day)| of_day.into_iter().map(move |result| (day, result)))
        .collect();
    rows.sort_by(|(day, result), (other_day, other)| {
        (day, &result.name).cmp(&(other_day, &other.name))
    });
    let text = |get: fn(&CheckResult) -> Option<&str>| -> ArrayRef {
        let values = rows.iter().map(|(_, result)| get(result));
        Arc::new(values.collect::<StringArray>())
    };
    let count = |get: fn(&CheckResult) -> Option<u64>| -> ArrayRef {
        let values = rows.iter().map(|(_, result)| get(result));
        let values =
            values.map(|value| value.map(|value| i64::try_from(value).unwrap_or(i64::MAX)));
        Arc::new(values.collect::<Int64Array>())
    };
    let day = rows
        .iter()
        .map(|(day, _)| Date32Type::from_naive_date(*day));
    let passed = rows.iter().map(|(_, result)| Some(result.passed));
    RecordBatch::try_new(
        check_results_schema(),
        vec![
            Arc::new(Date32Array::from_iter_values(day)),
            text(|result| Some(&result.name)),
            text(|result| result.table.as_deref()),
            text(|result| Some(&result.kind)),
            text(|result| Some(&result.severity)),
            Arc::new(passed.collect::<BooleanArray>()),
            count(|result| result.rows_broken),
            count(|result| result.rows_checked),
            text(|result| Some(&result.detail)),
        ],
    )
}

/// All columns, each as the type that is read below.
fn query() -> String {
    let schema = check_results_schema();
    let columns = schema.fields().iter().map(|field| match field.data_type() {
        DataType::Utf8 => format!("arrow_cast({0}, 'Utf8') as {0}", field.name()),
        _ => field.name().clone(),
    });
    let columns: Vec<String> = columns.collect();
    format!("select {} from {CHECK_RESULTS}", columns.join(", "))
}

/// The rows of a batch of [`query`].
fn results(batch: &RecordBatch) -> Option<Vec<(NaiveDate, CheckResult)>> {
    let text = |name: &str| batch.column_by_name(name)?.as_string_opt::<i32>();
    let count = |name: &str| batch.column_by_name(name)?.as_primitive_opt::<Int64Type>();
    let day = batch.column_by_name("as_of_date")?;
    let day = day.as_primitive_opt::<Date32Type>()?;
    let passed = batch.column_by_name("has_passed")?.as_boolean_opt()?;
    let (name, table) = (text("check_name")?, text("table_name")?);
    let (kind, severity, detail) = (text("kind")?, text("severity")?, text("detail")?);
    let (broken, checked) = (count("rows_broken")?, count("rows_checked")?);
    let count_at = |column: &Int64Array, row| {
        let known = column.is_valid(row).then(|| column.value(row));
        known.and_then(|count| u64::try_from(count).ok())
    };
    let rows = (0..batch.num_rows()).filter_map(|row| {
        let result = CheckResult {
            name: name.value(row).to_owned(),
            table: table.is_valid(row).then(|| table.value(row).to_owned()),
            kind: kind.value(row).to_owned(),
            severity: severity.value(row).to_owned(),
            passed: passed.value(row),
            rows_broken: count_at(broken, row),
            rows_checked: count_at(checked, row),
            detail: detail.value(row).to_owned(),
        };
        Some((Date32Type::to_naive_date_opt(day.value(row))?, result))
    });
    Some(rows.collect())
}
