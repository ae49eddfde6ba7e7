//! What happens in a run. Everything that watches one observes these events: progress bar, JSON log, report,
//! lineage, metrics, traces.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use serde::Serialize;

use crate::publish::CheckResult;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The run began.
    RunStarted {
        /// The run.
        run_id: String,
        /// The pipeline.
        pipeline: String,
        /// The exclusive end of what it sees.
        as_of: String,
        /// Fingerprint of the plan.
        fingerprint: String,
        /// Partitions that work at the same time.
        threads: usize,
        /// Bytes that operators may hold.
        memory_limit: usize,
    },
    /// The objects of a raw table were found.
    SourceFound {
        /// The raw table.
        source: String,
        /// How many objects.
        objects: usize,
        /// Their bytes.
        bytes: u64,
    },
    /// A stage, or the writing of an output, began.
    StageStarted {
        /// The table.
        stage: String,
        /// `sql`, `score`, `read`, `check`, `snapshot` or `publish`.
        kind: &'static str,
    },
    /// How far the stage at work is.
    Progress {
        /// The table.
        stage: String,
        /// Rows so far.
        rows: u64,
        /// Bytes read from sources so far.
        bytes: u64,
        /// Bytes of all sources.
        bytes_total: u64,
    },
    /// A stage ended.
    StageFinished {
        /// The table.
        stage: String,
        /// As in `stage_started`.
        kind: &'static str,
        /// Rows written, where the stage writes any.
        rows: Option<u64>,
        /// How long it took.
        seconds: f64,
    },
    /// A stage, or the encoding of an output, was done by an earlier run.
    Reused {
        /// The table.
        stage: String,
        /// As in `stage_started`.
        kind: &'static str,
        /// Rows written, where the stage writes any.
        rows: Option<u64>,
    },
    /// A stage was put together of parts, one for each object of a raw table or for a few.
    PutTogether {
        /// The table.
        stage: String,
        /// How many.
        parts: usize,
        /// Those of them that an earlier run worked out.
        parts_reused: usize,
    },
    /// A backfill began to make what it lacks of an as-of day.
    SnapshotStarted {
        /// The as-of day.
        as_of: String,
        /// Which of the history's days it is, from 1.
        number: usize,
        /// How many days the history has.
        days: usize,
    },
    /// A backfill has the snapshot of a table and as-of day.
    SnapshotKept {
        /// The table of the history.
        table: String,
        /// The as-of day.
        as_of: String,
        /// Its rows.
        rows: u64,
        /// Whether an earlier backfill had made it.
        reused: bool,
    },
    /// A raw table was read to its end.
    SourceRead {
        /// The raw table.
        source: String,
        /// How many objects.
        objects: usize,
        /// Bytes read.
        bytes: u64,
        /// Rows read: kept and set aside.
        rows_read: u64,
        /// Rows that went on.
        rows_kept: u64,
        /// Rows that did not fit their contract.
        rows_set_aside: u64,
        /// Rows among those read that an earlier run read and kept.
        rows_reused: u64,
    },
    /// A table was written aside and read back.
    TableWritten {
        /// The table.
        table: String,
        /// Its rows.
        rows: u64,
        /// Its bytes.
        bytes: u64,
        /// Why it has no rows, where it has none.
        #[serde(skip_serializing_if = "Option::is_none")]
        empty_because: Option<String>,
    },
    /// A check was made.
    Checked {
        /// What it found.
        result: CheckResult,
    },
    /// Something odd that stops nothing.
    Warning {
        /// What.
        message: String,
    },
    /// Readers see the new tables.
    Committed {
        /// The commit's number.
        commit: u64,
        /// Where.
        url: String,
    },
    /// Readers see already what the run would publish.
    Unchanged {
        /// The commit's number.
        commit: u64,
        /// The run that made it.
        unchanged_since: String,
        /// Where.
        url: String,
    },
    /// The run ended.
    RunFinished {
        /// How long it took.
        seconds: f64,
        /// The most memory that the process held, where the system tells.
        peak_memory_bytes: Option<u64>,
    },
    /// The run failed, and published nothing unless it says so.
    RunFailed {
        /// The class of the failure.
        kind: String,
        /// The exit code.
        exit_code: u8,
        /// What went wrong, cause last.
        message: String,
    },
}

/// Watches a run.
pub trait Observer: Send + Sync {
    /// Is told what happened, in order.
    fn observe(&self, event: &Event);
}

/// The observers of a run.
#[derive(Clone)]
pub struct Events {
    observers: Arc<Vec<Arc<dyn Observer>>>,
    order: Arc<Mutex<()>>,
    started: Instant,
}

impl Events {
    /// Events that go to `observers`, each in turn.
    pub fn new(observers: Vec<Arc<dyn Observer>>) -> Self {
        Self {
            observers: Arc::new(observers),
            order: Arc::default(),
            started: Instant::now(),
        }
    }

    /// Tells every observer.
    pub fn tell(&self, event: &Event) {
        let _one_at_a_time = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        for observer in self.observers.iter() {
            observer.observe(event);
        }
    }

    /// Seconds since the run began.
    pub fn seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }
}
