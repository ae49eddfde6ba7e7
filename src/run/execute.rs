//! The executor.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use datafusion::catalog::TableProvider;
use futures::{StreamExt, TryStreamExt, stream};
use tempfile::TempDir;

use super::error::RunError;
use super::events::{Event, Events, Observer};
use super::report::{Reporter, RunReport};
use super::{RunOptions, machine};
use crate::engine::types::sql_type;
use crate::engine::{Session, SessionOptions};
use crate::plan::{
    MODEL_FITS, ParameterValue, Plan, PlannedOutput, PlannedStage, ROWS_SET_ASIDE, Work,
    parameters, table_reference,
};
use crate::publish::{
    BeginOptions, BoxError, ColumnToWrite, Heartbeat, Publication, RunFacts, Sink, TableToWrite,
    Target,
};
use crate::score::{FitRow, Pool, fits_to_batch};
use crate::source::{RawTableProvider, SetAside, set_aside_schema};
use crate::spec::source::Format;
use crate::stage::{Keep, RawStage, ScoreStage, Spool, SqlStage, Stage, StageContext, UnionStage};
use crate::store;

/// How often watchers are told how far a stage is.
const TICK: Duration = Duration::from_millis(250);

/// Executes `plan` and publishes what it makes.
///
/// # Errors
/// What went wrong. Readers then see what they saw before, unless the error says otherwise.
pub async fn run(plan: &Plan, options: RunOptions) -> Result<RunReport, RunError> {
    let reporter = Arc::new(Reporter::default());
    let mut observers: Vec<Arc<dyn Observer>> = vec![Arc::clone(&reporter) as _];
    observers.extend(options.observers.iter().cloned());
    let events = Events::new(observers);
    events.tell(&Event::RunStarted {
        run_id: options.run_id.clone(),
        pipeline: plan.pipeline.clone(),
        as_of: options.as_of.to_string(),
        fingerprint: plan.fingerprint.clone(),
        threads: options.threads,
        memory_limit: options.memory_limit,
    });
    let result = publish(plan, &options, &events, &reporter).await;
    match result {
        Ok(()) => {
            events.tell(&Event::RunFinished {
                seconds: events.seconds(),
                peak_memory_bytes: machine::peak_memory(),
            });
            Ok(reporter.report())
        }
        Err(error) => {
            events.tell(&Event::RunFailed {
                kind: format!("{:?}", error.kind()),
                exit_code: error.kind().exit_code(),
                message: chain(&error),
            });
            Err(error)
        }
    }
}

/// An error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

/// The place that a plan publishes to.
///
/// # Errors
/// When the store cannot be opened.
pub fn open_target(plan: &Plan, root: &Path) -> Result<Target, RunError> {
    let opened = open_store(plan, &plan.output_store, root)?;
    let url = opened.url_of(&plan.output_path);
    let url = url::Url::parse(&url).map_err(|source| RunError::Machine {
        what: "the output's URL",
        source: std::io::Error::other(source),
    })?;
    Ok(Target {
        prefix: opened.join(&plan.output_path),
        store: opened.store,
        url,
    })
}

fn open_store(plan: &Plan, name: &str, root: &Path) -> Result<store::Store, RunError> {
    let Some(declared) = plan.stores.get(name) else {
        return Err(RunError::Machine {
            what: "a store that the plan proved",
            source: std::io::Error::other(name.to_owned()),
        });
    };
    store::open(&declared.url, &declared.options, root).map_err(|source| RunError::Store {
        name: name.to_owned(),
        source,
    })
}

async fn publish(
    plan: &Plan,
    options: &RunOptions,
    events: &Events,
    reporter: &Reporter,
) -> Result<(), RunError> {
    let machine = |what| move |source| RunError::Machine { what, source };
    let pool = Pool::new(options.threads)
        .map_err(|error| machine("threads")(std::io::Error::other(error)))?;
    let target = open_target(plan, &options.root)?;
    let begin = BeginOptions {
        run_id: options.run_id.clone(),
        pipeline: plan.pipeline.clone(),
        pool: pool.threads(),
        clock: Arc::clone(&options.clock),
        heartbeat: Heartbeat::default(),
        progress: None,
    };
    let publication = Publication::begin(target, begin).await?;
    let mut stop = options.stop.clone();
    let prepared = tokio::select! {
        done = prepare(plan, options, events, &publication, pool) => done,
        rival = publication.should_give_way() => Err(RunError::Publish(rival)),
        () = async { drop(stop.wait_for(|asked| *asked).await) } => Err(RunError::Terminated),
    };
    if let Err(error) = prepared {
        // The reason of the failure counts more than what could not be cleaned up: gc does that.
        drop(publication.abandon().await);
        return Err(error);
    }
    let mut parameters: BTreeMap<String, serde_json::Value> = plan
        .parameters
        .iter()
        .map(|(name, value)| (name.clone(), value.to_string().into()))
        .collect();
    parameters.insert("as_of".to_owned(), options.as_of.to_string().into());
    let facts = RunFacts {
        as_of: options.as_of.to_string(),
        plan_fingerprint: plan.fingerprint.clone(),
        parameters,
        checks: Vec::new(),
        report: serde_json::to_value(reporter.report()).unwrap_or_default(),
    };
    let committed = publication.commit(facts).await?;
    events.tell(&Event::Committed {
        commit: committed.commit.number,
        url: publication.target().url.to_string(),
    });
    Ok(())
}

