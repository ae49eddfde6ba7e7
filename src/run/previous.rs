//! What was published before: how many rows the last run had, and what the last one of an earlier as-of day fitted, to tell how parameters
//! drift.
//!
//! A run that is repeated compares with what it compared with, and publishes the same: for fits, runs of the same as-of day are passed
//! over; for rows, those of the same day that read the same objects.

use std::collections::BTreeMap;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::Float64Type;
use chrono::NaiveDate;

use super::error::RunError;
use super::published::{PublishedTables, QueryError};
use super::work::RunAtWork;
use crate::plan::MODEL_FITS;
use crate::publish::{
    CheckResult, Commit, ObjectManifest, Published, RunManifest, SourceManifest, Target, are_there,
    commits, current_commit, run_manifest,
};
use crate::score::PreviousFits;

/// Commits that are looked through for an earlier as-of day.
const DEPTH: usize = 100;

/// What an earlier run published.
pub(super) struct Previous {
    as_of: NaiveDate,
    published: Published,
    /// Rows of the raw tables that fitted.
    kept: BTreeMap<String, u64>,
    read: Vec<SourceManifest>,
}

impl Previous {
    /// The last published run of an as-of day before `as_of`; none where there is none in `history`.
    ///
    /// # Errors
    /// When the store does not answer, or what it holds cannot be read.
    pub(super) async fn of_earlier_day(
        target: &Target,
        as_of: NaiveDate,
        history: &[Commit],
    ) -> Result<Option<Self>, RunError> {
        for commit in history {
            if let Some((seen, run)) = run_of(target, commit).await?
                && seen < as_of
            {
                return Ok(Some(Self::of(target, commit, seen, run).await?));
            }
        }
        Ok(None)
    }

    /// The last published run of `as_of` or an earlier day, but one of `as_of` that read what `work` reads; none where there is none in
    /// `history`.
    ///
    /// # Errors
    /// When a store does not answer, or what it holds cannot be read.
    pub(super) async fn last(
        target: &Target,
        as_of: NaiveDate,
        work: &RunAtWork<'_>,
        history: &[Commit],
    ) -> Result<Option<Self>, RunError> {
        for commit in history {
            let Some((seen, run)) = run_of(target, commit).await? else {
                continue;
            };
            let is_other =
                seen < as_of || (seen == as_of && !is_read_again(&run.sources, work).await?);
            if is_other {
                return Ok(Some(Self::of(target, commit, seen, run).await?));
            }
        }
        Ok(None)
    }

    async fn of(
        target: &Target,
        commit: &Commit,
        as_of: NaiveDate,
        run: RunManifest,
    ) -> Result<Self, RunError> {
        Ok(Self {
            as_of,
            published: Published::at(target, commit.clone()).await?,
            kept: run.checks.iter().filter_map(rows_kept).collect(),
            read: run.sources,
        })
    }

    /// The as-of day of that run.
    pub(super) fn as_of(&self) -> NaiveDate {
        self.as_of
    }

    /// What that run read.
    pub(super) fn read(&self) -> &[SourceManifest] {
        &self.read
    }

    /// How many rows a published table had, or of a raw table fitted; none where it was not published or not read.
    pub(super) fn rows(&self, table: &str) -> Option<u64> {
        let published = self.published.tables.get(table);
        published
            .map(|table| table.manifest.rows)
            .or_else(|| self.kept.get(table).copied())
    }

    /// What was fitted; none where nothing was, or its files are no longer kept.
    ///
    /// # Errors
    /// When the store does not answer, or what it holds cannot be read.
    pub(super) async fn fits(&self, target: &Target) -> Result<Option<PreviousFits>, RunError> {
        let Some(table) = self.published.tables.get(MODEL_FITS) else {
            return Ok(None);
        };
        let has_period = table.schema.column_with_name("period").is_some();
        // `gc` removes the files of commits that are not retained.
        if !has_period || !are_there(target, table.files.clone()).await? {
            return Ok(None);
        }
        let tables = PublishedTables::of(target, &self.published)?;
        let rows = tables.query(ESTIMATES).await?;
        Ok(Some(PreviousFits {
            as_of: self.as_of,
            estimates: rows.iter().flat_map(estimates).collect(),
        }))
    }
}

