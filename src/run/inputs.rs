//! Which objects a run reads, and what it tells of them afterwards.

use std::collections::BTreeMap;
use std::path::Path;

use super::error::RunError;
use super::execute::open_store;
use crate::plan::Plan;
use crate::publish::{
    Commit, ObjectManifest, RunManifest, SourceManifest, Target, are_whole, current_commit,
    run_manifest,
};
use crate::source::{ObjectInfo, RawTableProvider, Selection};

/// Which objects a run reads.
#[derive(Debug, Clone, Default)]
pub struct Inputs {
    pub(super) selection: Selection,
    /// The run that is replayed.
    pub(super) replay_of: Option<String>,
}

impl Inputs {
    /// All that there are, or those that were written by `known_at`.
    pub fn known_at(known_at: Option<chrono::DateTime<chrono::Utc>>) -> Self {
        Self {
            selection: known_at.map_or(Selection::All, Selection::KnownAt),
            replay_of: None,
        }
    }

    /// Exactly what an earlier run read, with the as-of day that it had.
    ///
    /// # Errors
    /// [`RunError::NoSuchRun`], [`RunError::OtherPlan`] where the plan is not the one that it was made with, or the store's.
    pub async fn of_run(
        plan: &Plan,
        target: &Target,
        run_id: &str,
    ) -> Result<(Self, chrono::NaiveDate), RunError> {
        let no_such_run = |reason: &'static str| RunError::NoSuchRun {
            run_id: run_id.to_owned(),
            url: target.url.to_string(),
            reason,
        };
        let run = run_manifest(target, run_id).await?;
        let run = run.ok_or_else(|| no_such_run("it never came to its commit, or never was"))?;
        if run.sources.is_empty() {
            return Err(no_such_run("its manifest does not tell what it read"));
        }
        if run.plan_fingerprint != plan.fingerprint {
            return Err(RunError::OtherPlan {
                run_id: run_id.to_owned(),
                version: run.cvm_version,
            });
        }
        let as_of = run.as_of.parse();
        let as_of = as_of.map_err(|_| no_such_run("its manifest has no as-of day"))?;
        let objects = run.sources.into_iter().map(|source| {
            let objects = source.objects.into_iter().map(info_of);
            (source.name, objects.collect())
        });
        let selection = Selection::Recorded {
            run_id: run_id.to_owned(),
            objects: objects.collect(),
        };
        let inputs = Self {
            selection,
            replay_of: Some(run_id.to_owned()),
        };
        Ok((inputs, as_of))
    }
}

/// The commit that shows exactly what a run of `plan` would publish now: the same plan, as-of day and objects. None where
/// anything differs, nothing is published, or a file of it is gone.
///
/// # Errors
/// When a store does not answer, or a raw table has no objects.
pub(super) async fn unchanged(
    plan: &Plan,
    target: &Target,
    as_of: chrono::NaiveDate,
    inputs: &Inputs,
    root: &Path,
) -> Result<Option<Commit>, RunError> {
    let Some(commit) = current_commit(target).await? else {
        return Ok(None);
    };
    let Some(run) = run_manifest(target, &commit.run_id).await? else {
        return Ok(None);
    };
    let is_same = run.plan_fingerprint == plan.fingerprint
        && run.as_of == as_of.to_string()
        && run.replay_of == inputs.replay_of
        && run.pipeline == plan.pipeline
        && is_read(plan, &run, inputs, root).await?
        && is_whole(target, &run).await?;
    Ok(is_same.then_some(commit))
}

/// Whether every file of what `run` published is there, whole. Stable paths are left to `refresh`: a run that was killed right after its
/// commit leaves some of them behind it.
pub(super) async fn is_whole(target: &Target, run: &RunManifest) -> Result<bool, RunError> {
    let files = run.tables.iter().flat_map(|table| &table.files);
    let objects = files.map(|file| (target.absolute(&file.path), Some(file.bytes)));
    Ok(are_whole(target, objects).await?)
}

/// Whether the objects that would be read are those that `run` read.
async fn is_read(
    plan: &Plan,
    run: &RunManifest,
    inputs: &Inputs,
    root: &Path,
) -> Result<bool, RunError> {
    let mut read: BTreeMap<&str, &SourceManifest> = run
        .sources
        .iter()
        .map(|source| (source.name.as_str(), source))
        .collect();
    for source in &plan.sources {
        let Some(then) = read.remove(source.name.as_str()) else {
            return Ok(false);
        };
        let store = open_store(plan, &source.store, root)?;
        let now =
            RawTableProvider::list(&source.name, &source.table, &store, &inputs.selection).await?;
        let is_same = |(then, now): (&ObjectManifest, ObjectInfo)| {
            let now = manifest_of(now);
            // A checksum is worked out only by a run that reads.
            let is_tagged = now.e_tag.is_some() || now.version.is_some();
            is_tagged
                && *then
                    == ObjectManifest {
                        sha256: then.sha256.clone(),
                        ..now
                    }
        };
        if then.objects.len() != now.len() || !then.objects.iter().zip(now).all(is_same) {
            return Ok(false);
        }
    }
    Ok(read.is_empty())
}

pub(super) fn manifest_of(object: ObjectInfo) -> ObjectManifest {
    ObjectManifest {
        path: object.path,
        bytes: object.size,
        e_tag: object.e_tag,
        version: object.version,
        last_modified: object.last_modified.to_rfc3339(),
        sha256: object.sha256,
    }
}

fn info_of(object: ObjectManifest) -> ObjectInfo {
    ObjectInfo {
        path: object.path,
        size: object.bytes,
        e_tag: object.e_tag,
        version: object.version,
        last_modified: object.last_modified.parse().unwrap_or_default(),
        sha256: object.sha256,
    }
}
