//! Backfills: a history of snapshots, one an as-of day, each as a run as of that day makes it of what is known now.
//!
//! ```text
//! list objects ─▶ which snapshots are there ─▶ raw tables, once ─▶ stages, day by day ─▶ snapshots ─▶ history ─▶ commit
//! ```
//!
//! - **A target of its own** beside the pipeline's, with a publication as every other: readers see the old history or the new.
//! - **Only what the chosen tables need is made.** Their contracts are held on every row, and raw tables to their shares of bad
//!   rows. Other checks, and bounds on predictions, are for what is shown as today's.
//! - **A snapshot is kept as soon as it is made**, under a name that tells the plan, the objects and the day. A backfill that was
//!   killed goes on after the last; one with more days makes those alone; `gc` removes what no history is made of any more.

mod days;
mod found;
mod snapshots;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use chrono::NaiveDate;

pub use days::Every;

use super::RunOptions;
use super::checks::contract_held;
use super::error::RunError;
use super::events::{Event, Events};
use super::execute::{asked_to_stop, commit, target_at, tell_begun, tell_ended, within_grace};
use super::inputs::is_whole;
use super::report::{Reporter, RunReport};
use crate::plan::Plan;
use crate::publish::{
    BeginOptions, CheckResult, Commit, Heartbeat, Publication, RunFacts, Sink, Snapshot,
    SourceManifest, TableToWrite, Target, current_commit, find_snapshots, refresh, run_manifest,
};
use crate::score::Pool;
use crate::spec::source::Format;
use found::Found;
use snapshots::{Made, Wanted};
use table::HistoryTable;

/// What a history is to be made of.
#[derive(Debug, Clone)]
pub struct Backfill {
    /// The first as-of day.
    pub from: NaiveDate,
    /// The last, included where the steps meet it.
    pub to: NaiveDate,
    /// How far they lie apart.
    pub every: Every,
    /// Tables that the pipeline publishes.
    pub tables: Vec<String>,
}

/// A backfill that is proven.
struct History<'a> {
    /// What makes the tables, and nothing else.
    plan: &'a Plan,
    backfill: &'a Backfill,
    days: Vec<NaiveDate>,
    tables: Vec<HistoryTable>,
}

impl History<'_> {
    fn holdout_days(&self) -> i64 {
        let validation = self.plan.settings.value.validation;
        validation.map_or(0, |held| held.holdout_days)
    }
}

/// The place that the history of a plan's tables is published to, beside that of the tables.
///
/// # Errors
/// When the store cannot be opened.
pub fn open_history(plan: &Plan, root: &Path) -> Result<Target, RunError> {
    target_at(plan, &format!("{}_history", plan.output_path), root)
}

/// Makes a history of tables of `plan` and publishes it.
///
/// `options` says how; its as-of day is not looked at.
///
/// # Errors
/// [`RunError::NoAsOfDays`], [`RunError::NoHistory`], and what can go wrong in a run. Readers then see what they saw before, unless
/// the error says otherwise, and the snapshots that were made stay for the next backfill.
pub async fn backfill(
    plan: Plan,
    backfill: &Backfill,
    mut options: RunOptions,
) -> Result<RunReport, RunError> {
    let days = days::days(backfill.from, backfill.to, backfill.every)?;
    let tables = table::chosen(&plan, &backfill.tables)?;
    options.as_of = days.last().copied().unwrap_or(backfill.to);
    let names: BTreeSet<String> = tables.iter().map(|table| table.source.clone()).collect();
    let mut plan = plan.only(&names);
    for source in &mut plan.sources {
        // Every day reads it again: text is to be parsed once and written down.
        if !matches!(source.table.format, Format::Parquet) {
            source.uses = source.uses.max(2);
        }
    }
    let history = History {
        plan: &plan,
        backfill,
        days,
        tables,
    };
    let (events, reporter) = tell_begun(&plan, &options);
    let result = publish(&history, &options, &events, &reporter).await;
    tell_ended(&events, &reporter, result)
}

