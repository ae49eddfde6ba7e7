//! A run at work: sources found, stages made one after the other, nothing published.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use datafusion::catalog::TableProvider;
use tempfile::TempDir;

use super::RunOptions;
use super::address::Addresses;
use super::error::RunError;
use super::events::{Event, Events};
use super::execute::open_store;
use super::inputs::manifest_of;
use super::reuse::Reuse;
use crate::engine::{Session, SessionOptions};
use crate::plan::{
    ParameterValue, Plan, PlannedSource, PlannedStage, Work, parameters, table_reference,
};
use crate::publish::{CheckResult, SourceManifest};
use crate::score::{CalibrationRow, FitContext, FitRow, Pool};
use crate::source::{RawTableProvider, Selection, SetAside, SourceTally};
use crate::spec::check::Severity;
use crate::spec::source::Format;
use crate::stage::{
    Keep, RawSlice, RawStage, ScoreStage, Spool, SqlStage, Stage, StageContext, UnionStage,
};

/// How often watchers are told how far a stage is.
const TICK: Duration = Duration::from_millis(250);

/// What the scores of a run learned, each row with the score's name.
#[derive(Debug, Default)]
pub(super) struct Learned {
    pub(super) fits: Vec<(String, FitRow)>,
    pub(super) calibration: Vec<(String, CalibrationRow)>,
    /// Tables written down between stages that keep their contract, with their rows.
    pub(super) kept: Vec<(String, u64)>,
}

/// The slices of a raw table, and what of them earlier runs read.
#[derive(Debug, Default)]
struct Slices {
    /// Each with its address.
    all: Vec<(Range<usize>, Option<String>)>,
    /// Those that need not be read.
    recalled: BTreeSet<usize>,
    rows_recalled: u64,
    /// Whether their rows are written down.
    are_parsed: bool,
}

/// A run at work: what the steps below share.
pub(super) struct RunAtWork<'a> {
    pub(super) plan: &'a Plan,
    pub(super) events: &'a Events,
    pub(super) context: StageContext,
    pub(super) sources: Vec<Arc<RawTableProvider>>,
    pub(super) set_aside: Arc<SetAside>,
    /// What was found of the sources, for the manifest.
    pub(super) read: Vec<SourceManifest>,
    /// What earlier runs did of the work.
    pub(super) reuse: Reuse<'a>,
    pub(super) addresses: Addresses,
    slices: BTreeMap<String, Slices>,
    threads: usize,
    days: FitContext,
    values: BTreeMap<String, ParameterValue>,
    /// Gone when the run is, with all tables between stages.
    folder: TempDir,
}

impl<'a> RunAtWork<'a> {
    /// Makes a session and finds the objects of the sources.
    pub(super) async fn open(
        plan: &'a Plan,
        options: &RunOptions,
        events: &'a Events,
        pool: Pool,
    ) -> Result<Self, RunError> {
        let folder = match &options.work_folder {
            Some(folder) => TempDir::with_prefix_in("cvm-", folder),
            None => TempDir::with_prefix("cvm-"),
        };
        let folder = folder.map_err(|source| RunError::Machine {
            what: "a work folder",
            source,
        })?;
        let session = Session::for_run(&SessionOptions {
            threads: options.threads,
            memory_limit: options.memory_limit,
            spill_directory: folder.path().to_owned(),
        })
        .map_err(|source| RunError::Engine {
            table: "the session".to_owned(),
            source,
        })?;
        let texts = plan.sources.iter().filter(|source| is_text(source));
        let costly = texts
            .filter(|source| source.uses == 1)
            .map(|source| source.name.clone());
        let context = StageContext {
            session,
            pool,
            spool: Spool::new(folder.path()),
            costly: Arc::new(costly.collect()),
            rows: Arc::new(AtomicU64::new(0)),
        };
        let days = options.days(plan);
        let mut values = plan.parameters.clone();
        values.extend(parameters::dates(&days));
        let mut work = Self {
            plan,
            events,
            context,
            sources: Vec::new(),
            read: Vec::new(),
            reuse: Reuse::open(options.cache.as_ref(), &options.run_id, events),
            addresses: Addresses::new(),
            slices: BTreeMap::new(),
            set_aside: SetAside::new(folder.path()),
            threads: options.threads,
            days,
            values,
            folder,
        };
        work.find_sources(&options.root, &options.inputs.selection)
            .await?;
        let (days, threads) = (work.days, work.threads);
        work.addresses
            .add_stages(plan, &work.values, &days, threads);
        Ok(work)
    }

