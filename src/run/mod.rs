//! Who does what when: a proven plan, executed.
//!
//! ```text
//! begin publication ─▶ find objects ─▶ stages in order ─▶ bounds ─▶ outputs, sorted ─▶ rows set aside, fits ─▶ verify ─▶ commit
//! ```

mod address;
mod backfill;
mod backtest;
mod bounds;
mod broken_checks;
mod check_results;
mod checks;
pub mod diff;
pub mod error;
pub mod events;
mod execute;
mod failed;
mod folder;
mod inputs;
pub mod machine;
mod outputs;
mod parts;
mod previous;
pub mod published;
pub mod report;
mod reuse;
mod sources;
mod work;

use std::path::PathBuf;
use std::sync::Arc;

use chrono::NaiveDate;
use tokio::sync::watch;

pub use backfill::{Backfill, Every, backfill, open_history};
pub use backtest::{Backtest, backtest};
pub use broken_checks::{BrokenCheck, told_within};
pub use error::RunError;
pub use events::{Event, Events, Observer};
pub use execute::{open_target, run};
pub use inputs::Inputs;
pub use published::{PublishedTables, QueryError};
pub use report::{Reporter, RunReport};

use crate::plan::Plan;
use crate::publish::Clock;
use crate::score::FitContext;

/// How a plan is executed. None of it changes what is published, `as_of` and `inputs` aside.
pub struct RunOptions {
    /// The exclusive end of what the run sees.
    pub as_of: NaiveDate,
    /// Which objects it reads.
    pub inputs: Inputs,
    /// Whether a run that would publish what is published already ends at once.
    pub reuse: bool,
    /// Unique for ever; UUIDv7 keeps listings readable.
    pub run_id: String,
    /// Partitions that work at the same time, and threads that score.
    pub threads: usize,
    /// Bytes that operators may hold before they spill.
    pub memory_limit: usize,
    /// Where tables between stages and spilled rows go; a folder of the system's where none is given.
    pub work_folder: Option<PathBuf>,
    /// Where the work of earlier runs is kept; none where all is to be done anew.
    pub cache: Option<CacheOptions>,
    /// The folder that relative `file:` stores start from.
    pub root: PathBuf,
    /// Who watches.
    pub observers: Vec<Arc<dyn Observer>>,
    /// Tells the time to the publication; no table depends on it.
    pub clock: Clock,
    /// Turns true when the process is asked to stop.
    pub stop: watch::Receiver<bool>,
}

/// Where the work of earlier runs is kept, and how much of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheOptions {
    /// A folder on this machine that only cvm writes to.
    pub folder: PathBuf,
    /// Bytes that it may take between runs.
    pub limit: u64,
}

impl RunOptions {
    /// The same for work as of another day that nobody watches and that keeps nothing.
    fn apart(&self, as_of: NaiveDate, inputs: Inputs) -> Self {
        Self {
            as_of,
            inputs,
            observers: Vec::new(),
            clock: Arc::clone(&self.clock),
            stop: self.stop.clone(),
            run_id: self.run_id.clone(),
            work_folder: self.work_folder.clone(),
            cache: None,
            root: self.root.clone(),
            ..*self
        }
    }

    /// The days that the models of a run look at.
    pub fn days(&self, plan: &Plan) -> FitContext {
        let validation = plan.settings.value.validation;
        FitContext::new(self.as_of, validation.map_or(0, |held| held.holdout_days))
    }
}
