//! Object stores by URL: local directories, S3, Google Cloud Storage, Azure and plain HTTP.
//!
//! [`open`] turns a declared URL into a [`Store`]; nothing is contacted until it is used. Every remote
//! store retries what is worth retrying (5xx, throttling, dropped connections, timeouts) with growing
//! pauses before an error comes back, so [`StoreError::kind`] calls an error transient only when
//! trying again at once has already failed.
//!
//! What is not done here: credentials are never invented, prompted for or printed. They come from the
//! options of the pipeline file (filled from the environment there) or from the environment variables
//! that the provider's own tools read (`AWS_*`, `GOOGLE_*`, `AZURE_*`).

mod credentials;
mod error;
mod open;
mod secrets;

use std::sync::Arc;

use object_store::ObjectStore;
use object_store::path::{Path, PathPart};

pub use error::StoreError;
pub(crate) use error::{classify, hint};
pub use open::open;
pub(crate) use secrets::{redacted, redacted_json, remember_header, remember_secret};

/// What stands behind a store's URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StoreKind {
    /// A local directory.
    File,
    /// Amazon S3 or anything that speaks its protocol.
    S3,
    /// Google Cloud Storage.
    Gcs,
    /// Azure Blob Storage or Data Lake Storage.
    Azure,
    /// A web server: objects can be read by name, not listed.
    Http,
    /// Memory of this process, for tests.
    Memory,
}

impl StoreKind {
    /// Whether the objects below a path can be listed. Plain web servers cannot: object_store would ask them by WebDAV.
    pub const fn can_list(self) -> bool {
        !matches!(self, Self::Http)
    }

    /// Whether parts of an object can be asked for. A web server may refuse to.
    pub const fn reads_ranges(self) -> bool {
        !matches!(self, Self::Http)
    }
}

/// An opened object store and the place in it that a declared URL names.
#[derive(Debug, Clone)]
pub struct Store {
    /// The store; paths are relative to its root, not to `prefix`.
    pub store: Arc<dyn ObjectStore>,
    /// The path that the URL names inside the store.
    pub prefix: Path,
    /// The URL as it may be printed: without user, password and query.
    pub url: String,
    /// What stands behind the URL.
    pub kind: StoreKind,
}

impl Store {
    /// A store over any implementation, as tests need it.
    pub fn new(store: Arc<dyn ObjectStore>, prefix: Path, url: String, kind: StoreKind) -> Self {
        Self {
            store,
            prefix,
            url,
            kind,
        }
    }

    /// The full path of `relative`, a `/`-separated path below the URL. Empty segments are dropped; what no store takes, control
    /// characters, `.` and `..`, is percent-encoded.
    pub fn join(&self, relative: &str) -> Path {
        let parts = self.prefix.parts().map(|part| part.as_ref().to_owned());
        let below = relative.split('/').filter(|part| !part.is_empty());
        // Anything else stands as it is written, as it does in the paths that stores list: `Path::from_iter` would encode
        // every `é` and `#`, and name another object.
        let below = below.map(|part| match PathPart::parse(part) {
            Ok(part) => part.as_ref().to_owned(),
            Err(_) => PathPart::from(part).as_ref().to_owned(),
        });
        let joined: Vec<String> = parts.chain(below).collect();
        Path::parse(joined.join("/")).unwrap_or_else(|_| Path::from(relative))
    }

    /// The part of `path` below the URL; none when it lies elsewhere.
    pub fn relative(&self, path: &Path) -> Option<String> {
        let parts: Vec<String> = path
            .prefix_match(&self.prefix)?
            .map(|part| part.as_ref().to_owned())
            .collect();
        Some(parts.join("/"))
    }

    /// The URL of `relative`, fit to be printed.
    pub fn url_of(&self, relative: &str) -> String {
        format!("{}/{relative}", self.url.trim_end_matches('/'))
    }

    /// Names an object_store error's store and path.
    pub fn error(&self, path: &str, source: object_store::Error) -> StoreError {
        StoreError::Access {
            url: self.url_of(path),
            source,
        }
    }
}
