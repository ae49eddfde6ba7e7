//! The one step that readers see.

use std::sync::atomic::Ordering;

use object_store::{Error as StoreError, PutMode};

use super::error::PublishError;
use super::history::{put_json, read_commit};
use super::manifest::{Commit, CommittedTable, FORMAT, RunManifest};
use super::marker::Rival;
use super::publication::{Publication, rfc3339};
use super::sink::RunFacts;

impl Publication {
    pub(super) fn manifest(&self, facts: RunFacts) -> RunManifest {
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
            sources: facts.sources,
            replay_of: facts.replay_of,
            snapshots: facts.snapshots,
            tables: self.prepared().values().flatten().cloned().collect(),
            checks: facts.checks,
            report: facts.report,
        }
    }

    /// Creates the commit after the one that the run began with.
    pub(super) async fn create_commit(
        &self,
        manifest: &RunManifest,
    ) -> Result<Commit, PublishError> {
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

    /// A create-if-absent that failed may have been done all the same: its answer was lost, or a
    /// retry of the store's client met the object of its own first attempt. What the store holds
    /// now tells.
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
                Err(self
                    .target
                    .failed("write", &self.target.commit(commit.number))(
                    source
                ))
            }
            Ok(None) | Err(_) => Err(unknown(source)),
        }
    }
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