/// The as-of day of what readers see; none where nothing is published.
///
/// # Errors
/// When the store does not answer, or what it holds cannot be read.
pub(super) async fn shown_day(target: &Target) -> Result<Option<NaiveDate>, RunError> {
    let Some(commit) = current_commit(target).await? else {
        return Ok(None);
    };
    let run = run_manifest(target, &commit.run_id).await?;
    Ok(run.and_then(|run| run.as_of.parse().ok()))
}

/// The as-of day and manifest of the run that made a commit.
async fn run_of(
    target: &Target,
    commit: &Commit,
) -> Result<Option<(NaiveDate, RunManifest)>, RunError> {
    let run = run_manifest(target, &commit.run_id).await?;
    Ok(run.and_then(|run| Some((run.as_of.parse().ok()?, run))))
}

/// Whether `work` reads the objects that were read `then`.
async fn is_read_again(then: &[SourceManifest], work: &RunAtWork<'_>) -> Result<bool, RunError> {
    if let Some(are_same) = are_same(then, &work.read()) {
        return Ok(are_same);
    }
    work.work_out_checksums().await?;
    Ok(are_same(then, &work.read()) == Some(true))
}

/// Whether two runs read the same objects; none where it takes checksums that are not known yet to tell.
fn are_same(then: &[SourceManifest], now: &[SourceManifest]) -> Option<bool> {
    let are_alike = |(then, now): (&SourceManifest, &SourceManifest)| {
        then.name == now.name && then.objects.len() == now.objects.len()
    };
    if then.len() != now.len() || !then.iter().zip(now).all(are_alike) {
        return Some(false);
    }
    let then = then.iter().flat_map(|source| &source.objects);
    let now = now.iter().flat_map(|source| &source.objects);
    let mut are_same = Some(true);
    for (then, now) in then.zip(now) {
        match is_same_object(then, now) {
            Some(true) => {}
            Some(false) => return Some(false),
            None => are_same = None,
        }
    }
    are_same
}

/// Whether an object is what it was: by the store's tags, or else by its checksums. None where its tags are others, which an object
/// that was put back as it was has too, and its checksum is not known yet: how far checksums are worked out must decide nothing.
pub(super) fn is_same_object(then: &ObjectManifest, now: &ObjectManifest) -> Option<bool> {
    if then.path != now.path || then.bytes != now.bytes {
        return Some(false);
    }
    let is_tagged = now.e_tag.is_some() || now.version.is_some();
    if is_tagged && then.e_tag == now.e_tag && then.version == now.version {
        return Some(true);
    }
    match (&then.sha256, &now.sha256) {
        (Some(then), Some(now)) => Some(then == now),
        (Some(_), None) => None,
        (None, _) => Some(false),
    }
}

/// The commits that a run looks back at, newest first: for a replay those before the run that it repeats, so that it compares
/// with what that run compared with.
///
/// # Errors
/// When the store does not answer, or what it holds cannot be read.
pub(super) async fn history(
    target: &Target,
    replay_of: Option<&str>,
) -> Result<Vec<Commit>, RunError> {
    let mut commits = commits(target, DEPTH).await?;
    if let Some(run_id) = replay_of {
        let position = commits.iter().position(|commit| commit.run_id == run_id);
        commits.drain(..position.map_or(0, |position| position + 1));
    }
    Ok(commits)
}

/// The raw table that a result is about and how many of its rows fitted; none for results of another kind.
fn rows_kept(result: &CheckResult) -> Option<(String, u64)> {
    let is_count = result.kind == "set_aside";
    let table = result.table.clone().filter(|_| is_count)?;
    let kept = result.rows_checked?.checked_sub(result.rows_broken?)?;
    Some((table, kept))
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
                table: "an earlier run's tables".to_owned(),
                source,
            },
        }
    }
}