async fn publish(
    history: &History<'_>,
    options: &RunOptions,
    events: &Events,
    reporter: &Reporter,
) -> Result<(), RunError> {
    let pool = Pool::new(options.threads).map_err(|error| RunError::Machine {
        what: "threads",
        source: std::io::Error::other(error),
    })?;
    let target = open_history(history.plan, &options.root)?;
    let begun = tokio::select! {
        begun = begin(history, options, events, &target, &pool) => begun?,
        () = asked_to_stop(options) => {
            // Its marker may be up already.
            drop(within_grace(options, Publication::withdraw(&target, &options.run_id)).await);
            return Err(RunError::Terminated);
        }
    };
    let Some(begun) = begun else {
        return Ok(());
    };
    let publication = begun.publication;
    let at_work = AtWork {
        history,
        options,
        events,
        publication: &publication,
        found: &begun.found,
    };
    let prepared = tokio::select! {
        done = prepare(&at_work, pool, &begun.wanted) => done,
        rival = publication.should_give_way() => Err(RunError::Publish(rival)),
        () = asked_to_stop(options) => Err(RunError::Terminated),
    };
    let prepared = match prepared {
        Ok(prepared) => prepared,
        Err(error) => {
            // The reason of the failure counts more than what could not be cleaned up: gc does that.
            drop(within_grace(options, publication.abandon()).await);
            return Err(error);
        }
    };
    let facts = RunFacts {
        as_of: options.as_of.to_string(),
        plan_fingerprint: history.plan.fingerprint.clone(),
        parameters: parameters(history),
        sources: prepared.sources,
        replay_of: None,
        snapshots: prepared.snapshots,
        checks: prepared.checks,
        report: serde_json::to_value(reporter.report()).unwrap_or_default(),
    };
    commit(options, events, &publication, facts).await
}

/// The plan's parameters and the backfill's own.
fn parameters(history: &History<'_>) -> BTreeMap<String, serde_json::Value> {
    let of_plan = history.plan.parameters.iter();
    let mut parameters: BTreeMap<String, serde_json::Value> = of_plan
        .map(|(name, value)| (name.clone(), value.to_string().into()))
        .collect();
    let Backfill {
        from, to, every, ..
    } = history.backfill;
    parameters.insert("from".to_owned(), from.to_string().into());
    parameters.insert("to".to_owned(), to.to_string().into());
    parameters.insert("every".to_owned(), every.name().into());
    parameters
}

/// A backfill that has begun.
struct Begun<'a> {
    publication: Publication,
    found: Found,
    wanted: Vec<Wanted<'a>>,
}

/// A backfill at work: what the steps below share.
struct AtWork<'a> {
    history: &'a History<'a>,
    options: &'a RunOptions,
    events: &'a Events,
    publication: &'a Publication,
    found: &'a Found,
}

/// Looks for what there is to do and begins the publication; none where readers see the history already.
async fn begin<'a>(
    history: &'a History<'_>,
    options: &RunOptions,
    events: &Events,
    target: &Target,
    pool: &Pool,
) -> Result<Option<Begun<'a>>, RunError> {
    let found = Found::list(history.plan, options).await?;
    let named = history.tables.iter().map(|table| {
        let identity = found.identity(history.plan, &table.source, &options.run_id);
        (table, identity)
    });
    let named: Vec<(&HistoryTable, String)> = named.collect();
    let mut wanted = Vec::with_capacity(history.days.len() * named.len());
    for &day in &history.days {
        for (table, identity) in &named {
            wanted.push(Wanted {
                day,
                table: *table,
                name: format!("{day}-{identity}"),
            });
        }
    }
    if options.reuse
        && let Some(commit) = unchanged(history, target, &wanted).await?
    {
        // A backfill that was killed right after its commit left stable paths behind.
        refresh(target).await?;
        events.tell(&Event::Unchanged {
            commit: commit.number,
            run_id: commit.run_id,
            url: target.url.to_string(),
        });
        return Ok(None);
    }
    let begin = BeginOptions {
        run_id: options.run_id.clone(),
        pipeline: history.plan.pipeline.clone(),
        pool: pool.threads(),
        clock: Arc::clone(&options.clock),
        heartbeat: Heartbeat::default(),
        progress: None,
    };
    let publication = Publication::begin(target.clone(), begin).await?;
    Ok(Some(Begun {
        publication,
        found,
        wanted,
    }))
}

