//! A run's publication, from its beginning to its commit.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, SecondsFormat, Utc};
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{Error as StoreError, PutMode};
use rayon::ThreadPool;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::error::PublishError;
use super::history::{current_commit, delete_if_there, put_json, read_commit, run_manifest};
use super::layout::{Target, is_plain_name};
use super::manifest::{CheckResult, Commit, CommittedTable, FORMAT, RunManifest, TableManifest};
use super::marker::{self, Heartbeat, Marker, Rival};
use super::stable::{Refreshed, refresh};
use super::table::TableToWrite;
use super::verify::read_back;
use super::write::{ProgressFn, Rows, WriteContext, write_table};

/// Tells the time. Publication itself never asks the system: what it writes about time is what its caller says.
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
    /// [`PublishError::Concurrent`]: another run did; nothing of this one is visible. [`PublishError::StablePathsBehind`]: it *is*
    /// published, stable paths will follow. [`PublishError::CommitUnknown`]: one or the other, the store didn't say.
    /// Anything else: nothing is visible.
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
    /// Unique for ever; ids that sort by time (UUIDv7) keep listings readable. Letters, digits, `_` and `-`.
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

/// The publication of one run as Parquet files of an object store: the [`Sink`] that there is.
///
/// Dropped without a commit it leaves invisible files, which [`Sink::abandon`] removes at once and `gc` later.
pub struct Publication {
    target: Target,
    options: BeginOptions,
    started_at: String,
    base: u64,
    prepared: Mutex<BTreeMap<String, Option<TableManifest>>>,
    /// Set from the moment on at which a commit may exist.
    maybe_committed: AtomicBool,
    rival: watch::Receiver<Option<Rival>>,
    heartbeat: AbortHandle,
}

impl Publication {
    /// Begins a publication: remembers the commit that it will follow, rolls stable paths forward if an earlier run was
    /// killed before it could, and says that the run is at work. Best done before anything is read:
    /// whatever commits after this moment makes this run give way.
    ///
    /// Needs a Tokio runtime, on which the heartbeat runs.
    ///
    /// # Errors
    /// [`PublishError::InvalidName`] (also for a run id that was used before), [`PublishError::OtherPipeline`],
    /// [`PublishError::Store`].
    pub async fn begin(target: Target, options: BeginOptions) -> Result<Self, PublishError> {
        let invalid = |reason| PublishError::InvalidName {
            what: "run",
            name: options.run_id.clone(),
            reason,
        };
        if !is_plain_name(&options.run_id) {
            return Err(invalid("use letters, digits, _ and -"));
        }
        let current = current_commit(&target).await?;
        if let Some(owner) = current
            .as_ref()
            .map(|commit| &commit.pipeline)
            .filter(|&p| *p != options.pipeline)
        {
            return Err(PublishError::OtherPipeline {
                url: target.url.to_string(),
                owner: owner.clone(),
                pipeline: options.pipeline.clone(),
            });
        }
        if run_manifest(&target, &options.run_id).await?.is_some() {
            return Err(invalid("a run of this id has published here before"));
        }
        refresh(&target).await?;
        let started_at = rfc3339((options.clock)());
        let base = current.map_or(0, |commit| commit.number);
        let file = marker::first(&options.run_id, &options.pipeline, started_at.clone());
        let marker = Marker::put_up(&target, file, base, options.heartbeat.expiry).await?;
        let (tell, rival) = watch::channel(None);
        let heartbeat = tokio::spawn(keep_beating(marker, options.heartbeat, tell)).abort_handle();
        Ok(Self {
            target,
            options,
            started_at,
            base,
            prepared: Mutex::default(),
            maybe_committed: AtomicBool::new(false),
            rival,
            heartbeat,
        })
    }

    /// Where this publishes to.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The run.
    pub fn run_id(&self) -> &str {
        &self.options.run_id
    }

