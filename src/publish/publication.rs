//! A run's publication, from its beginning to its commit.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, SecondsFormat, Utc};
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{Error as StoreError, ObjectStoreExt, PutMode};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::error::PublishError;
use super::history::{current_commit, delete_if_there, put_json, run_manifest};
use super::layout::{Target, is_plain_name};
use super::manifest::TableManifest;
use super::marker::{self, Heartbeat, Marker, Rival};
use super::sink::{BeginOptions, Committed, RunFacts, Sink};
use super::snapshot::Snapshot;
use super::stable::refresh;
use super::table::TableToWrite;
use super::upload::PART_BYTES;
use super::verify::read_back;
use super::write::{Rows, WriteContext, adopt_table, write_file, write_table};

/// The publication of one run as Parquet files of an object store: the [`Sink`] that there is.
///
/// Dropped without a commit it leaves invisible files, which [`Sink::abandon`] removes at once and
/// `gc` later.
pub struct Publication {
    pub(super) target: Target,
    pub(super) options: BeginOptions,
    pub(super) started_at: String,
    pub(super) base: u64,
    part_bytes: usize,
    prepared: Mutex<BTreeMap<String, Option<TableManifest>>>,
    /// Set from the moment on at which a commit may exist.
    pub(super) maybe_committed: AtomicBool,
    rival: watch::Receiver<Option<Rival>>,
    heartbeat: AbortHandle,
}