/// A run at work: what the steps below share.
struct RunAtWork<'a> {
    plan: &'a Plan,
    events: &'a Events,
    publication: &'a Publication,
    context: StageContext,
    sources: Vec<Arc<RawTableProvider>>,
    set_aside: Arc<SetAside>,
    threads: usize,
    /// Gone when the run is, with all tables between stages.
    _folder: TempDir,
}

/// Everything up to the commit.
async fn prepare(
    plan: &Plan,
    options: &RunOptions,
    events: &Events,
    publication: &Publication,
    pool: Pool,
) -> Result<(), RunError> {
    let work = RunAtWork::open(plan, options, events, publication, pool).await?;
    let mut values = plan.parameters.clone();
    values.insert("as_of".to_owned(), ParameterValue::Date(options.as_of));
    let mut fits = Vec::new();
    for stage in &plan.stages {
        work.make(stage, &values, &mut fits).await?;
    }
    for output in &plan.outputs {
        work.write_output(output).await?;
    }
    work.finish_sources().await?;
    work.write_rows_set_aside().await?;
    if plan.has_scores() {
        work.write_fits(fits).await?;
    }
    for table in publication.verify().await? {
        let bytes = table.files.iter().map(|file| file.bytes).sum();
        events.tell(&Event::TableWritten {
            table: table.name,
            rows: table.rows,
            bytes,
        });
    }
    Ok(())
}

impl<'a> RunAtWork<'a> {
    async fn open(
        plan: &'a Plan,
        options: &RunOptions,
        events: &'a Events,
        publication: &'a Publication,
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
        let mut work = Self {
            plan,
            events,
            publication,
            context,
            sources: Vec::new(),
            set_aside: SetAside::new(folder.path()),
            threads: options.threads,
            _folder: folder,
        };
        work.find_sources(&options.root).await?;
        Ok(work)
    }

    async fn find_sources(&mut self, root: &Path) -> Result<(), RunError> {
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
                source.max_bad_share,
                store.clone(),
                &self.set_aside,
            )
            .await?;
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
    async fn make(
        &self,
        planned: &PlannedStage,
        values: &BTreeMap<String, ParameterValue>,
        fits: &mut Vec<(String, FitRow)>,
    ) -> Result<(), RunError> {
        let scored = self.plan.is_scored(&planned.name);
        let written = planned.is_materialised(scored);
        let keep = match (written, scored) {
            (false, _) => Keep::View,
            (true, false) => Keep::IfCostly,
            (true, true) => Keep::Always,
        };
        let stage = stage_of(planned, values, keep);
        let kind = if matches!(planned.work, Work::Score { .. }) {
            "score"
        } else {
            "sql"
        };
        let made = self
            .watched(stage.name(), kind, written, stage.run(&self.context))
            .await?;
        fits.extend(made.fits.into_iter().map(|row| (planned.name.clone(), row)));
        self.context
            .session
            .register(&table_reference(&planned.name), made.table)
            .map_err(|source| RunError::Engine {
                table: planned.name.clone(),
                source,
            })
    }

    /// Tells watchers of `work` from its beginning to its end. What takes no time of its own is not told of.
    async fn watched<T, E: Into<RunError>>(
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

    /// Writes a table aside, sorted by its key.
    async fn write_output(&self, output: &PlannedOutput) -> Result<(), RunError> {
        let key: Vec<&str> = output
            .contract
            .key
            .iter()
            .map(|key| key.value.as_str())
            .collect();
        let columns: Vec<&str> = output.contract.columns.keys().map(String::as_str).collect();
        let sql = format!(
            "select {} from {} order by {}",
            columns.join(", "),
            output.table,
            key.join(", ")
        );
        let table = TableToWrite {
            name: output.table.clone(),
            description: output.contract.description.clone(),
            grain: output.contract.grain.clone(),
            key: key.into_iter().map(str::to_owned).collect(),
            columns: output
                .contract
                .columns
                .iter()
                .map(|(name, column)| ColumnToWrite {
                    name: name.clone(),
                    sql_type: column.value.sql_type,
                    required: column.value.required,
                    description: column.value.description.clone(),
                })
                .collect(),
        };
        let write = async {
            let failed = |source| RunError::Engine {
                table: output.table.clone(),
                source,
            };
            let plan = self.context.session.plan_text(&sql).await.map_err(failed)?;
            let rows = self
                .context
                .session
                .frame(plan)
                .execute_stream()
                .await
                .map_err(failed)?;
            let counter = Arc::clone(&self.context.rows);
            let rows = rows
                .inspect_ok(move |batch| {
                    counter.fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
                })
                .map_err(|error| Box::new(error) as BoxError);
            self.publication.prepare(&table, rows.boxed()).await?;
            Ok::<(), RunError>(())
        };
        self.watched(&output.table, "publish", true, write).await
    }

    /// Reads what no stage needed, so that counts are whole, and holds the shares against their bounds.
    async fn finish_sources(&self) -> Result<(), RunError> {
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
        }
        Ok(())
    }