    async fn find_sources(&mut self, root: &Path, selection: &Selection) -> Result<(), RunError> {
        let mut opened = BTreeMap::new();
        for source in &self.plan.sources {
            if !opened.contains_key(&source.store) {
                opened.insert(
                    source.store.clone(),
                    open_store(self.plan, &source.store, root)?,
                );
            }
            let Some(store) = opened.get(&source.store) else {
                continue;
            };
            let (system, table) = source.name.split_once('.').unwrap_or_default();
            let provider = RawTableProvider::open(
                system,
                table,
                &source.table,
                source.tolerance,
                store.clone(),
                selection,
                &self.set_aside,
            )
            .await?;
            let objects = provider.objects_with_checksums(self.threads).await?;
            selection.check(&source.name, &objects)?;
            let found = SourceManifest {
                name: source.name.clone(),
                objects: objects.into_iter().map(manifest_of).collect(),
            };
            self.recall(source, &store.url, &provider, &found)?;
            self.read.push(found);
            self.events.tell(&Event::SourceFound {
                source: source.name.clone(),
                objects: provider.tally().objects().len(),
                bytes: provider.tally().bytes_in_all(),
            });
            let registered = self
                .context
                .session
                .register(&table_reference(&source.name), Arc::clone(&provider) as _);
            let failed = |error| RunError::Engine {
                table: source.name.clone(),
                source: error,
            };
            registered.map_err(failed)?;
            self.sources.push(Arc::clone(&provider));
            if let Some(slices) = self.slices.get(&source.name)
                && slices.are_parsed
            {
                let table = self.parse(source, slices, &provider).await?;
                self.context
                    .session
                    .register(&table_reference(&source.name), table)
                    .map_err(failed)?;
            }
        }
        Ok(())
    }

    /// Takes those objects for read that an earlier run read.
    fn recall(
        &mut self,
        source: &PlannedSource,
        url: &str,
        provider: &RawTableProvider,
        found: &SourceManifest,
    ) -> Result<(), RunError> {
        let slices = provider.slices();
        // A table of several objects that is read once is parsed for the sake of the runs to come, which will read what is new.
        let is_worth_it =
            source.uses > 1 || (source.uses == 1 && self.reuse.is_on() && slices.len() > 1);
        let are_parsed = is_text(source) && is_worth_it;
        let addresses = self.addresses.add_source(source, url, found, &slices);
        let mut known = Slices {
            all: slices.into_iter().zip(addresses).collect(),
            are_parsed,
            ..Slices::default()
        };
        for (index, (objects, address)) in known.all.iter().enumerate() {
            let Some(address) = address else { continue };
            let file = match are_parsed {
                true => Some(self.context.spool.file_of(&source.name, index)?),
                false => None,
            };
            let rows = self
                .reuse
                .recall(provider, objects, address, file.as_deref());
            if let Some(rows) = rows {
                known.recalled.insert(index);
                known.rows_recalled += rows;
            }
        }
        self.slices.insert(source.name.clone(), known);
        Ok(())
    }

    /// Writes the rows of a raw table down, those aside that lie there already.
    async fn parse(
        &self,
        source: &PlannedSource,
        slices: &Slices,
        provider: &RawTableProvider,
    ) -> Result<Arc<dyn TableProvider>, RunError> {
        let missing = slices.all.iter().enumerate();
        let missing = missing.filter(|(index, _)| !slices.recalled.contains(index));
        let missing: Vec<RawSlice> = missing
            .map(|(index, (objects, _))| RawSlice {
                index,
                rows: provider.slice(objects.clone()),
            })
            .collect();
        let is_told = !missing.is_empty();
        let (name, schema) = (source.name.clone(), provider.schema());
        let stage = RawStage::new(name, schema, missing, self.threads);
        let made = self
            .watched(stage.name(), "read", is_told, stage.run(&self.context))
            .await?;
        if !is_told {
            self.events.tell(&Event::Reused {
                stage: source.name.clone(),
                kind: "read",
                rows: Some(slices.rows_recalled),
            });
        }
        for (index, (objects, address)) in slices.all.iter().enumerate() {
            if let Some(address) = address
                && !slices.recalled.contains(&index)
            {
                let file = self.context.spool.file_of(&source.name, index)?;
                self.reuse
                    .keep_reading(provider, objects, address, Some(&file));
            }
        }
        Ok(made.table)
    }

