//! `cvm runs` and `cvm diff`: past runs, and what changed between two of them.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};

use super::arguments::{DiffArguments, RowFormat, RunsArguments};
use super::project::{plan_of, target_of};
use super::{CliError, console, query};
use crate::plan::Plan;
use crate::publish::{
    CheckResult, Commit, FailedRun, RunManifest, commits, failed_runs, run_manifest,
};
use crate::run::diff::{self, TableDiff};
use crate::run::{QueryError, RunError};
use crate::score::Registry;
use crate::spec::check::Severity;

/// How many changed columns of a table people are shown.
const COLUMNS_SHOWN: usize = 4;
/// A longer reason of a failure is cut.
const REASON_CHARS: usize = 200;
/// The columns of `cvm runs`; those from `commit` to `broken_checks` are numbers.
const NAMES: [&str; 12] = [
    "run_id",
    "as_of",
    "ended_at",
    "outcome",
    "cvm",
    "replay_of",
    "commit",
    "objects",
    "tables",
    "rows",
    "broken_checks",
    "failed_by",
];

/// A past run; figures that only a run that published has are none of others.
struct PastRun {
    run_id: String,
    as_of: String,
    ended_at: String,
    outcome: &'static str,
    cvm: String,
    replay_of: String,
    commit: Option<u64>,
    objects: Option<u64>,
    tables: Option<u64>,
    rows: Option<u64>,
    broken_checks: u64,
    failed_by: String,
}

impl PastRun {
    fn published(commit: &Commit, run: &RunManifest) -> Self {
        let objects = run.sources.iter().map(|source| source.objects.len() as u64);
        Self {
            run_id: commit.run_id.clone(),
            as_of: run.as_of.clone(),
            ended_at: commit.committed_at.clone(),
            outcome: "published",
            cvm: run.cvm_version.clone(),
            replay_of: run.replay_of.clone().unwrap_or_default(),
            commit: Some(commit.number),
            objects: Some(objects.sum()),
            tables: Some(commit.tables.len() as u64),
            rows: Some(run.tables.iter().map(|table| table.rows).sum()),
            broken_checks: broken(&run.checks).count() as u64,
            failed_by: String::new(),
        }
    }

    fn failed(run: &FailedRun) -> Self {
        Self {
            run_id: run.run_id.clone(),
            as_of: run.as_of.clone(),
            ended_at: run.failed_at.clone(),
            outcome: "failed",
            cvm: run.cvm_version.clone(),
            replay_of: String::new(),
            commit: None,
            objects: None,
            tables: None,
            rows: None,
            broken_checks: broken(&run.checks).count() as u64,
            failed_by: failed_by(run),
        }
    }
}

fn broken(checks: &[CheckResult]) -> impl Iterator<Item = &CheckResult> {
    checks.iter().filter(|check| !check.passed)
}

/// The checks that stopped a run; where it was none, as where a key is not unique, what it said.
fn failed_by(run: &FailedRun) -> String {
    let stopped = broken(&run.checks).filter(|check| check.severity == Severity::Error.name());
    let names: Vec<&str> = stopped.map(|check| check.name.as_str()).collect();
    if names.is_empty() {
        let line = run.reason.lines().next().unwrap_or_default();
        line.chars().take(REASON_CHARS).collect()
    } else {
        names.join(", ")
    }
}

pub(super) async fn runs(arguments: &RunsArguments, registry: &Registry) -> Result<(), CliError> {
    let (plan, root) = plan_of(&arguments.pipeline, registry).await?;
    let target = target_of(&plan, &root, arguments.history)?;
    // By the commit that a run made or would have followed: clocks of machines may differ.
    let mut known: Vec<(u64, PastRun)> = Vec::new();
    for run in failed_runs(&target).await? {
        known.push((run.follows, PastRun::failed(&run)));
    }
    for commit in commits(&target, arguments.last).await? {
        if let Some(run) = run_manifest(&target, &commit.run_id).await? {
            known.push((commit.number, PastRun::published(&commit, &run)));
        }
    }
    // A stable sort: those that failed after a commit stay before it.
    known.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
    known.truncate(arguments.last);
    let runs: Vec<PastRun> = known.into_iter().map(|(_, run)| run).collect();
    let batch = to_batch(&runs).map_err(|error| QueryError::Engine(error.into()))?;
    let printed = query::print(&[batch], arguments.format);
    console::out(&printed.map_err(|error| QueryError::Engine(error.into()))?)
}

