//! Where everything lies below a target. The only file that spells these names.

use std::sync::Arc;

use object_store::ObjectStore;
use object_store::path::Path;
use url::Url;

use super::error::PublishError;

/// The only data file of a table.
///
/// One file, because the stable path of BI is one object made by a server-side copy of it; several
/// parts would have to be rewritten into one. Parallel readers split a Parquet file at its row
/// groups.
const DATA_FILE: &str = "part-00000.parquet";
/// What is noted of a run that its data stopped.
pub(super) const FAILED_RUN: &str = "run.json";

/// A place to publish to: a folder of an object store.
#[derive(Debug, Clone)]
pub struct Target {
    /// The store. It must list strongly consistently and honour create-if-absent, as S3, GCS, Azure
    /// and local files do. With S3 conditional puts must not be disabled.
    pub store: Arc<dyn ObjectStore>,
    /// The folder within `store`; may be empty.
    pub prefix: Path,
    /// The address of that folder, for messages. A `file:` address also lets [`gc`](super::gc)
    /// clean up the unfinished files of killed runs, which a local object store hides.
    pub url: Url,
}

impl Target {
    /// `<target>/_cvm/commits/`
    pub(super) fn commits(&self) -> Path {
        self.control("commits")
    }

    /// `<target>/_cvm/commits/00000042.json`
    pub(super) fn commit(&self, number: u64) -> Path {
        self.commits().join(format!("{number:08}.json"))
    }

    /// `<target>/_cvm/runs/`
    pub(super) fn runs(&self) -> Path {
        self.control("runs")
    }

    /// `<target>/_cvm/runs/<run id>.json`
    pub(super) fn run_manifest(&self, run_id: &str) -> Path {
        self.runs().join(format!("{run_id}.json"))
    }

    /// `<target>/_cvm/running/`
    pub(super) fn running(&self) -> Path {
        self.control("running")
    }

    /// `<target>/_cvm/running/<run id>.json`
    pub(super) fn marker(&self, run_id: &str) -> Path {
        self.running().join(format!("{run_id}.json"))
    }

    /// `<target>/_cvm/broken/`
    pub(super) fn broken(&self) -> Path {
        self.control("broken")
    }

    /// `<target>/_cvm/broken/<run id>/<check>.csv`: rows that break a check.
    pub(super) fn broken_rows(&self, run_id: &str, check: &str) -> Path {
        self.broken().join(run_id).join(format!("{check}.csv"))
    }

    /// `<target>/_cvm/broken/<run id>/run.json`: that its data stopped a run, and why.
    pub(super) fn failed_run(&self, run_id: &str) -> Path {
        self.broken().join(run_id).join(FAILED_RUN)
    }

    /// `<target>/_cvm/snapshots/`
    pub(super) fn snapshots(&self) -> Path {
        self.control("snapshots")
    }

    /// `_cvm/snapshots/<table>/<name>.parquet`, relative to the target.
    pub fn snapshot_file(&self, table: &str, name: &str) -> String {
        let folder = self.relative(&self.snapshots());
        format!("{folder}/{table}/{name}.parquet")
    }

    /// `<target>/_cvm/stable.json`
    pub(super) fn stable_record(&self) -> Path {
        self.control("stable.json")
    }

    /// `<target>/<table>/run=<run id>/`
    pub(super) fn run_folder(&self, table: &str, run_id: &str) -> Path {
        self.prefix
            .clone()
            .join(table)
            .join(format!("run={run_id}"))
    }

    /// `<target>/<table>/run=<run id>/part-00000.parquet`
    pub(super) fn data_file(&self, table: &str, run_id: &str) -> Path {
        self.run_folder(table, run_id).join(DATA_FILE)
    }

    /// `<target>/<table>.parquet`: where BI tools read `table`.
    pub fn stable_path(&self, table: &str) -> Path {
        self.prefix.clone().join(format!("{table}.parquet"))
    }

    /// `path` as it is written in a manifest: relative to the target, so that a target can be moved
    /// or copied.
    pub(super) fn relative(&self, path: &Path) -> String {
        path.prefix_match(&self.prefix).map_or_else(
            || path.to_string(),
            |parts| {
                parts
                    .map(|part| part.as_ref().to_owned())
                    .collect::<Vec<_>>()
                    .join("/")
            },
        )
    }

    /// The path within the store of a file as a manifest names it.
    pub fn absolute(&self, relative: &str) -> Path {
        relative
            .split('/')
            .fold(self.prefix.clone(), |path, part| path.join(part))
    }

    /// The folder on this machine, if the target is one.
    pub(super) fn local_folder(&self) -> Option<std::path::PathBuf> {
        (self.url.scheme() == "file")
            .then(|| self.url.to_file_path().ok())
            .flatten()
    }

    /// Whether `path` of a local target is a link, or lies behind one. A local store follows links, and what they lead to is
    /// nobody's here to delete.
    pub(super) fn is_linked(&self, path: &Path) -> bool {
        let Some(mut place) = self.local_folder() else {
            return false;
        };
        self.relative(path).split('/').any(|part| {
            place.push(part);
            place.is_symlink()
        })
    }

    /// The address of an object of the store.
    pub(super) fn address(&self, path: &Path) -> String {
        let folder = self.url.as_str().trim_end_matches('/');
        format!("{folder}/{}", self.relative(path))
    }

    /// What the store failed to do with an object or folder.
    pub(super) fn failed(
        &self,
        action: &'static str,
        path: &Path,
    ) -> impl FnOnce(object_store::Error) -> PublishError + use<> {
        let place = self.address(path);
        move |source| PublishError::Store {
            action,
            place,
            source,
        }
    }

    fn control(&self, name: &str) -> Path {
        self.prefix.clone().join("_cvm").join(name)
    }
}

/// The run id of `<run id>.json`.
pub(super) fn stem(path: &Path) -> Option<&str> {
    path.filename()?.strip_suffix(".json")
}

/// Whether `name` can be a table or run id: it becomes part of paths and of SQL.
pub(super) fn is_plain_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(['_', '-'])
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}
