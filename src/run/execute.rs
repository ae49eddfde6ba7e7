//! The executor.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::checks::Checks;
use super::error::RunError;
use super::events::{Event, Events, Observer};
use super::outputs::Outputs;
use super::previous::{Previous, history, shown_day};
use super::report::{Reporter, RunReport};
use super::work::{Learned, RunAtWork};
use super::{RunOptions, bounds, failed, inputs, machine};
use crate::plan::{Layer, Plan, PlannedStage};
use crate::publish::{
    BeginOptions, CheckResult, Heartbeat, Publication, RunFacts, Sink, SourceManifest, Target,
    refresh,
};
use crate::score::Pool;
use crate::store::{self, StoreKind};

/// How long a run that was asked to stop may still take to see its commit through, and then to clean up: schedulers wait for ten
/// seconds or more.
const GRACE: Duration = Duration::from_secs(4);

/// Executes `plan` and publishes what it makes.
///
/// # Errors
/// What went wrong. Readers then see what they saw before, unless the error says otherwise.
pub async fn run(plan: &Plan, options: RunOptions) -> Result<RunReport, RunError> {
    let (events, reporter) = tell_begun(plan, &options);
    let result = publish(plan, &options, &events, &reporter)
        .await
        .map_err(|error| error.with_work_folder(options.work_folder.as_deref()));
    tell_ended(&events, &reporter, result)
}

/// Tells those who watch that a run begins.
pub(super) fn tell_begun(plan: &Plan, options: &RunOptions) -> (Events, Arc<Reporter>) {
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
    (events, reporter)
}

/// Tells those who watch how a run ended.
pub(super) fn tell_ended(
    events: &Events,
    reporter: &Reporter,
    result: Result<(), RunError>,
) -> Result<RunReport, RunError> {
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
                message: store::redacted(&causes(&error).join(": ")),
            });
            Err(error)
        }
    }
}

/// What went wrong, and why: an error and its causes, without those that their effect has quoted already.
pub(super) fn causes(error: &dyn std::error::Error) -> Vec<String> {
    let mut last = error.to_string();
    let mut said = vec![last.clone()];
    let mut cause = error.source();
    while let Some(inner) = cause {
        let message = inner.to_string();
        if !last.contains(&message) {
            said.push(message.clone());
        }
        last = message;
        cause = inner.source();
    }
    said
}

/// The place that a plan publishes to.
///
/// # Errors
/// When the store cannot be opened.
pub fn open_target(plan: &Plan, root: &Path) -> Result<Target, RunError> {
    target_at(plan, &plan.output_path, root)
}

