//! The commits of a target and the manifests of its runs.

use futures::stream::{self, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{Error as StoreError, ObjectStoreExt, PutMode, PutOptions, PutPayload};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::PublishError;
use super::layout::{Target, stem};
use super::manifest::{Commit, FORMAT, RunManifest};

/// Small objects read or looked for at the same time: an hourly pipeline has thousands of commits after a year.
pub(super) const AT_ONCE: usize = 16;
/// A file of a higher number is no commit: one a second would take thousands of years, and one must be able to follow it.
const MOST_COMMITS: u64 = 999_999_999_999;

/// The commit that readers see now; `None` where nothing was published yet.
///
/// # Errors
/// [`PublishError::Store`], [`PublishError::Corrupt`], [`PublishError::NewerFormat`].
pub async fn current_commit(target: &Target) -> Result<Option<Commit>, PublishError> {
    match commit_numbers(target).await?.last() {
        Some(&number) => read_commit(target, number).await,
        None => Ok(None),
    }
}

/// The last `limit` commits, newest first.
///
/// # Errors
/// As [`current_commit`].
pub async fn commits(target: &Target, limit: usize) -> Result<Vec<Commit>, PublishError> {
    let numbers = commit_numbers(target).await?;
    let found: Vec<Option<Commit>> = stream::iter(numbers.into_iter().rev().take(limit))
        .map(|number| read_commit(target, number))
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    Ok(found.into_iter().flatten().collect())
}

/// Whether all of `paths` are there.
///
/// # Errors
/// [`PublishError::Store`] where the store does not say.
pub async fn are_there(
    target: &Target,
    paths: impl IntoIterator<Item = Path>,
) -> Result<bool, PublishError> {
    are_whole(target, paths.into_iter().map(|path| (path, None))).await
}

/// Whether all of these objects are there, each with so many bytes where that is told.
///
/// # Errors
/// As [`are_there`].
pub async fn are_whole(
    target: &Target,
    objects: impl IntoIterator<Item = (Path, Option<u64>)>,
) -> Result<bool, PublishError> {
    let looks = objects.into_iter().map(|(path, bytes)| async move {
        match target.store.head(&path).await {
            Ok(found) => Ok(bytes.is_none_or(|bytes| bytes == found.size)),
            Err(StoreError::NotFound { .. }) => Ok(false),
            Err(source) => Err(target.failed("look at", &path)(source)),
        }
    });
    let looks: Vec<_> = looks.collect();
    let missing = stream::iter(looks)
        .buffer_unordered(AT_ONCE)
        .try_filter(|is_there| std::future::ready(!is_there));
    Ok(std::pin::pin!(missing).try_next().await?.is_none())
}

/// What a run made; `None` for a run that never came as far as its commit.
///
/// # Errors
/// As [`current_commit`].
pub async fn run_manifest(
    target: &Target,
    run_id: &str,
) -> Result<Option<RunManifest>, PublishError> {
    read_json(target, &target.run_manifest(run_id)).await
}

/// All commit numbers, ascending.
pub(super) async fn commit_numbers(target: &Target) -> Result<Vec<u64>, PublishError> {
    let folder = target.commits();
    let listed = target
        .store
        .list(Some(&folder))
        .try_filter_map(|object| async move { Ok(stem(&object.location).and_then(number_of)) });
    let mut numbers: Vec<u64> = listed
        .try_collect()
        .await
        .map_err(target.failed("list", &folder))?;
    numbers.sort_unstable();
    Ok(numbers)
}

/// The number of a commit by its file's name; none for a name that cvm gives to no commit.
fn number_of(stem: &str) -> Option<u64> {
    let number = stem
        .parse::<u64>()
        .ok()
        .filter(|number| *number <= MOST_COMMITS)?;
    (number > 0 && format!("{number:08}") == stem).then_some(number)
}

/// The commit of a number, if there is one.
///
/// # Errors
/// Those of [`read_json`]; [`PublishError::Corrupt`] where it says that it has another number, because the next run would be
/// numbered after what it says.
pub(super) async fn read_commit(
    target: &Target,
    number: u64,
) -> Result<Option<Commit>, PublishError> {
    let path = target.commit(number);
    match read_json::<Commit>(target, &path).await? {
        Some(commit) if commit.number != number => Err(PublishError::Corrupt {
            source: serde::de::Error::custom(format!(
                "it says that it is commit {}",
                commit.number
            )),
            path,
        }),
        commit => Ok(commit),
    }
}

/// Reads a JSON file of ours; `None` if it isn't there.
///
/// The format is looked at first: a newer one need not have the fields that this cvm knows.
pub(super) async fn read_json<T: DeserializeOwned>(
    target: &Target,
    path: &Path,
) -> Result<Option<T>, PublishError> {
    #[derive(serde::Deserialize)]
    struct Format {
        format: u32,
    }
    let bytes = match target.store.get(path).await {
        Ok(found) => found.bytes().await.map_err(target.failed("read", path))?,
        Err(StoreError::NotFound { .. }) => return Ok(None),
        Err(source) => return Err(target.failed("read", path)(source)),
    };
    let corrupt = |source| PublishError::Corrupt {
        path: path.clone(),
        source,
    };
    let Format { format } = serde_json::from_slice(&bytes).map_err(corrupt)?;
    if format > FORMAT {
        return Err(PublishError::NewerFormat {
            path: path.clone(),
            found: format,
            supported: FORMAT,
        });
    }
    serde_json::from_slice(&bytes).map(Some).map_err(corrupt)
}

/// Writes a JSON file of ours; readable by people, with a line break at the end.
pub(super) async fn put_json<T: Serialize + Sync>(
    target: &Target,
    path: &Path,
    value: &T,
    mode: PutMode,
) -> Result<(), PublishError> {
    let corrupt = |source| PublishError::Corrupt {
        path: path.clone(),
        source,
    };
    let mut bytes = serde_json::to_vec_pretty(value).map_err(corrupt)?;
    bytes.push(b'\n');
    let options = PutOptions {
        mode,
        ..PutOptions::default()
    };
    let put = target
        .store
        .put_opts(path, PutPayload::from(bytes), options)
        .await;
    put.map(drop).map_err(target.failed("write", path))
}

/// Deletes an object that may be gone already.
pub(super) async fn delete_if_there(target: &Target, path: &Path) -> Result<(), PublishError> {
    match target.store.delete(path).await {
        Ok(()) | Err(StoreError::NotFound { .. }) => Ok(()),
        Err(source) => Err(target.failed("delete", path)(source)),
    }
}
