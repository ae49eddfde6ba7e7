//! `cvm run`.

use std::path::PathBuf;
use std::sync::Arc;

use chrono::NaiveDate;
use tokio::sync::watch;

use super::arguments::{Limits, Log, RunArguments};
use super::progress::{Display, JsonLines};
use super::project::plan_of;
use super::{CliError, console, summary};
use crate::plan::Plan;
use crate::run::{self, Observer, RunOptions, RunReport};
use crate::score::Registry;

pub(super) async fn run(arguments: &RunArguments, registry: &Registry) -> Result<(), CliError> {
    let (plan, root) = plan_of(&arguments.pipeline, registry).await?;
    let report = execute(&plan, root, arguments.as_of, &arguments.limits).await?;
    if is_human(arguments.limits.log) {
        console::err(&summary::of(&report));
    }
    Ok(())
}

/// Runs a plan, watched as the user asked for, and stopped by SIGTERM or Ctrl-C.
pub(super) async fn execute(
    plan: &Plan,
    root: PathBuf,
    as_of: NaiveDate,
    limits: &Limits,
) -> Result<RunReport, CliError> {
    let observer: Arc<dyn Observer> = if is_human(limits.log) {
        Arc::new(Display::new())
    } else {
        Arc::new(JsonLines::default())
    };
    let options = RunOptions {
        as_of,
        run_id: uuid::Uuid::now_v7().to_string(),
        threads: limits.threads(),
        memory_limit: limits.memory_limit(),
        work_folder: limits.work_folder.clone(),
        root,
        observers: vec![observer],
        clock: Arc::new(chrono::Utc::now),
        stop: stop_on_signal(),
    };
    Ok(run::run(plan, options).await?)
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
