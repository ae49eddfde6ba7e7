//! `cvm backfill`: a history of snapshots.

use std::sync::Arc;

use super::arguments::{BackfillArguments, Step};
use super::brief::Briefing;
use super::defect::caught;
use super::project::plan_of;
use super::run::{is_human, stop_on_signal, teller};
use super::{CliError, console, summary};
use crate::run::{Backfill, Every, Inputs, RunOptions, backfill};
use crate::score::Registry;

pub(super) async fn run(
    arguments: &BackfillArguments,
    registry: &Registry,
) -> Result<(), CliError> {
    let briefing = Arc::new(Briefing::default());
    let result = caught(run_observed(arguments, registry, Arc::clone(&briefing))).await;
    if let Some(file) = &arguments.report {
        briefing.write(file, &result);
    }
    result
}

async fn run_observed(
    arguments: &BackfillArguments,
    registry: &Registry,
    briefing: Arc<Briefing>,
) -> Result<(), CliError> {
    // Planning, too, is to end with its code.
    let stop = stop_on_signal();
    let (plan, root) = plan_of(&arguments.pipeline, registry).await?;
    let limits = &arguments.limits;
    let observer = teller(limits.log);
    let options = RunOptions {
        as_of: arguments.to,
        inputs: Inputs::known_at(arguments.known_at),
        reuse: !arguments.no_cache,
        run_id: uuid::Uuid::now_v7().to_string(),
        threads: limits.threads(),
        memory_limit: limits.memory_limit(),
        work_folder: limits.work_folder.clone(),
        cache: None,
        root,
        observers: vec![observer, briefing],
        clock: Arc::new(chrono::Utc::now),
        stop,
    };
    let what = Backfill {
        from: arguments.from,
        to: arguments.to,
        every: every(arguments.every),
        tables: arguments.tables.clone(),
        replace: arguments.replace,
    };
    let report = backfill(plan, &what, options).await?;
    if is_human(limits.log) {
        console::err(&summary::of(&report));
    }
    Ok(())
}

fn every(step: Step) -> Every {
    match step {
        Step::Day => Every::Day,
        Step::Week => Every::Week,
        Step::Month => Every::Month,
        Step::Quarter => Every::Quarter,
        Step::Year => Every::Year,
    }
}