pub(super) async fn compare(
    arguments: &DiffArguments,
    registry: &Registry,
) -> Result<(), CliError> {
    let (plan, root) = plan_of(&arguments.pipeline, registry).await?;
    let target = target_of(&plan, &root, arguments.history)?;
    let compared = diff::diff(&target, &arguments.before, &arguments.after, arguments.keys).await;
    let mut diffs = match compared {
        Ok(diffs) => diffs,
        Err(error) => return Err(placed(error, &plan, &root, arguments.history).await.into()),
    };
    let (most, note) = match arguments.format {
        // People look at what changed; a program gets all.
        RowFormat::Table => {
            let note = across_days(&diffs);
            diffs.retain(TableDiff::is_some);
            (COLUMNS_SHOWN, note)
        }
        RowFormat::Csv | RowFormat::Json => (usize::MAX, String::new()),
    };
    if diffs.is_empty() {
        return console::out(&format!("nothing differs\n{note}"));
    }
    let printed = query::print(&[diff::to_batch(&diffs, most)?], arguments.format);
    let printed = printed.map_err(|error| QueryError::Engine(error.into()))?;
    console::out(&format!("{printed}{note}"))
}

/// Which tables are compared from one as-of day to another.
fn across_days(diffs: &[TableDiff]) -> String {
    let across = diffs.iter().filter(|diff| diff.is_across_days);
    let names: Vec<&str> = across.map(|diff| diff.table.as_str()).collect();
    if names.is_empty() {
        return String::new();
    }
    format!(
        "the two runs are of different days: as_of_date is left out of the key of {}\n",
        names.join(", ")
    )
}

/// `error` with what to say where the run is known among those of the other kind, backfills or runs.
async fn placed(error: RunError, plan: &Plan, root: &Path, history: bool) -> RunError {
    match error {
        RunError::NoSuchRun {
            run_id,
            url,
            reason,
        } => {
            let is_there = match target_of(plan, root, !history) {
                Ok(other) => matches!(run_manifest(&other, &run_id).await, Ok(Some(_))),
                Err(_) => false,
            };
            let reason = match (is_there, history) {
                (false, _) => reason,
                (true, false) => "it is a backfill; say `--history`",
                (true, true) => "it is no backfill; leave `--history` out",
            };
            RunError::NoSuchRun {
                run_id,
                url,
                reason,
            }
        }
        error => error,
    }
}

fn to_batch(runs: &[PastRun]) -> Result<RecordBatch, arrow::error::ArrowError> {
    let text = |get: fn(&PastRun) -> &str| -> ArrayRef {
        let values = runs.iter().map(|run| Some(get(run)));
        Arc::new(values.collect::<StringArray>())
    };
    let count = |get: fn(&PastRun) -> Option<u64>| -> ArrayRef {
        let values = runs.iter().map(|run| get(run).map(u64::cast_signed));
        Arc::new(values.collect::<Int64Array>())
    };
    let fields = NAMES.iter().enumerate().map(|(at, name)| match at {
        6..=10 => Field::new(*name, DataType::Int64, true),
        _ => Field::new(*name, DataType::Utf8, false),
    });
    RecordBatch::try_new(
        Arc::new(Schema::new(fields.collect::<Vec<_>>())),
        vec![
            text(|run| &run.run_id),
            text(|run| &run.as_of),
            text(|run| &run.ended_at),
            text(|run| run.outcome),
            text(|run| &run.cvm),
            text(|run| &run.replay_of),
            count(|run| run.commit),
            count(|run| run.objects),
            count(|run| run.tables),
            count(|run| run.rows),
            count(|run| Some(run.broken_checks)),
            text(|run| &run.failed_by),
        ],
    )
}
