//! The checks below `sql/checks`: each is a query of the rows that break it, run before anything is written.

use std::fmt;

use arrow::array::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::error::DataFusionError;
use futures::TryStreamExt;

use super::error::RunError;
use super::events::Event;
use super::work::RunAtWork;
use crate::plan::{Layer, PlannedStage};
use crate::publish::CheckResult;
use crate::spec::table::Severity;

/// How many of the rows that break a check are shown.
const SHOWN: usize = 5;

/// A check that rows break.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenCheck {
    /// The check.
    pub check: String,
    /// What should hold.
    pub description: String,
    /// How many rows break it.
    pub rows: u64,
    /// Some of them, as `column = value` each.
    pub examples: Vec<String>,
    /// What to do.
    pub help: String,
}

impl fmt::Display for BrokenCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { check, rows, .. } = self;
        write!(f, "`{check}`: {rows} rows break it: {}", self.description)?;
        for example in &self.examples {
            write!(f, "\n    {example}")?;
        }
        write!(f, "\n    to do: {}", self.help)
    }
}

/// Makes all checks of the plan; those that are warnings are told as such.
///
/// # Errors
/// All checks that are broken and no mere warnings, or the one that could not be made.
pub(super) async fn hold(work: &RunAtWork<'_>) -> Result<Vec<CheckResult>, RunError> {
    let mut results = Vec::new();
    let mut broken = Vec::new();
    let stages = work.plan.stages.iter();
    for stage in stages.filter(|stage| stage.layer == Layer::Check) {
        let Some(contract) = &stage.contract else {
            continue;
        };
        let Some(declared) = &contract.check else {
            continue;
        };
        let asked = ask(
            work,
            stage,
            contract.key.iter().map(|key| key.value.as_str()),
        );
        let (rows, examples) = work.watched(&stage.name, "check", true, asked).await?;
        let passed = rows <= declared.max_rows;
        results.push(CheckResult {
            name: stage.name.clone(),
            table: None,
            passed,
            detail: format!("{rows} rows break it; at most {} may", declared.max_rows),
        });
        if passed {
            continue;
        }
        let found = BrokenCheck {
            check: stage.name.clone(),
            description: contract.description.trim().to_owned(),
            rows,
            examples,
            help: declared.help.clone(),
        };
        match declared.severity {
            Severity::Error => broken.push(found),
            Severity::Warning => work.events.tell(&Event::Warning {
                message: found.to_string(),
            }),
        }
    }
    if broken.is_empty() {
        Ok(results)
    } else {
        Err(RunError::Checks { broken })
    }
}

/// How many rows break the check, and the first of them by its key.
async fn ask(
    work: &RunAtWork<'_>,
    stage: &PlannedStage,
    key: impl Iterator<Item = &str>,
) -> Result<(u64, Vec<String>), RunError> {
    let failed = |source| RunError::Engine {
        table: stage.name.clone(),
        source,
    };
    let key: Vec<&str> = key.collect();
    let sql = format!("select * from {} order by {}", stage.name, key.join(", "));
    let session = &work.context.session;
    let plan = session.plan_text(&sql).await.map_err(failed)?;
    let rows = session.frame(plan).execute_stream().await.map_err(failed)?;
    let none = (0, Vec::new());
    let counted = rows.try_fold(
        none,
        |(mut count, mut examples): (u64, Vec<String>), batch| async move {
            for row in 0..batch.num_rows().min(SHOWN - examples.len()) {
                examples.push(shown(&batch, row)?);
            }
            count += batch.num_rows() as u64;
            Ok((count, examples))
        },
    );
    counted.await.map_err(failed)
}

fn shown(batch: &RecordBatch, row: usize) -> Result<String, DataFusionError> {
    let options = FormatOptions::new().with_null("null");
    let schema = batch.schema();
    let mut cells = Vec::with_capacity(batch.num_columns());
    for (field, column) in schema.fields().iter().zip(batch.columns()) {
        let cell = ArrayFormatter::try_new(column.as_ref(), &options)?;
        cells.push(format!("{} = {}", field.name(), cell.value(row)));
    }
    Ok(cells.join(", "))
}
