//! A run at work: sources found, stages made one after the other, nothing published.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use datafusion::common::runtime::SpawnedTask;

use super::RunOptions;
use super::address::Addresses;
use super::error::RunError;
use super::events::{Event, Events};
use super::folder::WorkFolder;
use super::reuse::Reuse;
use super::sources::{Slices, is_text};
use crate::engine::{Session, SessionOptions};
use crate::plan::{ParameterValue, Plan, PlannedStage, Work, parameters, table_reference};
use crate::score::{CalibrationRow, FitContext, FitRow, Pool};
use crate::source::{RawTableProvider, SetAside, SourceError};
use crate::stage::{Keep, RawSlice, ScoreStage, Spool, SqlStage, Stage, StageContext, UnionStage};

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

/// A run at work: what the steps below share.
pub(super) struct RunAtWork<'a> {
    pub(super) plan: &'a Plan,
    pub(super) events: &'a Events,
    pub(super) context: StageContext,
    pub(super) sources: Vec<Arc<RawTableProvider>>,
    pub(super) set_aside: Arc<SetAside>,
    /// What earlier runs did of the work.
    pub(super) reuse: Reuse<'a>,
    pub(super) addresses: Addresses,
    pub(super) slices: BTreeMap<String, Slices>,
    /// Works checksums out beside the stages.
    pub(super) hashing: Mutex<Option<SpawnedTask<Result<(), SourceError>>>>,
    pub(super) threads: usize,
    days: FitContext,
    values: BTreeMap<String, ParameterValue>,
    /// Gone when the run is, with all tables between stages.
    folder: WorkFolder,
}

impl<'a> RunAtWork<'a> {
    /// Makes a session and finds the objects of the sources.
    pub(super) async fn open(
        plan: &'a Plan,
        options: &RunOptions,
        events: &'a Events,
        pool: Pool,
    ) -> Result<Self, RunError> {
        let folder = WorkFolder::make(options.work_folder.as_deref()).map_err(|source| {
            RunError::Machine {
                what: "a work folder",
                source,
            }
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
            reuse: Reuse::open(options.cache.as_ref(), &options.run_id, events),
            addresses: Addresses::new(),
            slices: BTreeMap::new(),
            hashing: Mutex::default(),
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
        let stage = self.stage_of(planned, keep, None);
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
                let (parts, stage) = match self.parts_of(planned)? {
                    Some((parts, missing)) => {
                        (Some(parts), self.stage_of(planned, keep, Some(missing)))
                    }
                    None => (None, stage),
                };
                let made = self
                    .watched(stage.name(), kind, written, stage.run(&self.context))
                    .await?;
                if let Some(parts) = parts {
                    self.keep_parts(&parts)?;
                }
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

    /// The stage that does what was planned, its parameters bound; where it is made in parts, of all but those of `missing`.
    fn stage_of(
        &self,
        planned: &PlannedStage,
        keep: Keep,
        missing: Option<Vec<RawSlice>>,
    ) -> Box<dyn Stage> {
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
                let stage = stage.together_by(key.map(|column| column.value.clone()));
                Box::new(match missing {
                    Some(missing) => stage.in_parts(missing),
                    None => stage,
                })
            }
            Work::Union(_) => Box::new(UnionStage::new(name, inputs, schema)),
            Work::Score { checked, .. } => {
                let checked = Arc::clone(checked);
                Box::new(ScoreStage::new(name, inputs, schema, checked, self.days))
            }
        }
    }
}
