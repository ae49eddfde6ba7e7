//! Runs that the data stopped: they publish nothing, and whoever operates them wants to know what was found all the same.

use futures::stream::{self, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectMeta, PutMode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::PublishError;
use super::history::{AT_ONCE, put_json, read_json};
use super::layout::{FAILED_RUN, Target};
use super::manifest::{CheckResult, FORMAT};
use super::publication::{Publication, rfc3339};

/// `_cvm/broken/<run id>/run.json`: a run that stopped because of its data. No table depends on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FailedRun {
    /// Format of this file.
    pub format: u32,
    /// The run.
    pub run_id: String,
    /// The pipeline that ran.
    pub pipeline: String,
    /// The version of cvm that ran it.
    pub cvm_version: String,
    /// The exclusive end of the data that the run saw, `YYYY-MM-DD`.
    pub as_of: String,
    /// Fingerprint of the plan.
    pub plan_fingerprint: String,
    /// The commit that readers saw when it began; 0 for none.
    pub follows: u64,
    /// When the run began, UTC, RFC 3339.
    pub started_at: String,
    /// When it stopped, UTC, RFC 3339.
    pub failed_at: String,
    /// Why it stopped.
    pub reason: String,
    /// The checks that it made before, those that stopped it among them.
    pub checks: Vec<CheckResult>,
}

/// What a run says of itself when its data stops it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FailureFacts {
    /// The exclusive end of the data that it saw, `YYYY-MM-DD`.
    pub as_of: String,
    /// Fingerprint of its plan.
    pub plan_fingerprint: String,
    /// Why it stops.
    pub reason: String,
    /// The checks that it made.
    pub checks: Vec<CheckResult>,
}

impl Publication {
    /// Notes beside the tables that this run stops because of its data.
    ///
    /// # Errors
    /// [`PublishError::Store`].
    pub async fn note_failure(&self, facts: FailureFacts) -> Result<(), PublishError> {
        let failed = FailedRun {
            format: FORMAT,
            run_id: self.options.run_id.clone(),
            pipeline: self.options.pipeline.clone(),
            cvm_version: env!("CARGO_PKG_VERSION").to_owned(),
            as_of: facts.as_of,
            plan_fingerprint: facts.plan_fingerprint,
            follows: self.base,
            started_at: self.started_at.clone(),
            failed_at: rfc3339((self.options.clock)()),
            reason: facts.reason,
            checks: facts.checks,
        };
        let path = self.target.failed_run(&self.options.run_id);
        put_json(&self.target, &path, &failed, PutMode::Overwrite).await
    }
}

/// The runs that their data stopped and that `gc` has not forgotten, newest first: by the commit that they would have followed,
/// then by their own time.
///
/// # Errors
/// [`PublishError::Store`], [`PublishError::Corrupt`], [`PublishError::NewerFormat`].
pub async fn failed_runs(target: &Target) -> Result<Vec<FailedRun>, PublishError> {
    let folder = target.broken();
    let listed = target.store.list(Some(&folder)).try_collect().await;
    let listed: Vec<ObjectMeta> = listed.map_err(target.failed("list", &folder))?;
    let paths: Vec<Path> = listed
        .into_iter()
        .map(|object| object.location)
        .filter(|path| path.filename() == Some(FAILED_RUN) && !target.is_linked(path))
        .collect();
    let found: Vec<Option<FailedRun>> = stream::iter(paths)
        .map(|path| read_failed(target, path))
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    let mut found: Vec<FailedRun> = found.into_iter().flatten().collect();
    found.sort_by(|a, b| (b.follows, &b.failed_at).cmp(&(a.follows, &a.failed_at)));
    Ok(found)
}

/// The note at `path`; [`PublishError::Corrupt`] where it is another run's.
async fn read_failed(target: &Target, path: Path) -> Result<Option<FailedRun>, PublishError> {
    let failed: Option<FailedRun> = read_json(target, &path).await?;
    match failed {
        Some(failed) if path != target.failed_run(&failed.run_id) => Err(PublishError::Corrupt {
            source: serde::de::Error::custom(format!(
                "it says that it is the run {}",
                failed.run_id
            )),
            path,
        }),
        failed => Ok(failed),
    }
}
