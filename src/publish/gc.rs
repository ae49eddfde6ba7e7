//! Removes what nothing refers to.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::{StreamExt, TryStreamExt};
use object_store::ObjectMeta;
use object_store::path::Path;

use super::error::PublishError;
use super::history::{
    AT_ONCE, are_there, commit_numbers, current_commit, delete_if_there, read_commit, run_manifest,
};
use super::layout::{Target, stem};
use super::marker::{self, is_older};

/// How long what is noted of a run that never committed, and the rows that broke its checks, are left for people to look at.
const BROKEN_ROWS_KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// How long snapshots that the current commit is not made of are left for a backfill that was killed to go on with. Those of a
/// backfill at work are younger.
const SNAPSHOTS_KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// What [`gc`] may remove.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GcOptions {
    /// How many of the last commits stay readable; 0 counts as 1, what is shown now always stays.
    /// With 1, a reader that opened the version before the last commit may lose its files: keep at
    /// least 2 where long queries run.
    pub retain: usize,
    /// The present time.
    pub now: DateTime<Utc>,
    /// How long files of a run that never committed, and whose marker doesn't beat, are left alone.
    /// Far longer than clocks can differ.
    pub grace: Duration,
    /// Only report.
    pub dry_run: bool,
}

impl GcOptions {
    /// Keeps `retain` commits, and unfinished runs for a day.
    pub fn new(retain: usize, now: DateTime<Utc>) -> Self {
        Self {
            retain,
            now,
            grace: Duration::from_secs(24 * 60 * 60),
            dry_run: false,
        }
    }
}

/// A run whose files were removed, or would be.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct RemovedRun {
    /// The run.
    pub run_id: String,
    /// Whether it was once published. Its manifest stays as history; that of a run that never was
    /// goes too.
    pub was_published: bool,
    /// Number of objects.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What [`gc`] did, or would do.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct GcReport {
    /// Runs whose files were removed, by id.
    pub removed: Vec<RemovedRun>,
    /// Runs whose files stay, by id.
    pub kept: Vec<String>,
    /// Snapshots that were removed, or would be.
    pub snapshots: u64,
    /// Their bytes.
    pub snapshot_bytes: u64,
}

/// Everything found of one run.
#[derive(Debug, Default)]
struct Found {
    tables: BTreeSet<String>,
    objects: Vec<ObjectMeta>,
    control: Vec<ObjectMeta>,
}

/// Removes the data files of runs that none of the last `retain` commits shows, and all files of
/// runs that never committed and show no sign of life. Rows that broke a check go with a run that is no longer retained, and
/// after thirty days with one that never committed. Snapshots that the current commit is not made of go after seven days. The
/// history of commits and the manifests of runs that were once published stay.
///
/// What lies behind a link in a local target is somebody else's: it is neither looked at nor removed.
///
/// Safe beside running publications and readers of retained versions. An interrupted clean-up is
/// taken up by the next. On S3 parts of uploads that were never completed are not seen here: let a
/// rule of the bucket abort them.
///
/// # Errors
/// [`PublishError::Store`], and those of reading commits.
pub async fn gc(target: &Target, options: &GcOptions) -> Result<GcReport, PublishError> {
    // Files first, commits second: a run that commits in between is then seen as published.
    let found = find_runs(target).await?;
    let (retained, published) = commits_of(target, options.retain).await?;
    // Without its commits everything would look as if nobody had ever seen it.
    if published.is_empty() && are_there(target, [target.stable_record()]).await? {
        return Err(PublishError::NothingPublished {
            url: target.url.to_string(),
        });
    }
    let broken = list_all(target, &target.broken()).await?;
    let outdated = outdated_snapshots(target, options).await?;
    let mut report = GcReport::default();
    for (run_id, found) in found {
        let was_published = published.contains(&run_id);
        let may_go = if was_published {
            !retained.contains(&run_id)
        } else {
            let mut all = found.objects.iter().chain(&found.control);
            all.all(|object| is_older(object.last_modified, options.now, options.grace))
                && !found.is_young_locally(target, &run_id, options)
        };
        if !may_go {
            report.kept.push(run_id);
            continue;
        }
        let control = if was_published {
            &[][..]
        } else {
            &found.control
        };
        let removed = found.objects.iter().chain(control);
        let (files, bytes) = removed.fold((0, 0), |(files, bytes), o| (files + 1, bytes + o.size));
        if found.tables.is_empty() && files == 0 {
            continue;
        }
        if !options.dry_run {
            found.remove(target, &run_id, control).await?;
        }
        report.removed.push(RemovedRun {
            run_id,
            was_published,
            files,
            bytes,
        });
    }
    for object in outdated {
        report.snapshots += 1;
        report.snapshot_bytes += object.size;
        if !options.dry_run {
            delete_if_there(target, &object.location).await?;
        }
    }
    if !options.dry_run {
        remove_unfinished_snapshots(target, options);
        for object in broken {
            let run_id = object.location.parts().nth_back(1);
            let run_id = run_id
                .map(|part| part.as_ref().to_owned())
                .unwrap_or_default();
            let is_kept = if published.contains(&run_id) {
                retained.contains(&run_id)
            } else {
                !is_older(object.last_modified, options.now, BROKEN_ROWS_KEPT)
            };
            if !is_kept {
                delete_if_there(target, &object.location).await?;
            }
        }
    }
    Ok(report)
}

