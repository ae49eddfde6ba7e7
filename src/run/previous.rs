//! What an earlier run fitted, to tell how parameters drift.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::Float64Type;
use chrono::NaiveDate;

use super::error::RunError;
use super::published::{PublishedTables, QueryError};
use crate::plan::MODEL_FITS;
use crate::publish::{Published, Target, commits};
use crate::score::PreviousFits;

/// Commits that are looked through for an earlier as-of day.
const DEPTH: usize = 100;

/// The fits of the last published run whose as-of day lies before `as_of`; none where there is none that is still kept.
///
/// A run of the same as-of day is passed over, so that repeating a run compares with the same fits and publishes the
/// same table.
///
/// # Errors
/// When the store does not answer, or what it holds cannot be read.
pub(super) async fn previous_fits(
    target: &Target,
    as_of: NaiveDate,
) -> Result<Option<PreviousFits>, RunError> {
    for commit in commits(target, DEPTH).await? {
        if !commit.tables.contains_key(MODEL_FITS) {
            continue;
        }
        // Beyond what is retained nothing can be read any more.
        let Ok(published) = Published::at(target, commit).await else {
            return Ok(None);
        };
        let Some(table) = published.tables.get(MODEL_FITS) else {
            continue;
        };
        let run = published.runs.get(&table.run_id);
        let seen = run.and_then(|run| run.as_of.parse::<NaiveDate>().ok());
        let has_period = table.schema.column_with_name("period").is_some();
        if let Some(seen) = seen.filter(|seen| *seen < as_of && has_period) {
            let tables = PublishedTables::of(target, &published)?;
            let rows = tables.query(ESTIMATES).await?;
            return Ok(Some(PreviousFits {
                as_of: seen,
                estimates: rows.iter().flat_map(estimates).collect(),
            }));
        }
    }
    Ok(None)
}

const ESTIMATES: &str =
    "select arrow_cast(score, 'Utf8') as score, arrow_cast(model, 'Utf8') as model,
    arrow_cast(parameter, 'Utf8') as parameter, estimate
    from model_fits where period = 'all' and estimate is not null";

fn estimates(batch: &RecordBatch) -> Vec<((String, String, String), f64)> {
    let texts: Vec<_> = batch
        .columns()
        .iter()
        .take(3)
        .filter_map(|column| column.as_string_opt::<i32>())
        .collect();
    let figures = batch
        .columns()
        .get(3)
        .and_then(|column| column.as_primitive_opt::<Float64Type>());
    let ([score, model, parameter], Some(figures)) = (texts.as_slice(), figures) else {
        return Vec::new();
    };
    (0..batch.num_rows())
        .filter(|row| figures.is_valid(*row))
        .map(|row| {
            let key = [score, model, parameter].map(|column| column.value(row).to_owned());
            let [score, model, parameter] = key;
            ((score, model, parameter), figures.value(row))
        })
        .collect()
}

impl From<QueryError> for RunError {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::Published(source) => Self::Publish(source),
            QueryError::Engine(source) => Self::Engine {
                table: MODEL_FITS.to_owned(),
                source,
            },
        }
    }
}
