//! `cvm gc`.

use bytesize::ByteSize;

use super::arguments::GcArguments;
use super::project::{plan_of, target_of};
use super::run::{asked_to_stop, stop_on_signal};
use super::{CliError, console};
use crate::publish;
use crate::score::Registry;

pub(super) async fn gc(arguments: &GcArguments, registry: &Registry) -> Result<(), CliError> {
    let stop = stop_on_signal();
    let (plan, root) = plan_of(&arguments.pipeline, registry).await?;
    let target = target_of(&plan, &root, arguments.history)?;
    let retain = arguments.retain.unwrap_or(plan.retain) as usize;
    let mut options = publish::GcOptions::new(retain, chrono::Utc::now());
    options.dry_run = arguments.dry_run;
    let report = tokio::select! {
        report = publish::gc(&target, &options) => report?,
        () = asked_to_stop(stop) => return Err(CliError::Stopped),
    };
    let verb = if arguments.dry_run {
        "would remove"
    } else {
        "removed"
    };
    let mut text = String::new();
    for run in &report.removed {
        let size = ByteSize(run.bytes);
        text.push_str(&format!(
            "{verb} run {}: {} files, {size}\n",
            run.run_id, run.files
        ));
    }
    if report.snapshots > 0 {
        let size = ByteSize(report.snapshot_bytes);
        text.push_str(&format!("{verb} {} snapshots, {size}\n", report.snapshots));
    }
    text.push_str(&format!(
        "{verb} {} runs, kept {}\n",
        report.removed.len(),
        report.kept.len()
    ));
    console::out(&text)
}
