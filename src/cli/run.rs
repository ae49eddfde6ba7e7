//! `cvm run`.

use std::path::PathBuf;
use std::sync::Arc;

use chrono::NaiveDate;
use tokio::sync::watch;

use super::arguments::{Limits, Log, RunArguments};
use super::brief::{Briefing, message};
use super::progress::{Display, JsonLines};
use super::project::plan_of;
use super::{CliError, console, summary};
use crate::observe::{Failure, Wanted, Watch};
use crate::plan::Plan;
use crate::run::{self, CacheOptions, Event, Inputs, Observer, RunError, RunOptions, RunReport};
use crate::score::Registry;

pub(super) async fn run(arguments: &RunArguments, registry: &Registry) -> Result<(), CliError> {
    let briefing = Arc::new(Briefing::default());
    let run_id = uuid::Uuid::now_v7().to_string();
    let watch = watch_of(arguments, &run_id).map(Arc::new);
    let result = run_observed(
        arguments,
        registry,
        run_id,
        Arc::clone(&briefing),
        watch.clone(),
    )
    .await;
    if let Some(file) = &arguments.report {
        briefing.write(file, &result);
    }
    if let Some(watch) = &watch {
        tell_others(watch, &result, arguments.limits.log).await;
    }
    result
}

/// Whoever else is to be told of the run, if anybody is.
fn watch_of(arguments: &RunArguments, run_id: &str) -> Option<Watch> {
    let wanted = Wanted {
        lineage: arguments.lineage.clone(),
        metrics: arguments.metrics.clone(),
        push: arguments.push_metrics.clone(),
    };
    // What the pipeline calls itself is known once it is planned.
    let called = arguments.pipeline.file_stem().unwrap_or_default();
    let as_of = arguments.as_of.map(|day| day.to_string());
    let variable = |name: &str| std::env::var(name).ok();
    Watch::new(run_id, &called.to_string_lossy(), as_of, wanted, &variable)
}

/// Tells others how the run ended. Its tables are published or not by now: who cannot be told fails nothing.
async fn tell_others(watch: &Watch, result: &Result<(), CliError>, log: Log) {
    let failure = result.as_ref().err().map(|error| Failure {
        kind: error.kind(),
        message: message(error),
    });
    for message in watch.finish(failure).await {
        if is_human(log) {
            console::err(&format!("warning: {message}\n"));
        } else {
            JsonLines::default().observe(&Event::Warning { message });
        }
    }
}

async fn run_observed(
    arguments: &RunArguments,
    registry: &Registry,
    run_id: String,
    briefing: Arc<Briefing>,
    watch: Option<Arc<Watch>>,
) -> Result<(), CliError> {
    // Planning, too, is to end with its code.
    let stop = stop_on_signal();
    if let Some(watch) = &watch {
        watch.stops_with(stop.clone());
    }
    let (plan, root) = plan_of(&arguments.pipeline, registry).await?;
    if let Some(watch) = &watch {
        watch.planned(&plan, &root);
    }
    let (inputs, as_of) = match (&arguments.replay, arguments.as_of) {
        (Some(run_id), _) => {
            let target = run::open_target(&plan, &root)?;
            tokio::select! {
                found = Inputs::of_run(&plan, &target, run_id) => found?,
                () = asked_to_stop(stop.clone()) => return Err(RunError::Terminated.into()),
            }
        }
        (None, as_of) => (
            Inputs::known_at(arguments.known_at),
            as_of.unwrap_or_default(),
        ),
    };
    let mut observers: Vec<Arc<dyn Observer>> = vec![briefing as _];
    if let Some(watch) = watch {
        observers.push(watch);
    }
    let what = WhatToRun {
        run_id,
        as_of,
        inputs,
        reuse: !arguments.no_cache,
        cache: arguments.cache.options().filter(|_| !arguments.no_cache),
        observers,
    };
    let report = execute(&plan, root, what, &arguments.limits, stop).await?;
    if is_human(arguments.limits.log) {
        console::err(&summary::of(&report));
    }
    Ok(())
}

/// What a run sees, and whether it may end at once where nothing has changed.
pub(super) struct WhatToRun {
    /// Unique for ever, and sorted by time.
    pub(super) run_id: String,
    pub(super) as_of: NaiveDate,
    pub(super) inputs: Inputs,
    pub(super) reuse: bool,
    /// Where the work of earlier runs is kept.
    pub(super) cache: Option<CacheOptions>,
    /// Who watches beside whoever reads standard error.
    pub(super) observers: Vec<Arc<dyn Observer>>,
}

/// Runs a plan, watched as the user asked for, until `stop` turns true.
pub(super) async fn execute(
    plan: &Plan,
    root: PathBuf,
    what: WhatToRun,
    limits: &Limits,
    stop: watch::Receiver<bool>,
) -> Result<RunReport, CliError> {
    let observer = teller(limits.log);
    let options = RunOptions {
        as_of: what.as_of,
        inputs: what.inputs,
        reuse: what.reuse,
        run_id: what.run_id,
        threads: limits.threads(),
        memory_limit: limits.memory_limit(),
        work_folder: limits.work_folder.clone(),
        cache: what.cache,
        root,
        observers: std::iter::once(observer).chain(what.observers).collect(),
        clock: Arc::new(chrono::Utc::now),
        stop,
    };
    Ok(run::run(plan, options).await?)
}

/// Who tells standard error of a run, as the user asked for it.
pub(super) fn teller(log: Log) -> Arc<dyn Observer> {
    if is_human(log) {
        Arc::new(Display::new())
    } else {
        Arc::new(JsonLines::default())
    }
}

pub(super) fn is_human(log: Log) -> bool {
    match log {
        Log::Auto => console::is_terminal(),
        Log::Human => true,
        Log::Json => false,
    }
}

/// Turns true once the process is asked to stop.
pub(super) fn stop_on_signal() -> watch::Receiver<bool> {
    let (stop, asked) = watch::channel(false);
    tokio::spawn(async move {
        wait_for_signal().await;
        // A run that has ended listens no more.
        let _ = stop.send(true);
        // Keeps the channel open: a closed one would read as an answer.
        std::future::pending::<()>().await;
    });
    asked
}

/// Resolves once `stop` turns true.
pub(super) async fn asked_to_stop(mut stop: watch::Receiver<bool>) {
    drop(stop.wait_for(|asked| *asked).await);
}

#[cfg(unix)]
async fn wait_for_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

#[cfg(not(unix))]
async fn wait_for_signal() {
    drop(tokio::signal::ctrl_c().await);
}