impl Found {
    async fn remove(
        &self,
        target: &Target,
        run_id: &str,
        control: &[ObjectMeta],
    ) -> Result<(), PublishError> {
        for object in self.objects.iter().chain(control) {
            delete_if_there(target, &object.location).await?;
        }
        for table in &self.tables {
            remove_local_folder(target, table, run_id).await?;
        }
        Ok(())
    }

    /// Whether a local folder of the run changed lately: a local store doesn't list files that are
    /// being written.
    fn is_young_locally(&self, target: &Target, run_id: &str, options: &GcOptions) -> bool {
        let folders = self
            .tables
            .iter()
            .filter_map(|table| local_run_folder(target, table, run_id));
        let entries = folders.flat_map(|folder| {
            let inside = std::fs::read_dir(&folder)
                .into_iter()
                .flatten()
                .flatten()
                .map(|entry| entry.path());
            inside.chain([folder]).collect::<Vec<_>>()
        });
        let mut changed = entries.filter_map(|path| path.metadata().ok()?.modified().ok());
        changed.any(|time| !is_older(time.into(), options.now, options.grace))
    }
}

/// The runs shown by the last `retain` commits, and all runs that ever committed.
async fn commits_of(
    target: &Target,
    retain: usize,
) -> Result<(BTreeSet<String>, BTreeSet<String>), PublishError> {
    let mut retained = BTreeSet::new();
    let mut published = BTreeSet::new();
    let numbers = commit_numbers(target).await?;
    let mut commits = futures::stream::iter(numbers.into_iter().rev())
        .map(|number| read_commit(target, number))
        .buffered(AT_ONCE)
        .enumerate();
    while let Some((age, commit)) = commits.next().await {
        let Some(commit) = commit? else { continue };
        let shown = commit.tables.into_values().map(|table| table.run);
        let runs: BTreeSet<String> = shown.chain([commit.run_id]).collect();
        if age < retain.max(1) {
            retained.extend(runs.iter().cloned());
        }
        published.extend(runs);
    }
    Ok((retained, published))
}