/// The commit that shows exactly the history that is wanted, if all its files are there.
async fn unchanged(
    history: &History<'_>,
    target: &Target,
    wanted: &[Wanted<'_>],
) -> Result<Option<Commit>, RunError> {
    let Some(commit) = current_commit(target).await? else {
        return Ok(None);
    };
    let Some(run) = run_manifest(target, &commit.run_id).await? else {
        return Ok(None);
    };
    let files = wanted
        .iter()
        .map(|wanted| target.snapshot_file(&wanted.table.to_write.name, &wanted.name));
    let is_same = run.pipeline == history.plan.pipeline
        && run.snapshots.iter().cloned().eq(files)
        && is_whole(target, &run).await?;
    Ok(is_same.then_some(commit))
}

/// What a backfill made, ready to be committed.
struct Prepared {
    snapshots: Vec<String>,
    checks: Vec<CheckResult>,
    sources: Vec<SourceManifest>,
}

/// Everything up to the commit.
async fn prepare(
    at_work: &AtWork<'_>,
    pool: Pool,
    wanted: &[Wanted<'_>],
) -> Result<Prepared, RunError> {
    let AtWork {
        history,
        events,
        publication,
        ..
    } = *at_work;
    let kept = if at_work.options.reuse {
        let files = wanted
            .iter()
            .map(|wanted| (Arc::clone(&wanted.table.to_write), wanted.name.clone()));
        let files: Vec<(Arc<TableToWrite>, String)> = files.collect();
        find_snapshots(publication.target(), &files).await?
    } else {
        vec![None; wanted.len()]
    };
    let Made {
        snapshots,
        mut checks,
        sources,
    } = snapshots::complete(at_work, pool, wanted, kept).await?;
    for table in &history.tables {
        let of_table = wanted.iter().zip(&snapshots);
        let of_table = of_table.filter(|(wanted, _)| wanted.table.source == table.source);
        let of_table: Vec<Snapshot> = of_table.map(|(_, snapshot)| snapshot.clone()).collect();
        let result = write(events, publication, &table.to_write, of_table).await?;
        events.tell(&Event::Checked {
            result: result.clone(),
        });
        checks.push(result);
    }
    for table in publication.verify().await? {
        let bytes = table.files.iter().map(|file| file.bytes).sum();
        let empty_because =
            (table.rows == 0).then(|| "no row counts as of any of the days".to_owned());
        events.tell(&Event::TableWritten {
            table: table.name,
            rows: table.rows,
            bytes,
            empty_because,
        });
    }
    Ok(Prepared {
        snapshots: snapshots
            .into_iter()
            .map(|snapshot| snapshot.path)
            .collect(),
        checks,
        sources,
    })
}

/// Writes a history aside; returns that its rows keep their contract.
async fn write(
    events: &Events,
    publication: &Publication,
    table: &TableToWrite,
    snapshots: Vec<Snapshot>,
) -> Result<CheckResult, RunError> {
    let started = Instant::now();
    events.tell(&Event::StageStarted {
        stage: table.name.clone(),
        kind: "publish",
    });
    let expected: u64 = snapshots.iter().map(|snapshot| snapshot.rows).sum();
    let rows = snapshots::rows_of(publication.target(), table, snapshots);
    let written = publication.prepare(table, rows).await?;
    // The engine takes a file that is gone for one without rows.
    if written.rows != expected {
        return Err(RunError::SnapshotsChanged {
            table: table.name.clone(),
            expected,
            found: written.rows,
        });
    }
    events.tell(&Event::StageFinished {
        stage: table.name.clone(),
        kind: "publish",
        rows: Some(written.rows),
        seconds: started.elapsed().as_secs_f64(),
    });
    Ok(contract_held(&table.name, written.rows))
}
