//! The steps of a backfill, from the listing of objects to the commit.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use super::super::RunOptions;
use super::super::checks::{PUBLISHED, contract_held};
use super::super::error::RunError;
use super::super::events::{Event, Events};
use super::super::execute::{asked_to_stop, commit, unless_stopped, within_grace};
use super::super::failed;
use super::super::inputs::is_whole;
use super::super::report::Reporter;
use super::checks::Asked;
use super::found::Found;
use super::lost::refuse_loss;
use super::snapshots::{Made, Wanted, complete, rows_of};
use super::table::HistoryTable;
use super::{Backfill, History, open_history};
use crate::publish::{
    BeginOptions, CheckResult, Commit, Heartbeat, Publication, PublishError, RunFacts, Sink,
    Snapshot, SourceManifest, TableToWrite, Target, current_commit, find_snapshots, refresh,
    run_manifest,
};
use crate::score::Pool;

/// Everything from the listing of objects to the commit.
pub(super) async fn publish(
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
    let begun = unless_stopped(
        options,
        &target,
        begin(history, options, events, &target, &pool),
    )
    .await?;
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
            // The reason of the failure counts more than what could not be noted or cleaned up: gc does that.
            if let Some(facts) = failed::facts_of(history.plan, options, reporter, &error) {
                drop(within_grace(options, publication.note_failure(facts)).await);
            }
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
pub(super) struct AtWork<'a> {
    pub(super) history: &'a History<'a>,
    pub(super) options: &'a RunOptions,
    pub(super) events: &'a Events,
    pub(super) publication: &'a Publication,
    pub(super) found: &'a Found,
}

/// Looks for what there is to do and begins the publication; none where readers see the history already. What would take from it is
/// refused first.
async fn begin<'a>(
    history: &'a History<'_>,
    options: &RunOptions,
    events: &Events,
    target: &Target,
    pool: &Pool,
) -> Result<Option<Begun<'a>>, RunError> {
    refuse_loss(history, target).await?;
    let found = Found::list(history.plan, options).await?;
    let asked = Asked::of(history);
    let named = history.tables.iter().map(|table| {
        let identity = found.identity(history.plan, &asked, &table.source, &options.run_id);
        (table, identity)
    });
    let named: Vec<(&HistoryTable, String)> = named.collect();
    let mut wanted = Vec::with_capacity(history.days.len() * named.len());
    for &day in &history.days {
        for (table, identity) in &named {
            wanted.push(Wanted {
                day,
                table,
                name: format!("{day}-{identity}"),
            });
        }
    }
    if options.reuse
        && let Some(commit) = unchanged(history, target, &wanted).await?
    {
        // A backfill that was killed right after its commit left stable paths behind; others may be gone or altered since.
        refresh(target).await?;
        events.tell(&Event::Unchanged {
            commit: commit.number,
            unchanged_since: commit.run_id,
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
    // Another backfill may have come to its end meanwhile; one that does so from now on makes this one give way.
    if let Err(error) = refuse_loss(history, target).await {
        drop(publication.abandon().await);
        return Err(error);
    }
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
    } = complete(at_work, pool, wanted, kept).await?;
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
    let rows = rows_of(publication.target(), table, snapshots);
    let written = match publication.prepare(table, rows).await {
        Err(source @ PublishError::Input { .. }) => {
            return Err(RunError::SnapshotsUnread {
                table: table.name.clone(),
                source,
            });
        }
        written => written?,
    };
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
    Ok(contract_held(&table.name, written.rows, PUBLISHED))
}