/// The folder at `path` of the store that a plan publishes to.
pub(super) fn target_at(plan: &Plan, path: &str, root: &Path) -> Result<Target, RunError> {
    let opened = open_store(plan, &plan.output_store, root)?;
    let prefix = opened.join(path);
    let no_url = |source| RunError::Machine {
        what: "the output's URL",
        source,
    };
    let url = match opened.kind {
        // A folder's name may hold what has a meaning in a URL, as in `C#`, `100%` and `%2e%2e`: the URL must lead to this
        // very folder, because files are removed there.
        StoreKind::File => url::Url::from_file_path(Path::new("/").join(prefix.as_ref()))
            .map_err(|()| no_url(std::io::Error::other(prefix.to_string())))?,
        _ => url::Url::parse(&opened.url_of(path))
            .map_err(|source| no_url(std::io::Error::other(source)))?,
    };
    Ok(Target {
        prefix,
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
    let begun = unless_stopped(
        options,
        &target,
        begin(plan, options, events, &target, &pool),
    )
    .await?;
    let Some(publication) = begun else {
        return Ok(());
    };
    let prepared = tokio::select! {
        done = prepare(plan, options, events, &publication, pool) => done,
        rival = publication.should_give_way() => Err(RunError::Publish(rival)),
        () = asked_to_stop(options) => Err(RunError::Terminated),
    };
    let Prepared { checks, sources } = match prepared {
        Ok(prepared) => prepared,
        Err(error) => {
            // The reason of the failure counts more than what could not be noted or cleaned up: gc does that.
            if let Some(facts) = failed::facts_of(plan, options, reporter, &error) {
                drop(within_grace(options, publication.note_failure(facts)).await);
            }
            drop(within_grace(options, publication.abandon()).await);
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
        snapshots: Vec::new(),
        checks,
        report: serde_json::to_value(reporter.report()).unwrap_or_default(),
    };
    commit(options, events, &publication, facts).await
}

/// Makes what was prepared visible, or cleans up.
pub(super) async fn commit(
    options: &RunOptions,
    events: &Events,
    publication: &Publication,
    facts: RunFacts,
) -> Result<(), RunError> {
    let committed = match within_grace(options, publication.commit(facts)).await {
        Some(Ok(committed)) => committed,
        ended => {
            let error = match ended {
                Some(Err(error)) => Some(error),
                _ => publication.cut_short(),
            };
            drop(within_grace(options, publication.abandon()).await);
            return Err(error.map_or(RunError::Terminated, RunError::Publish));
        }
    };
    events.tell(&Event::Committed {
        commit: committed.commit.number,
        url: publication.target().url.to_string(),
    });
    Ok(())
}

/// Begins the publication; none where readers see already what it would publish.
async fn begin(
    plan: &Plan,
    options: &RunOptions,
    events: &Events,
    target: &Target,
    pool: &Pool,
) -> Result<Option<Publication>, RunError> {
    if options.reuse
        && let Some(commit) =
            inputs::unchanged(plan, target, options.as_of, &options.inputs, &options.root).await?
    {
        // A run that was killed right after its commit left stable paths behind; others may be gone or altered since.
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
        pipeline: plan.pipeline.clone(),
        pool: pool.threads(),
        clock: Arc::clone(&options.clock),
        heartbeat: Heartbeat::default(),
        progress: None,
    };
    Ok(Some(Publication::begin(target.clone(), begin).await?))
}

/// What `begin` gives, unless the process is asked to stop before that.
pub(super) async fn unless_stopped<T>(
    options: &RunOptions,
    target: &Target,
    begin: impl Future<Output = Result<T, RunError>>,
) -> Result<T, RunError> {
    tokio::select! {
        begun = begin => begun,
        () = asked_to_stop(options) => {
            // Its marker may be up already.
            drop(within_grace(options, Publication::withdraw(target, &options.run_id)).await);
            Err(RunError::Terminated)
        }
    }
}

/// Resolves when the process is asked to stop.
pub(super) async fn asked_to_stop(options: &RunOptions) {
    let mut stop = options.stop.clone();
    drop(stop.wait_for(|asked| *asked).await);
}

/// Waits for the end of `work`; gives it up some time after the process was asked to stop, as when the store hangs.
pub(super) async fn within_grace<T>(
    options: &RunOptions,
    work: impl Future<Output = T>,
) -> Option<T> {
    let patience = async {
        asked_to_stop(options).await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        done = work => Some(done),
        () = patience => None,
    }
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

/// Tells that tables of a later day are about to be replaced: whoever reads them sees an earlier day from then on.
fn warn_of_newer(options: &RunOptions, events: &Events, shown: Option<chrono::NaiveDate>) {
    if let Some(seen) = shown
        && seen > options.as_of
    {
        let as_of = options.as_of;
        events.tell(&Event::Warning {
            message: format!(
                "the published tables are as of {seen}; this run replaces them with those as of {as_of}"
            ),
        });
    }
}

/// Whether a check reads raw tables alone.
fn reads_raw(plan: &Plan, check: &PlannedStage) -> bool {
    let is_raw = |name: &String| plan.sources.iter().any(|source| source.name == *name);
    !check.inputs.is_empty() && check.inputs.iter().all(is_raw)
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
    work.hash_parquet();
    let target = publication.target();
    let history = history(target, options.inputs.replay_of.as_deref()).await?;
    let last = Previous::last(target, options.as_of, &work, &history).await?;
    warn_of_newer(options, events, shown_day(target).await?);
    let mut learned = Learned::default();
    let mut checks = Checks::new(&work, publication, last.as_ref());
    checks.hold_lookbacks().await?;
    // What can be known before anything is made or written stops a run sooner.
    checks.hold(|stage| reads_raw(plan, stage)).await?;
    for stage in plan
        .stages
        .iter()
        .filter(|stage| stage.layer != Layer::Check)
    {
        if let Err(error) = work.make(stage, &mut learned).await {
            return Err(checks.with_rows_of_contract(stage, error).await);
        }
    }
    let is_output = |name: &String| plan.outputs.iter().any(|output| output.table == *name);
    for (table, rows) in std::mem::take(&mut learned.kept) {
        if !is_output(&table) {
            checks.note_made(&table, rows);
        }
    }
    let reads_output = |stage: &PlannedStage| stage.inputs.iter().any(is_output);
    checks
        .hold(|stage| !reads_output(stage) && !reads_raw(plan, stage))
        .await?;
    for result in bounds::hold(plan, &learned)? {
        checks.note(result);
    }
    let outputs = Outputs {
        work: &work,
        publication,
    };
    for output in &plan.outputs {
        match (
            outputs.write_output(output).await,
            plan.stage(&output.table),
        ) {
            (Ok(rows), _) => checks.note_written(&output.table, rows),
            (Err(error), Some(stage)) => {
                return Err(checks.with_rows_of_contract(stage, error).await);
            }
            (Err(error), None) => return Err(error),
        }
    }
    checks.hold(reads_output).await?;
    match work.finish_sources().await {
        Ok(results) => results.into_iter().for_each(|result| checks.note(result)),
        Err(error) => return Err(checks.with_rows_set_aside(error).await),
    }
    let results = checks.results();
    outputs.write_rows_set_aside().await?;
    if plan.has_scores() {
        let earlier = Previous::of_earlier_day(target, options.as_of, &history).await?;
        let fits = match &earlier {
            Some(earlier) => earlier.fits(target).await?,
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
    work.reuse.trim();
    Ok(Prepared {
        checks: results,
        sources: work.read(),
    })
}
