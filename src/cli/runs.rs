//! `cvm runs` and `cvm diff`: past runs, and what changed between two of them.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};

use super::arguments::{DiffArguments, RowFormat, RunsArguments};
use super::project::{plan_of, target_of};
use super::{CliError, console, query};
use crate::publish::{Commit, RunManifest, commits, run_manifest};
use crate::run::diff::{self, TableDiff};
use crate::run::{QueryError, open_target};
use crate::score::Registry;

/// How many changed columns of a table people are shown.
const COLUMNS_SHOWN: usize = 4;
/// The columns of `cvm runs`; the last five are numbers.
const NAMES: [&str; 10] = [
    "run_id",
    "as_of",
    "committed_at",
    "cvm",
    "replay_of",
    "commit",
    "objects",
    "tables",
    "rows",
    "broken_checks",
];

pub(super) async fn runs(arguments: &RunsArguments, registry: &Registry) -> Result<(), CliError> {
    let (plan, root) = plan_of(&arguments.pipeline, registry).await?;
    let target = target_of(&plan, &root, arguments.history)?;
    let mut known = Vec::new();
    for commit in commits(&target, arguments.last).await? {
        if let Some(run) = run_manifest(&target, &commit.run_id).await? {
            known.push((commit, run));
        }
    }
    let batch = to_batch(&known).map_err(|error| QueryError::Engine(error.into()))?;
    let printed = query::print(&[batch], arguments.format);
    console::out(&printed.map_err(|error| QueryError::Engine(error.into()))?)
}

pub(super) async fn compare(
    arguments: &DiffArguments,
    registry: &Registry,
) -> Result<(), CliError> {
    let (plan, root) = plan_of(&arguments.pipeline, registry).await?;
    let target = open_target(&plan, &root)?;
    let mut diffs = diff::diff(&target, &arguments.before, &arguments.after).await?;
    let most = match arguments.format {
        // People look at what changed; a program gets all.
        RowFormat::Table => {
            diffs.retain(TableDiff::is_some);
            COLUMNS_SHOWN
        }
        RowFormat::Csv | RowFormat::Json => usize::MAX,
    };
    if diffs.is_empty() {
        return console::out("nothing differs\n");
    }
    let printed = query::print(&[diff::to_batch(&diffs, most)?], arguments.format);
    console::out(&printed.map_err(|error| QueryError::Engine(error.into()))?)
}

fn to_batch(known: &[(Commit, RunManifest)]) -> Result<RecordBatch, arrow::error::ArrowError> {
    let text = |get: &dyn Fn(&Commit, &RunManifest) -> String| -> ArrayRef {
        let values = known.iter().map(|(commit, run)| Some(get(commit, run)));
        Arc::new(values.collect::<StringArray>())
    };
    let count = |get: &dyn Fn(&Commit, &RunManifest) -> u64| -> ArrayRef {
        let values = known
            .iter()
            .map(|(commit, run)| get(commit, run).cast_signed());
        Arc::new(Int64Array::from_iter_values(values))
    };
    let fields = NAMES.iter().enumerate().map(|(at, name)| match at {
        0..=4 => Field::new(*name, DataType::Utf8, false),
        _ => Field::new(*name, DataType::Int64, false),
    });
    let objects = |run: &RunManifest| {
        let objects = run.sources.iter().map(|source| source.objects.len() as u64);
        objects.sum::<u64>()
    };
    RecordBatch::try_new(
        Arc::new(Schema::new(fields.collect::<Vec<_>>())),
        vec![
            text(&|commit, _| commit.run_id.clone()),
            text(&|_, run| run.as_of.clone()),
            text(&|commit, _| commit.committed_at.clone()),
            text(&|_, run| run.cvm_version.clone()),
            text(&|_, run| run.replay_of.clone().unwrap_or_default()),
            count(&|commit, _| commit.number),
            count(&|_, run| objects(run)),
            count(&|commit, _| commit.tables.len() as u64),
            count(&|_, run| run.tables.iter().map(|table| table.rows).sum()),
            count(&|_, run| run.checks.iter().filter(|check| !check.passed).count() as u64),
        ],
    )
}