    /// Resolves when the run should give way, and never otherwise: select on it during long work.
    pub async fn should_give_way(&self) -> PublishError {
        let mut rival = self.rival.clone();
        loop {
            if let Err(error) = self.may_go_on() {
                return error;
            }
            if rival.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    /// Fails if the run should give way.
    fn may_go_on(&self) -> Result<(), PublishError> {
        match self.rival.borrow().as_ref() {
            Some(rival) => Err(self.gives_way(rival.clone())),
            None => Ok(()),
        }
    }

    fn gives_way(&self, rival: Rival) -> PublishError {
        PublishError::Concurrent {
            run_id: self.options.run_id.clone(),
            rival,
        }
    }

    fn prepared(&self) -> MutexGuard<'_, BTreeMap<String, Option<TableManifest>>> {
        // The map is changed by single inserts: valid whoever panicked.
        self.prepared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn manifest(&self, facts: RunFacts) -> RunManifest {
        RunManifest {
            format: FORMAT,
            run_id: self.options.run_id.clone(),
            pipeline: self.options.pipeline.clone(),
            cvm_version: env!("CARGO_PKG_VERSION").to_owned(),
            as_of: facts.as_of,
            plan_fingerprint: facts.plan_fingerprint,
            parameters: facts.parameters,
            started_at: self.started_at.clone(),
            finished_at: rfc3339((self.options.clock)()),
            tables: self.prepared().values().flatten().cloned().collect(),
            checks: facts.checks,
            report: facts.report,
        }
    }

    /// Creates the commit after the one that the run began with.
    async fn create_commit(&self, manifest: &RunManifest) -> Result<Commit, PublishError> {
        let shows = CommittedTable {
            run: self.options.run_id.clone(),
        };
        let commit = Commit {
            format: FORMAT,
            number: self.base + 1,
            run_id: self.options.run_id.clone(),
            pipeline: self.options.pipeline.clone(),
            committed_at: manifest.finished_at.clone(),
            tables: manifest
                .tables
                .iter()
                .map(|table| (table.name.clone(), shows.clone()))
                .collect(),
        };
        let path = self.target.commit(commit.number);
        self.maybe_committed.store(true, Ordering::SeqCst);
        match put_json(&self.target, &path, &commit, PutMode::Create).await {
            Ok(()) => Ok(commit),
            Err(PublishError::Store { source, .. }) => self.settle(commit, source).await,
            Err(error) => Err(error),
        }
    }

    /// A create-if-absent that failed may have been done all the same: its answer was lost, or a retry of the store's
    /// client met the object of its own first attempt. What the store holds now tells.
    async fn settle(&self, commit: Commit, source: StoreError) -> Result<Commit, PublishError> {
        let unknown = |source| PublishError::CommitUnknown {
            number: commit.number,
            source,
        };
        match read_commit(&self.target, commit.number).await {
            Ok(Some(there)) if there.run_id == commit.run_id => Ok(commit),
            Ok(Some(there)) => {
                self.maybe_committed.store(false, Ordering::SeqCst);
                Err(self.gives_way(Rival::Committed {
                    run_id: there.run_id,
                    number: there.number,
                }))
            }
            // Refused for good; anything else may still be on its way.
            Ok(None) if is_refusal(&source) => {
                self.maybe_committed.store(false, Ordering::SeqCst);
                Err(PublishError::store(
                    "write",
                    &self.target.commit(commit.number),
                )(source))
            }
            Ok(None) | Err(_) => Err(unknown(source)),
        }
    }

    async fn remove_prepared(&self) -> Result<(), PublishError> {
        let tables: Vec<String> = self.prepared().keys().cloned().collect();
        for table in tables {
            remove_folder(&self.target, &table, &self.options.run_id).await?;
        }
        delete_if_there(
            &self.target,
            &self.target.run_manifest(&self.options.run_id),
        )
        .await
    }

    /// Ends the heartbeat and takes the marker down.
    async fn rest(&self) -> Result<(), PublishError> {
        self.heartbeat.abort();
        delete_if_there(&self.target, &self.target.marker(&self.options.run_id)).await
    }
}

#[async_trait]
impl Sink for Publication {
    async fn prepare(
        &self,
        table: &TableToWrite,
        rows: Rows,
    ) -> Result<TableManifest, PublishError> {
        table.check()?;
        if self.prepared().insert(table.name.clone(), None).is_some() {
            let reason = "it was prepared before";
            return Err(PublishError::InvalidName {
                what: "table",
                name: table.name.clone(),
                reason,
            });
        }
        let context = WriteContext {
            target: &self.target,
            run_id: &self.options.run_id,
            pool: &self.options.pool,
            progress: self.options.progress.as_ref(),
            may_go_on: &|| self.may_go_on(),
        };
        let written = write_table(&context, table, rows).await?;
        self.prepared()
            .insert(table.name.clone(), Some(written.clone()));
        Ok(written)
    }

    async fn verify(&self) -> Result<Vec<TableManifest>, PublishError> {
        let tables: Vec<TableManifest> = self.prepared().values().flatten().cloned().collect();
        for table in &tables {
            read_back(&self.target, table).await?;
        }
        Ok(tables)
    }

    async fn commit(&self, facts: RunFacts) -> Result<Committed, PublishError> {
        if let Some(name) = self
            .prepared()
            .iter()
            .find(|(_, table)| table.is_none())
            .map(|(name, _)| name.clone())
        {
            let reason = "it was not prepared to its end";
            return Err(PublishError::InvalidName {
                what: "table",
                name,
                reason,
            });
        }
        self.may_go_on()?;
        let overtaken = marker::overtaken(&self.target, self.base, &self.options.run_id).await?;
        if let Some(rival) = overtaken {
            return Err(self.gives_way(rival));
        }
        let manifest = self.manifest(facts);
        let path = self.target.run_manifest(&self.options.run_id);
        put_json(&self.target, &path, &manifest, PutMode::Overwrite).await?;
        let commit = self.create_commit(&manifest).await?;
        let behind = |source| PublishError::StablePathsBehind {
            number: commit.number,
            source: Box::new(source),
        };
        let stable = refresh(&self.target).await.map_err(behind)?;
        // A marker that stays only makes the next run look at it twice.
        let _ = self.rest().await;
        Ok(Committed {
            commit,
            manifest,
            stable,
        })
    }

    async fn abandon(&self) -> Result<(), PublishError> {
        if !self.maybe_committed.load(Ordering::SeqCst) {
            self.remove_prepared().await?;
        }
        self.rest().await
    }
}

impl Drop for Publication {
    fn drop(&mut self) {
        self.heartbeat.abort();
    }
}

/// Beats until aborted; after a rival was seen there is nothing more to find out.
async fn keep_beating(
    mut marker: Marker,
    heartbeat: Heartbeat,
    tell: watch::Sender<Option<Rival>>,
) {
    loop {
        tokio::time::sleep(heartbeat.interval).await;
        // A beat that failed is made up for by the next; without any, the commit still decides.
        if let Ok(Some(rival)) = marker.beat().await {
            tell.send_replace(Some(rival));
        }
    }
}

/// Removes what a run wrote of a table.
pub(super) async fn remove_folder(
    target: &Target,
    table: &str,
    run_id: &str,
) -> Result<(), PublishError> {
    let folder = target.run_folder(table, run_id);
    let objects: Vec<Path> = target
        .store
        .list(Some(&folder))
        .map_ok(|object| object.location)
        .try_collect()
        .await
        .map_err(PublishError::store("list", &folder))?;
    for object in &objects {
        delete_if_there(target, object).await?;
    }
    super::gc::remove_local_folder(target, table, run_id).await
}

/// Whether the store can't have done what it answered this to.
fn is_refusal(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::PermissionDenied { .. }
            | StoreError::Unauthenticated { .. }
            | StoreError::NotImplemented { .. }
            | StoreError::NotSupported { .. }
            | StoreError::InvalidPath { .. }
            | StoreError::NotFound { .. }
    )
}

fn rfc3339(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}