impl Publication {
    /// Begins a publication: remembers the commit that it will follow, rolls stable paths forward
    /// if an earlier run was killed before it could, and says that the run is at work. Best done
    /// before anything is read: whatever commits after this moment makes this run give way.
    ///
    /// Needs a Tokio runtime, on which the heartbeat runs.
    ///
    /// # Errors
    /// [`PublishError::InvalidName`] (also for a run id that was used before),
    /// [`PublishError::OtherPipeline`], [`PublishError::Store`].
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
        match refresh(&target).await {
            // A data file that is gone can be shown no more; this run may publish it anew.
            Err(PublishError::Store {
                source: StoreError::NotFound { .. },
                ..
            }) => {}
            refreshed => {
                refreshed?;
            }
        }
        let started_at = rfc3339((options.clock)());
        let base = current.map_or(0, |commit| commit.number);
        let file = marker::first(&options.run_id, &options.pipeline, started_at.clone());
        let marker = match Marker::put_up(&target, file, base, options.heartbeat.expiry).await {
            Err(PublishError::Store {
                source: StoreError::AlreadyExists { .. },
                ..
            }) => {
                return Err(invalid("a run of this id is at work, or was killed"));
            }
            marker => marker?,
        };
        let (tell, rival) = watch::channel(None);
        let heartbeat = tokio::spawn(keep_beating(marker, options.heartbeat, tell)).abort_handle();
        Ok(Self {
            target,
            options,
            started_at,
            base,
            part_bytes: PART_BYTES,
            prepared: Mutex::default(),
            maybe_committed: AtomicBool::new(false),
            rival,
            heartbeat,
        })
    }

    /// Uploads in smaller parts, so that a test's tables need several.
    #[cfg(test)]
    pub(super) fn cut_parts_at(mut self, bytes: usize) -> Self {
        self.part_bytes = bytes;
        self
    }

    /// Where this publishes to.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The run.
    pub fn run_id(&self) -> &str {
        &self.options.run_id
    }

    /// Keeps rows that break a check for people to look at, whether the run commits or not; returns where they lie.
    ///
    /// # Errors
    /// [`PublishError::Store`].
    pub async fn keep_broken_rows(&self, check: &str, csv: String) -> Result<String, PublishError> {
        let path = self.target.broken_rows(&self.options.run_id, check);
        let put = self.target.store.put(&path, csv.into()).await;
        put.map_err(self.target.failed("write", &path))?;
        Ok(self.target.address(&path))
    }

    /// Keeps rows under a name that tells all that decides them, for this publication and later ones to be made of, whether the
    /// run commits or not. They are held to the table's contract as those of [`Sink::prepare`] are.
    ///
    /// # Errors
    /// As [`Sink::prepare`].
    pub async fn keep_snapshot(
        &self,
        table: &TableToWrite,
        name: &str,
        rows: Rows,
    ) -> Result<Snapshot, PublishError> {
        table.check()?;
        let path = self.target.snapshot_file(&table.name, name);
        let may_go_on = || self.may_go_on();
        let file = self.target.absolute(&path);
        let written = write_file(&self.context(&may_go_on), table, &file, rows).await?;
        Ok(Snapshot {
            path,
            rows: written.rows,
        })
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

    pub(super) fn gives_way(&self, rival: Rival) -> PublishError {
        PublishError::Concurrent {
            run_id: self.options.run_id.clone(),
            rival,
        }
    }

    pub(super) fn prepared(&self) -> MutexGuard<'_, BTreeMap<String, Option<TableManifest>>> {
        // The map is changed by single inserts: valid whoever panicked.
        self.prepared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What to tell of a commit that was not waited for to its end; none where it had not come to be made.
    pub fn cut_short(&self) -> Option<PublishError> {
        let number = self.base + 1;
        let is_possible = self.maybe_committed.load(Ordering::SeqCst);
        is_possible.then_some(PublishError::CutShort { number })
    }

    /// Takes down the marker of a run that was stopped while it began.
    ///
    /// # Errors
    /// [`PublishError::Store`].
    pub async fn withdraw(target: &Target, run_id: &str) -> Result<(), PublishError> {
        delete_if_there(target, &target.marker(run_id)).await
    }

    /// As [`Sink::prepare`]; the file `copy` on this machine gets the same bytes, unless that fails: then it is cut short.
    ///
    /// # Errors
    /// As that.
    pub async fn prepare_copied(
        &self,
        table: &TableToWrite,
        rows: Rows,
        copy: Option<&std::path::Path>,
    ) -> Result<TableManifest, PublishError> {
        table.check()?;
        self.announce(&table.name)?;
        let may_go_on = || self.may_go_on();
        let context = WriteContext {
            copy,
            ..self.context(&may_go_on)
        };
        let written = write_table(&context, table, rows).await?;
        self.prepared()
            .insert(table.name.clone(), Some(written.clone()));
        Ok(written)
    }

    /// Prepares a table that an earlier run encoded: `file` on this machine holds the bytes that `encoded` describes.
    ///
    /// # Errors
    /// When the file cannot be read, or the store's.
    pub async fn adopt(
        &self,
        encoded: &TableManifest,
        file: &std::path::Path,
    ) -> Result<TableManifest, PublishError> {
        self.announce(&encoded.name)?;
        let may_go_on = || self.may_go_on();
        let adopted = adopt_table(&self.context(&may_go_on), encoded, file).await?;
        self.prepared()
            .insert(encoded.name.clone(), Some(adopted.clone()));
        Ok(adopted)
    }

    /// Notes that a table is being prepared, so that giving up removes what there is of it.
    fn announce(&self, table: &str) -> Result<(), PublishError> {
        if self.prepared().insert(table.to_owned(), None).is_some() {
            let reason = "it was prepared before";
            return Err(PublishError::InvalidName {
                what: "table",
                name: table.to_owned(),
                reason,
            });
        }
        Ok(())
    }

    fn context<'a>(
        &'a self,
        may_go_on: &'a (dyn Fn() -> Result<(), PublishError> + Sync),
    ) -> WriteContext<'a> {
        WriteContext {
            target: &self.target,
            run_id: &self.options.run_id,
            pool: &self.options.pool,
            part_bytes: self.part_bytes,
            progress: self.options.progress.as_ref(),
            copy: None,
            may_go_on,
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
        self.prepare_copied(table, rows, None).await
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
        let removed = match self.maybe_committed.load(Ordering::SeqCst) {
            true => Ok(()),
            false => self.remove_prepared().await,
        };
        // What could not be removed is no reason to be taken for alive.
        self.rest().await.and(removed)
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
        .map_err(target.failed("list", &folder))?;
    for object in &objects {
        delete_if_there(target, object).await?;
    }
    super::gc::remove_local_folder(target, table, run_id).await
}

pub(super) fn rfc3339(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}
