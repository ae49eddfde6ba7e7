//! The snapshots that a history is made of: which there are, making the others, and putting all of them together.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use chrono::NaiveDate;
use datafusion::catalog::TableProvider;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use futures::{StreamExt, TryStreamExt, stream};

use super::super::RunOptions;
use super::super::checks::Checks;
use super::super::error::RunError;
use super::super::events::Event;
use super::super::execute::open_store;
use super::super::published::register;
use super::super::work::{Learned, RunAtWork};
use super::checks::{Asked, OfDays};
use super::publish::AtWork;
use super::table::HistoryTable;
use crate::engine::Session;
use crate::plan::{Layer, table_reference};
use crate::publish::{
    BoxError, CheckResult, Publication, Rows, Snapshot, SourceManifest, TableToWrite, Target,
};
use crate::score::{FitContext, Pool};
use crate::spec::source::Format;
use crate::stage::{RawSlice, RawStage, Stage};
use crate::store::StoreKind;

/// The name under which a snapshot is read.
const SNAPSHOT: &str = "kept_rows";

/// A snapshot that the history is made of.
pub(super) struct Wanted<'a> {
    pub(super) day: NaiveDate,
    pub(super) table: &'a HistoryTable,
    /// Tells all that decides its rows.
    pub(super) name: String,
}

/// What a backfill has when all its snapshots are there.
pub(super) struct Made {
    /// In the order in which they were wanted.
    pub(super) snapshots: Vec<Snapshot>,
    /// What raw tables and the tables of the days were held to, where they were read and made.
    pub(super) checks: Vec<CheckResult>,
    /// What was read.
    pub(super) sources: Vec<SourceManifest>,
}