    async fn write_rows_set_aside(&self) -> Result<(), RunError> {
        let descriptions = [
            "The raw table, <system>.<table>.",
            "The object, by its path below the store's URL.",
            "The line on which the row begins, counted from 1; for Parquet the row.",
            "The row as it stands in the object.",
            "The first column that did not fit; null where the whole row did not.",
            "What did not fit.",
        ];
        let schema = set_aside_schema();
        let table = TableToWrite {
            name: ROWS_SET_ASIDE.to_owned(),
            description: "Raw rows that did not fit their contract and went no further.".to_owned(),
            grain: "one row a raw row that was set aside".to_owned(),
            key: ["source", "file", "line"].map(str::to_owned).to_vec(),
            columns: columns_of(&schema, &descriptions),
        };
        let batches = self
            .set_aside
            .batches()
            .map(|batch| batch.map_err(|error| Box::new(error) as BoxError));
        self.publication
            .prepare(&table, stream::iter(batches).boxed())
            .await?;
        Ok(())
    }

    async fn write_fits(&self, fits: Vec<(String, FitRow)>) -> Result<(), RunError> {
        let failed = |source| RunError::Engine {
            table: MODEL_FITS.to_owned(),
            source: datafusion::error::DataFusionError::from(source),
        };
        let batch: RecordBatch = fits_to_batch(fits).map_err(failed)?;
        let descriptions = [
            "The score that was fitted.",
            "The model.",
            "The parameter; empty where there is no fit.",
            "Its maximum-likelihood estimate; rates are per unit of the score's time_unit.",
            "Its standard error from the observed information.",
            "The log-likelihood at the estimates.",
            "Customers that the fit saw.",
            "Distinct rows among them, on which it was computed.",
            "Whether the search converged; figures of a model that did not are not given.",
            "Steps that the search took.",
            "Why there is no fit, or what speaks against it.",
        ];
        let table = TableToWrite {
            name: MODEL_FITS.to_owned(),
            description: "What every model of the run was fitted to.".to_owned(),
            grain: "one row a parameter of a fit".to_owned(),
            key: ["score", "model", "parameter"].map(str::to_owned).to_vec(),
            columns: columns_of(&batch.schema(), &descriptions),
        };
        self.publication
            .prepare(&table, stream::iter([Ok(batch)]).boxed())
            .await?;
        Ok(())
    }
}

/// The columns of a table that cvm itself makes.
fn columns_of(schema: &arrow::datatypes::Schema, descriptions: &[&str]) -> Vec<ColumnToWrite> {
    let described = schema.fields().iter().zip(descriptions);
    described
        .filter_map(|(field, description)| {
            Some(ColumnToWrite {
                name: field.name().clone(),
                sql_type: sql_type(field.data_type())?,
                required: !field.is_nullable(),
                description: (*description).to_owned(),
            })
        })
        .collect()
}

/// The stage that does what was planned, its parameters bound.
fn stage_of(
    planned: &PlannedStage,
    values: &BTreeMap<String, ParameterValue>,
    keep: Keep,
) -> Box<dyn Stage> {
    let (name, inputs) = (planned.name.clone(), planned.inputs.clone());
    let schema = Arc::clone(&planned.schema);
    match &planned.work {
        Work::Sql(statement) => {
            let mut statement = statement.as_ref().clone();
            // Planning proved that every parameter has a value.
            parameters::bind(&mut statement, values);
            Box::new(SqlStage::new(name, inputs, schema, statement, keep))
        }
        Work::Union(_) => Box::new(UnionStage::new(name, inputs, schema)),
        Work::Score { checked, .. } => {
            let input = inputs.into_iter().next().unwrap_or_default();
            Box::new(ScoreStage::new(name, input, schema, Arc::clone(checked)))
        }
    }
}
