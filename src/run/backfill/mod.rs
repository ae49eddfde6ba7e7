//! Backfills: a history of snapshots, one an as-of day, each as a run as of that day makes it of what is known now.
//!
//! ```text
//! list objects ─▶ which snapshots are there ─▶ raw tables, once ─▶ stages, checks, snapshots, day by day ─▶ history ─▶ commit
//! ```
//!
//! - **A target of its own** beside the pipeline's, with a publication as every other: readers see the old history or the new.
//! - **Nothing goes unasked.** A history without tables or days that readers see now is refused before anything is done.
//! - **Only what the chosen tables need is made**, and held to contracts, shares of bad rows and checks before a snapshot of it is
//!   kept; see [`checks`]. Bounds on predictions are for what is shown as today's.
//! - **A snapshot is kept as soon as it is made**, under a name that tells the plan, the objects and the day. A backfill that was
//!   killed goes on after the last; one with more days makes those alone; `gc` removes what no history is made of any more.

mod checks;
mod days;
mod found;
mod lost;
mod publish;
mod snapshots;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use chrono::NaiveDate;

pub use days::Every;

use super::RunOptions;
use super::error::RunError;
use super::execute::{target_at, tell_begun, tell_ended};
use super::report::RunReport;
use crate::plan::{Layer, Plan};
use crate::publish::Target;
use crate::spec::source::Format;
use table::HistoryTable;

/// What a history is to be made of.
#[derive(Debug, Clone)]
pub struct Backfill {
    /// The first as-of day.
    pub from: NaiveDate,
    /// The last, included where the steps meet it.
    pub to: NaiveDate,
    /// How far they lie apart.
    pub every: Every,
    /// Tables that the pipeline publishes.
    pub tables: Vec<String>,
    /// Whether tables and as-of days that readers of the history see now may go.
    pub replace: bool,
}

/// A backfill that is proven.
struct History<'a> {
    /// What makes the tables and holds them to their checks, and nothing else.
    plan: &'a Plan,
    backfill: &'a Backfill,
    days: Vec<NaiveDate>,
    tables: Vec<HistoryTable>,
    /// Of each history that the pipeline's tables can have the table.
    sources: BTreeMap<String, String>,
}

impl History<'_> {
    fn holdout_days(&self) -> i64 {
        let validation = self.plan.settings.value.validation;
        validation.map_or(0, |held| held.holdout_days)
    }
}

/// The place that the history of a plan's tables is published to, beside that of the tables.
///
/// # Errors
/// When the store cannot be opened.
pub fn open_history(plan: &Plan, root: &Path) -> Result<Target, RunError> {
    target_at(plan, &format!("{}_history", plan.output_path), root)
}

/// Makes a history of tables of `plan` and publishes it.
///
/// `options` says how; its as-of day is not looked at.
///
/// # Errors
/// [`RunError::NoAsOfDays`], [`RunError::NoHistory`], [`RunError::HistoryLost`], and what can go wrong in a run. Readers then see what
/// they saw before, unless the error says otherwise, and the snapshots that were made stay for the next backfill.
pub async fn backfill(
    plan: Plan,
    backfill: &Backfill,
    mut options: RunOptions,
) -> Result<RunReport, RunError> {
    let days = days::days(backfill.from, backfill.to, backfill.every)?;
    let tables = table::chosen(&plan, &backfill.tables)?;
    options.as_of = days.last().copied().unwrap_or(backfill.to);
    let sources = table::by_history(&plan);
    let names: BTreeSet<String> = tables.iter().map(|table| table.source.clone()).collect();
    let mut plan = plan.only(&names);
    for source in &mut plan.sources {
        // Every day reads it again: text is to be parsed once and written down.
        if !matches!(source.table.format, Format::Parquet) {
            source.uses = source.uses.max(2);
        }
    }
    let checks = plan.stages.iter();
    let checks = checks.filter(|stage| stage.layer == Layer::Check);
    let asked: BTreeSet<String> = checks.flat_map(|check| check.inputs.clone()).collect();
    for stage in &mut plan.stages {
        // A published table is a view here, and its snapshot is not the only one to read it.
        if asked.contains(&stage.name) {
            stage.uses = stage.uses.max(2);
        }
    }
    let history = History {
        plan: &plan,
        backfill,
        days,
        tables,
        sources,
    };
    let (events, reporter) = tell_begun(&plan, &options);
    let result = publish::publish(&history, &options, &events, &reporter)
        .await
        .map_err(|error| error.with_work_folder(options.work_folder.as_deref()));
    tell_ended(&events, &reporter, result)
}
