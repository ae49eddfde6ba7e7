//! What a run sees of its publication.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use rayon::ThreadPool;

use super::error::PublishError;
use super::manifest::{CheckResult, Commit, RunManifest, SourceManifest, TableManifest};
use super::marker::Heartbeat;
use super::stable::Refreshed;
use super::table::TableToWrite;
use super::write::{ProgressFn, Rows};

/// Tells the time. Publication itself never asks the system: what it writes about time is what its
/// caller says.
pub type Clock = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

/// Where a run's tables become visible, all at once or not at all.
#[async_trait]
pub trait Sink: Send + Sync {
    /// Writes a table aside, where no reader looks. Tables can be prepared at the same time.
    ///
    /// # Errors
    /// What is wrong with the rows ([`PublishError::KeyNotUnique`], [`PublishError::RequiredNull`],
    /// [`PublishError::Unpublishable`], …), with the store, or [`PublishError::Concurrent`].
    async fn prepare(
        &self,
        table: &TableToWrite,
        rows: Rows,
    ) -> Result<TableManifest, PublishError>;

    /// Reads back what was prepared and compares it with what was written.
    ///
    /// # Errors
    /// [`PublishError::ReadBack`], [`PublishError::Footer`], [`PublishError::Store`].
    async fn verify(&self) -> Result<Vec<TableManifest>, PublishError>;

    /// Makes everything that was prepared visible, in one step, and nothing else.
    ///
    /// # Errors
    /// [`PublishError::Concurrent`]: another run did; nothing of this one is visible.
    /// [`PublishError::StablePathsBehind`]: it *is* published, stable paths will follow.
    /// [`PublishError::CommitUnknown`]: one or the other, the store didn't say. Anything else:
    /// nothing is visible.
    async fn commit(&self, facts: RunFacts) -> Result<Committed, PublishError>;

    /// Gives up: removes what was prepared, as far as it is certain that no reader sees it.
    ///
    /// # Errors
    /// [`PublishError::Store`]; what stays is invisible, and [`gc`](super::gc) removes it later.
    async fn abandon(&self) -> Result<(), PublishError>;
}

/// What a publication is told at its beginning.
#[derive(Clone)]
pub struct BeginOptions {
    /// Unique for ever; ids that sort by time (UUIDv7) keep listings readable. Letters, digits, `_`
    /// and `-`.
    pub run_id: String,
    /// The pipeline to which the target belongs from its first commit on.
    pub pipeline: String,
    /// Encodes; best the pool that also scores, so that the cores are not claimed twice.
    pub pool: Arc<ThreadPool>,
    /// Tells the time.
    pub clock: Clock,
    /// How often to say that the run is alive.
    pub heartbeat: Heartbeat,
    /// Is told how far each table is.
    pub progress: Option<ProgressFn>,
}

/// What a run says of itself in its manifest.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunFacts {
    /// The exclusive end of the data that it saw, `YYYY-MM-DD`.
    pub as_of: String,
    /// Fingerprint of its plan.
    pub plan_fingerprint: String,
    /// Values of its parameters.
    pub parameters: BTreeMap<String, serde_json::Value>,
    /// What it read.
    pub sources: Vec<SourceManifest>,
    /// The run whose objects it read again, if it is a replay.
    pub replay_of: Option<String>,
    /// The snapshots that it was made of, if it is a backfill; relative to the target.
    pub snapshots: Vec<String>,
    /// The checks made on what it prepared.
    pub checks: Vec<CheckResult>,
    /// Its report, in its own format.
    pub report: serde_json::Value,
}

/// A publication that readers see.
#[derive(Debug, Clone, PartialEq)]
pub struct Committed {
    /// The commit.
    pub commit: Commit,
    /// The run's manifest.
    pub manifest: RunManifest,
    /// What was done to the stable paths.
    pub stable: Refreshed,
}