    /// Runs one stage and gives its table a name.
    pub(super) async fn make(
        &self,
        planned: &PlannedStage,
        learned: &mut Learned,
    ) -> Result<(), RunError> {
        let scored = self.plan.is_scored(&planned.name);
        let written = planned.is_materialised(scored);
        let keep = match (written, scored) {
            (false, _) => Keep::View,
            (true, false) => Keep::IfCostly,
            (true, true) => Keep::Always,
        };
        let stage = self.stage_of(planned, keep);
        let kind = if matches!(planned.work, Work::Score { .. }) {
            "score"
        } else {
            "sql"
        };
        let address = self.addresses.of(&planned.name).filter(|_| written);
        let kept = address.and_then(|address| {
            self.reuse
                .stage(&planned.name, address, stage.output_schema(), &self.context)
        });
        let made = match kept {
            Some(made) => {
                self.events.tell(&Event::Reused {
                    stage: planned.name.clone(),
                    kind,
                    rows: made.written.as_ref().map(|written| written.rows),
                });
                made
            }
            None => {
                let made = self
                    .watched(stage.name(), kind, written, stage.run(&self.context))
                    .await?;
                if let Some(address) = address {
                    self.reuse.keep_stage(address, &made);
                }
                made
            }
        };
        let (fits, calibration) = (made.findings.fits, made.findings.calibration);
        let name = || planned.name.clone();
        let rows = made.written.as_ref().map(|written| written.rows);
        let kept = rows.filter(|_| planned.contract.is_some());
        learned.kept.extend(kept.map(|rows| (name(), rows)));
        learned
            .fits
            .extend(fits.into_iter().map(|row| (name(), row)));
        learned
            .calibration
            .extend(calibration.into_iter().map(|row| (name(), row)));
        self.context
            .session
            .register(&table_reference(&planned.name), made.table)
            .map_err(|source| RunError::Engine {
                table: planned.name.clone(),
                source,
            })
    }