/// Makes those of `wanted` that are not `kept`, one as-of day after the other: raw tables are read once for all days. Each is
/// kept as soon as it is made.
///
/// # Errors
/// What can go wrong in a run.
pub(super) async fn complete(
    at_work: &AtWork<'_>,
    pool: Pool,
    wanted: &[Wanted<'_>],
    kept: Vec<Option<Snapshot>>,
) -> Result<Made, RunError> {
    if kept.iter().any(Option::is_none) {
        return make_missing(at_work, pool, wanted, &kept).await;
    }
    let snapshots: Vec<Snapshot> = kept.into_iter().flatten().collect();
    for (wanted, snapshot) in wanted.iter().zip(&snapshots) {
        at_work.events.tell(&kept_event(wanted, snapshot, true));
    }
    Ok(Made {
        snapshots,
        checks: Vec::new(),
        sources: at_work.found.manifests(),
    })
}

async fn make_missing(
    at_work: &AtWork<'_>,
    pool: Pool,
    wanted: &[Wanted<'_>],
    kept: &[Option<Snapshot>],
) -> Result<Made, RunError> {
    let (history, events) = (at_work.history, at_work.events);
    let options = at_work.found.alone(at_work.options);
    let mut work = RunAtWork::open(history.plan, &options, events, pool).await?;
    work.hash_parquet();
    write_down_remote(&work, &options).await?;
    // Before any snapshot is kept: one of too many bad rows must not be found by the next backfill.
    let mut results = match work.finish_sources().await {
        Ok(results) => results,
        Err(error) => {
            let checks = Checks::new(&work, at_work.publication, None);
            return Err(checks.with_rows_set_aside(error).await);
        }
    };
    for result in &results {
        events.tell(&Event::Checked {
            result: result.clone(),
        });
    }
    let asked = Asked::of(history);
    let mut raw = Checks::new(&work, at_work.publication, None);
    raw.hold(|check| asked.is_once(check)).await?;
    results.extend(raw.results());
    let mut of_days = OfDays::default();
    let tables = history.tables.len().max(1);
    let days = history.days.len();
    let mut snapshots = Vec::with_capacity(wanted.len());
    let by_day = wanted.chunks(tables).zip(kept.chunks(tables)).enumerate();
    for (at, (wanted, kept)) in by_day {
        let missing = wanted.iter().zip(kept).filter(|(_, kept)| kept.is_none());
        let missing: Vec<&Wanted<'_>> = missing.map(|(wanted, _)| wanted).collect();
        if let Some(first) = missing.first() {
            events.tell(&Event::SnapshotStarted {
                as_of: first.day.to_string(),
                number: at + 1,
                days,
            });
            work.start_over(FitContext::new(first.day, history.holdout_days()))?;
            let found = make_day(&work, at_work.publication, &asked, &missing).await?;
            of_days.note(first.day, found);
        }
        for (wanted, kept) in wanted.iter().zip(kept) {
            let snapshot = match kept {
                Some(snapshot) => snapshot.clone(),
                None => make(&work, at_work.publication, wanted).await?,
            };
            events.tell(&kept_event(wanted, &snapshot, kept.is_some()));
            snapshots.push(snapshot);
        }
    }
    results.extend(of_days.told(events));
    Ok(Made {
        snapshots,
        checks: results,
        sources: work.read(),
    })
}

/// Makes the tables of one day of which snapshots are `missing`, and holds them to their checks; returns what was found.
async fn make_day(
    work: &RunAtWork<'_>,
    publication: &Publication,
    asked: &Asked<'_>,
    missing: &[&Wanted<'_>],
) -> Result<Vec<CheckResult>, RunError> {
    let Some(first) = missing.first() else {
        return Ok(Vec::new());
    };
    let tables = missing.iter().map(|wanted| wanted.table.source.as_str());
    let needed = asked.needed_for(tables);
    let is_made = |name: &str| needed.contains(name);
    let stages = work.plan.stages.iter();
    let mut learned = Learned::default();
    let mut checks = Checks::new(work, publication, None).on_day(first.day);
    for stage in stages.filter(|stage| stage.layer != Layer::Check && is_made(&stage.name)) {
        if let Err(error) = work.make(stage, &mut learned).await {
            return Err(checks.with_rows_of_contract(stage, error).await);
        }
    }
    for (table, rows) in learned.kept {
        checks.note_made(&table, rows);
    }
    checks.hold(|check| asked.is_of_day(check, &needed)).await?;
    Ok(checks.results())
}

fn kept_event(wanted: &Wanted<'_>, snapshot: &Snapshot, reused: bool) -> Event {
    Event::SnapshotKept {
        table: wanted.table.to_write.name.clone(),
        as_of: wanted.day.to_string(),
        rows: snapshot.rows,
        reused,
    }
}

/// Writes Parquet from afar down, so that its columns are fetched once for all days. Text has been parsed and written down
/// already; on this machine Parquet is as good where it lies.
async fn write_down_remote(work: &RunAtWork<'_>, options: &RunOptions) -> Result<(), RunError> {
    let sources = work.plan.sources.iter();
    for source in sources.filter(|source| matches!(source.table.format, Format::Parquet)) {
        if open_store(work.plan, &source.store, &options.root)?.kind == StoreKind::File {
            continue;
        }
        let mut providers = work.sources.iter();
        let Some(provider) = providers.find(|known| known.tally().source() == source.name) else {
            continue;
        };
        let slices = provider.slices().into_iter().enumerate();
        let slices = slices.map(|(index, objects)| RawSlice {
            index,
            rows: provider.slice(objects),
        });
        let (name, schema) = (source.name.clone(), provider.schema());
        let stage = RawStage::new(name, schema, slices.collect(), options.threads);
        let made = work
            .watched(stage.name(), "read", true, stage.run(&work.context))
            .await?;
        work.context
            .session
            .register(&table_reference(&source.name), made.table)
            .map_err(|error| RunError::Engine {
                table: source.name.clone(),
                source: error,
            })?;
    }
    Ok(())
}

/// Makes and keeps one snapshot, of stages that have been made.
async fn make(
    work: &RunAtWork<'_>,
    publication: &Publication,
    wanted: &Wanted<'_>,
) -> Result<Snapshot, RunError> {
    let table = Arc::clone(&wanted.table.to_write);
    let write = async {
        let failed = |source| RunError::Engine {
            table: table.name.clone(),
            source,
        };
        let session = &work.context.session;
        let plan = session.plan_text(&wanted.table.query(wanted.day)).await;
        let rows = session.frame(plan.map_err(failed)?).execute_stream().await;
        let counter = Arc::clone(&work.context.rows);
        let (of, day) = (wanted.table.clone(), wanted.day);
        let rows = rows.map_err(failed)?.map(
            move |batch: Result<RecordBatch, DataFusionError>| -> Result<RecordBatch, BoxError> {
                let batch = of.hold_day(day, batch?)?;
                counter.fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
                Ok(batch)
            },
        );
        let kept = publication
            .keep_snapshot(&table, &wanted.name, rows.boxed())
            .await?;
        Ok::<Snapshot, RunError>(kept)
    };
    let made = work.watched(&table.name, "snapshot", true, write).await;
    match (made, work.plan.stage(&wanted.table.source)) {
        (Err(error), Some(stage)) => {
            let mut checks = Checks::new(work, publication, None).on_day(wanted.day);
            Err(checks.with_rows_of_contract(stage, error).await)
        }
        (made, _) => made,
    }
}

/// The rows of `snapshots` one after the other, as each holds them.
pub(super) fn rows_of(target: &Target, table: &TableToWrite, snapshots: Vec<Snapshot>) -> Rows {
    let (target, schema) = (target.clone(), table.schema());
    // One partition: the rows of a file come in their order.
    let session = Session::for_queries();
    stream::iter(snapshots)
        .then(move |snapshot| {
            open(
                session.clone(),
                target.clone(),
                Arc::clone(&schema),
                snapshot,
            )
        })
        .try_flatten()
        .map_err(|error: DataFusionError| Box::new(error) as BoxError)
        .boxed()
}

async fn open(
    session: Session,
    target: Target,
    schema: SchemaRef,
    snapshot: Snapshot,
) -> Result<SendableRecordBatchStream, DataFusionError> {
    let file = target.absolute(&snapshot.path);
    register(&session, &target, SNAPSHOT, &[file], &schema)?;
    let sql = format!("select * from {SNAPSHOT}");
    let plan = session.plan_text(&sql).await?;
    session.frame(plan).execute_stream().await
}
