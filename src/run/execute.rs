//! The executor.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::checks::Checks;
use super::error::RunError;
use super::events::{Event, Events, Observer};
use super::outputs::Outputs;
use super::previous::{Previous, history};
use super::report::{Reporter, RunReport};
use super::work::{Learned, RunAtWork};
use super::{RunOptions, bounds, inputs, machine};
use crate::plan::{Layer, Plan, PlannedStage};
use crate::publish::{
    BeginOptions, CheckResult, Heartbeat, Publication, RunFacts, Sink, SourceManifest, Target,
    refresh,
};
use crate::score::Pool;
use crate::store;

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
                message: crate::store::redacted(&chain(&error)),
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

pub(super) fn open_store(plan: &Plan, name: &str, root: &Path) -> Result<store::Store, RunError> {
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
    if options.reuse
        && let Some(commit) =
            inputs::unchanged(plan, &target, options.as_of, &options.inputs, &options.root).await?
    {
        // A run that was killed right after its commit left stable paths behind.
        refresh(&target).await?;
        events.tell(&Event::Unchanged {
            commit: commit.number,
            run_id: commit.run_id,
            url: target.url.to_string(),
        });
        return Ok(());
    }
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
    let Prepared { checks, sources } = match prepared {
        Ok(prepared) => prepared,
        Err(error) => {
            // The reason of the failure counts more than what could not be cleaned up: gc does that.
            drop(publication.abandon().await);
            return Err(error);
        }
    };
    let mut parameters: BTreeMap<String, serde_json::Value> = plan
        .parameters
        .iter()
        .map(|(name, value)| (name.clone(), value.to_string().into()))
        .collect();
    let days = options.days(plan);
    let dates = crate::plan::parameters::dates(&days);
    parameters.extend(
        dates
            .into_iter()
            .map(|(name, date)| (name, date.to_string().into())),
    );
    let facts = RunFacts {
        as_of: options.as_of.to_string(),
        plan_fingerprint: plan.fingerprint.clone(),
        parameters,
        sources,
        replay_of: options.inputs.replay_of.clone(),
        checks,
        report: serde_json::to_value(reporter.report()).unwrap_or_default(),
    };
    let committed = publication.commit(facts).await?;
    events.tell(&Event::Committed {
        commit: committed.commit.number,
        url: publication.target().url.to_string(),
    });
    Ok(())
}

/// Why a table has no rows, as far as the plan tells.
fn why_empty(plan: &Plan, table: &str) -> String {
    if plan.stage(table).is_none() {
        return "nothing was to be told".to_owned();
    }
    let unbound = plan.unbound_entities(table);
    if unbound.is_empty() {
        "no row of its sources counts as of this day".to_owned()
    } else {
        format!("nothing is bound to {}", unbound.join(", "))
    }
}

/// What a run made, ready to be committed.
struct Prepared {
    checks: Vec<CheckResult>,
    sources: Vec<SourceManifest>,
}

/// Everything up to the commit.
async fn prepare(
    plan: &Plan,
    options: &RunOptions,
    events: &Events,
    publication: &Publication,
    pool: Pool,
) -> Result<Prepared, RunError> {
    let work = RunAtWork::open(plan, options, events, pool).await?;
    let target = publication.target();
    let history = history(target, options.inputs.replay_of.as_deref()).await?;
    let previous = Previous::find(target, options.as_of, &history).await?;
    let mut learned = Learned::default();
    for stage in plan
        .stages
        .iter()
        .filter(|stage| stage.layer != Layer::Check)
    {
        work.make(stage, &mut learned).await?;
    }
    let mut checks = Checks::new(&work, publication, previous.as_ref());
    let is_output = |name: &String| plan.outputs.iter().any(|output| output.table == *name);
    let reads_output = |stage: &PlannedStage| stage.inputs.iter().any(is_output);
    // What can be known before anything is written stops a run sooner.
    checks.hold(|stage| !reads_output(stage)).await?;
    for result in bounds::hold(plan, &learned)? {
        checks.note(result);
    }
    let outputs = Outputs {
        work: &work,
        publication,
    };
    for output in &plan.outputs {
        let rows = outputs.write_output(output).await?;
        checks.note_written(&output.table, rows);
    }
    checks.hold(reads_output).await?;
    for result in work.finish_sources().await? {
        checks.note(result);
    }
    let results = checks.results();
    outputs.write_rows_set_aside().await?;
    if plan.has_scores() {
        let fits = match &previous {
            Some(previous) => previous.fits(target).await?,
            None => None,
        };
        outputs.write_fits(&mut learned, fits.as_ref()).await?;
        outputs.write_calibration(&mut learned).await?;
    }
    outputs
        .write_check_results(options.as_of, &history, &results)
        .await?;
    for table in publication.verify().await? {
        let bytes = table.files.iter().map(|file| file.bytes).sum();
        let empty_because = (table.rows == 0).then(|| why_empty(plan, &table.name));
        events.tell(&Event::TableWritten {
            table: table.name,
            rows: table.rows,
            bytes,
            empty_because,
        });
    }
    Ok(Prepared {
        checks: results,
        sources: work.read,
    })
}