    /// Starts over as of other days: raw tables stay what they were found to be, every stage is to be made anew. What the stages
    /// of the days before wrote down goes.
    pub(super) fn start_over(&mut self, days: FitContext) -> Result<(), RunError> {
        let of_day = |days: &FitContext| self.folder.path().join(format!("as-of-{}", days.as_of));
        let (past, next) = (of_day(&self.days), of_day(&days));
        match std::fs::remove_dir_all(past) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                return Err(RunError::Machine {
                    what: "its work folder back",
                    source,
                });
            }
            _ => {}
        }
        // A folder of its own for each: the engine remembers what it saw of a file.
        self.context.spool = Spool::new(&next);
        self.values = self.plan.parameters.clone();
        self.values.extend(parameters::dates(&days));
        self.days = days;
        Ok(())
    }

    /// Tells watchers of `work` from its beginning to its end. What takes no time of its own is not told of.
    pub(super) async fn watched<T, E: Into<RunError>>(
        &self,
        stage: &str,
        kind: &'static str,
        told: bool,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, RunError> {
        if !told {
            return work.await.map_err(Into::into);
        }
        let stage = stage.to_owned();
        let started = Instant::now();
        self.context.rows.store(0, Ordering::Relaxed);
        self.events.tell(&Event::StageStarted {
            stage: stage.clone(),
            kind,
        });
        let mut ticks = tokio::time::interval(TICK);
        tokio::pin!(work);
        let result = loop {
            tokio::select! {
                result = &mut work => break result,
                _ = ticks.tick() => self.tell_progress(&stage),
            }
        };
        let made = result.map_err(Into::into)?;
        let rows = self.context.rows.load(Ordering::Relaxed);
        self.events.tell(&Event::StageFinished {
            stage,
            kind,
            rows: (rows > 0).then_some(rows),
            seconds: started.elapsed().as_secs_f64(),
        });
        Ok(made)
    }

    fn tell_progress(&self, stage: &str) {
        let tallies = self.sources.iter().map(|source| source.tally());
        let (mut bytes, mut bytes_total) = (0, 0);
        for tally in tallies {
            bytes += tally.counts().bytes;
            bytes_total += tally.bytes_in_all();
        }
        let rows = self.context.rows.load(Ordering::Relaxed);
        self.events.tell(&Event::Progress {
            stage: stage.to_owned(),
            rows,
            bytes,
            bytes_total,
        });
    }

    /// Reads what no stage needed, so that counts are whole, and holds the shares against their bounds.
    pub(super) async fn finish_sources(&self) -> Result<Vec<CheckResult>, RunError> {
        let mut results = Vec::new();
        for source in &self.sources {
            if !source.tally().is_complete() {
                let drain = source.drain_unread(self.threads);
                self.watched(source.tally().source(), "read", true, drain)
                    .await?;
            }
            let tally = source.tally();
            let slices = self.slices.get(tally.source());
            for (objects, address) in slices.iter().flat_map(|slices| slices.unparsed()) {
                self.reuse.keep_reading(source, objects, address, None);
            }
            let counts = tally.counts();
            self.events.tell(&Event::SourceRead {
                source: tally.source().to_owned(),
                objects: tally.objects().len(),
                bytes: counts.bytes,
                rows_read: counts.rows_read,
                rows_kept: counts.rows_kept(),
                rows_set_aside: counts.rows_set_aside,
                rows_reused: slices.map_or(0, |slices| match slices.are_parsed {
                    true => slices.rows_recalled,
                    false => 0,
                }),
            });
            for message in tally.warnings() {
                self.events.tell(&Event::Warning { message });
            }
        }
        for source in &self.sources {
            source.check_share()?;
            results.push(source_result(source.tally()));
        }
        Ok(results)
    }

    /// The stage that does what was planned, its parameters bound.
    fn stage_of(&self, planned: &PlannedStage, keep: Keep) -> Box<dyn Stage> {
        let (name, inputs) = (planned.name.clone(), planned.inputs.clone());
        let schema = Arc::clone(&planned.schema);
        match &planned.work {
            Work::Sql(statement) => {
                let mut statement = statement.as_ref().clone();
                // Planning proved that every parameter has a value.
                parameters::bind(&mut statement, &self.values);
                let key = planned.contract.as_ref().and_then(|file| file.key.first());
                let promises = planned.contract.as_deref();
                let promises = promises.and_then(crate::stage::Promises::of);
                let stage = SqlStage::new(name, inputs, schema, statement, keep).held_to(promises);
                Box::new(stage.together_by(key.map(|column| column.value.clone())))
            }
            Work::Union(_) => Box::new(UnionStage::new(name, inputs, schema)),
            Work::Score { checked, .. } => {
                let checked = Arc::clone(checked);
                Box::new(ScoreStage::new(name, inputs, schema, checked, self.days))
            }
        }
    }
}

impl Slices {
    /// The slices that were read by this run and whose rows are written nowhere, with their addresses.
    fn unparsed(&self) -> impl Iterator<Item = (&Range<usize>, &String)> {
        let all = self.all.iter().enumerate();
        all.filter_map(|(index, (objects, address))| {
            let is_fresh = !self.are_parsed && !self.recalled.contains(&index);
            Some((objects, address.as_ref().filter(|_| is_fresh)?))
        })
    }
}

/// Whether the rows of a raw table must be parsed.
fn is_text(source: &PlannedSource) -> bool {
    !matches!(source.table.format, Format::Parquet)
}

/// What the share of rows set aside counts as among the checks; its bound has been held.
fn source_result(tally: &SourceTally) -> CheckResult {
    let counts = tally.counts();
    CheckResult {
        name: format!("{}__set_aside", tally.source()),
        table: Some(tally.source().to_owned()),
        kind: "set_aside".to_owned(),
        severity: Severity::Error.name().to_owned(),
        passed: true,
        rows_broken: Some(counts.rows_set_aside),
        rows_checked: Some(counts.rows_read),
        detail: format!(
            "{} of {} rows do not fit, a share of {} may",
            counts.rows_set_aside,
            counts.rows_read,
            tally.max_bad_share()
        ),
    }
}
