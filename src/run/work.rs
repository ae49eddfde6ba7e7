//! A run at work: sources found, stages made one after the other, nothing published.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use datafusion::catalog::TableProvider;
use tempfile::TempDir;

use super::RunOptions;
use super::error::RunError;
use super::events::{Event, Events};
use super::execute::open_store;
use super::inputs::manifest_of;
use crate::engine::{Session, SessionOptions};
use crate::plan::{ParameterValue, Plan, PlannedStage, Work, parameters, table_reference};
use crate::publish::{CheckResult, SourceManifest};
use crate::score::{CalibrationRow, FitContext, FitRow, Pool};
use crate::source::{RawTableProvider, Selection, SetAside, SourceTally};
use crate::spec::check::Severity;
use crate::spec::source::Format;
use crate::stage::{Keep, RawStage, ScoreStage, Spool, SqlStage, Stage, StageContext, UnionStage};

/// How often watchers are told how far a stage is.
const TICK: Duration = Duration::from_millis(250);

/// What the scores of a run learned, each row with the score's name.
#[derive(Debug, Default)]
pub(super) struct Learned {
    pub(super) fits: Vec<(String, FitRow)>,
    pub(super) calibration: Vec<(String, CalibrationRow)>,
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
        let is_text = |format: &Format| !matches!(format, Format::Parquet);
        let texts = plan
            .sources
            .iter()
            .filter(|source| is_text(&source.table.format));
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
            set_aside: SetAside::new(folder.path()),
            threads: options.threads,
            days,
            values,
            folder,
        };
        work.find_sources(&options.root, &options.inputs.selection)
            .await?;
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
            self.read.push(SourceManifest {
                name: source.name.clone(),
                objects: objects.into_iter().map(manifest_of).collect(),
            });
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
            if source.uses > 1 && !matches!(source.table.format, Format::Parquet) {
                let stage = RawStage::new(source.name.clone(), provider.schema());
                let made = self
                    .watched(stage.name(), "read", true, stage.run(&self.context))
                    .await?;
                self.context
                    .session
                    .register(&table_reference(&source.name), made.table)
                    .map_err(failed)?;
            }
        }
        Ok(())
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
        let made = self
            .watched(stage.name(), kind, written, stage.run(&self.context))
            .await?;
        let (fits, calibration) = (made.findings.fits, made.findings.calibration);
        let name = || planned.name.clone();
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
            let counts = tally.counts();
            self.events.tell(&Event::SourceRead {
                source: tally.source().to_owned(),
                objects: tally.objects().len(),
                bytes: counts.bytes,
                rows_read: counts.rows_read,
                rows_kept: counts.rows_kept(),
                rows_set_aside: counts.rows_set_aside,
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
                let stage = SqlStage::new(name, inputs, schema, statement, keep);
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