async fn find_runs(target: &Target) -> Result<BTreeMap<String, Found>, PublishError> {
    let mut runs: BTreeMap<String, Found> = BTreeMap::new();
    let top = target.store.list_with_delimiter(Some(&target.prefix)).await;
    for folder in top
        .map_err(target.failed("list", &target.prefix))?
        .common_prefixes
    {
        let table = folder.filename().filter(|&name| name != "_cvm");
        let Some(table) = table.filter(|_| !target.is_linked(&folder)) else {
            continue;
        };
        let inside = target.store.list_with_delimiter(Some(&folder)).await;
        for run_folder in inside
            .map_err(target.failed("list", &folder))?
            .common_prefixes
        {
            let Some(run_id) = run_folder
                .filename()
                .and_then(|name| name.strip_prefix("run="))
            else {
                continue;
            };
            if target.is_linked(&run_folder) {
                continue;
            }
            let objects = list_all(target, &run_folder).await?;
            let found = runs.entry(run_id.to_owned()).or_default();
            found.tables.insert(table.to_owned());
            found.objects.extend(objects);
        }
    }
    let manifests = list_all(target, &target.runs()).await?;
    for object in manifests.into_iter().chain(marker::list(target).await?) {
        if let Some(run_id) = stem(&object.location).map(str::to_owned) {
            runs.entry(run_id).or_default().control.push(object);
        }
    }
    Ok(runs)
}

/// The snapshots that are old and of which nothing is made that readers see.
async fn outdated_snapshots(
    target: &Target,
    options: &GcOptions,
) -> Result<Vec<ObjectMeta>, PublishError> {
    // Files first, as with those of runs.
    let mut outdated = list_all(target, &target.snapshots()).await?;
    outdated.retain(|object| is_older(object.last_modified, options.now, SNAPSHOTS_KEPT));
    // A target without any is cleaned up whatever has become of its last manifest.
    if outdated.is_empty() {
        return Ok(outdated);
    }
    let mut used = BTreeSet::new();
    if let Some(commit) = current_commit(target).await?
        && let Some(run) = run_manifest(target, &commit.run_id).await?
    {
        used.extend(run.snapshots);
    }
    outdated.retain(|object| !used.contains(&target.relative(&object.location)));
    Ok(outdated)
}

/// Removes what a killed backfill left half written on this machine, which a local store does not list. What cannot be removed
/// is left for the next clean-up.
fn remove_unfinished_snapshots(target: &Target, options: &GcOptions) {
    let folder = target.snapshots();
    let Some(mut place) = target.local_folder().filter(|_| !target.is_linked(&folder)) else {
        return;
    };
    place.extend(target.relative(&folder).split('/'));
    let entries = |folder: PathBuf| std::fs::read_dir(folder).into_iter().flatten().flatten();
    for table in entries(place).filter(|table| !table.path().is_symlink()) {
        for file in entries(table.path()) {
            // The store writes into `<file>#<number>` and renames it.
            let is_unfinished = file.file_name().to_string_lossy().contains(".parquet#");
            let changed = file.metadata().and_then(|known| known.modified());
            let is_old =
                changed.is_ok_and(|time| is_older(time.into(), options.now, SNAPSHOTS_KEPT));
            if is_unfinished && is_old {
                drop(std::fs::remove_file(file.path()));
            }
        }
    }
}

async fn list_all(target: &Target, folder: &Path) -> Result<Vec<ObjectMeta>, PublishError> {
    let listed = target.store.list(Some(folder)).try_collect().await;
    let mut listed: Vec<ObjectMeta> = listed.map_err(target.failed("list", folder))?;
    listed.retain(|object| !target.is_linked(&object.location));
    Ok(listed)
}

fn local_run_folder(target: &Target, table: &str, run_id: &str) -> Option<std::path::PathBuf> {
    Some(
        target
            .local_folder()?
            .join(table)
            .join(format!("run={run_id}")),
    )
}

/// Removes a run's folder on this machine with everything in it: a local store neither lists nor
/// deletes the unfinished files of a killed run, nor empty folders.
pub(super) async fn remove_local_folder(
    target: &Target,
    table: &str,
    run_id: &str,
) -> Result<(), PublishError> {
    let Some(path) = local_run_folder(target, table, run_id) else {
        return Ok(());
    };
    let folder = path.clone();
    let removed = tokio::task::spawn_blocking(move || std::fs::remove_dir_all(folder)).await;
    match removed.unwrap_or_else(|join| Err(std::io::Error::other(join))) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(PublishError::LocalCleanup { path, source })
        }
        _ => Ok(()),
    }
}
