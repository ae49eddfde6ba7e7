//! Why a publication failed.

use object_store::Error as StoreError;
use object_store::path::Path;

use super::column::Unpublishable;
use crate::failure::FailureKind;
use crate::store::{classify, hint};

/// The error of whatever produces the rows; [`PublishError::Input`] hands it back unchanged.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a publication, a read of what is published, or a clean-up failed.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// Another run committed first, or is at work and older. Nothing of this run is visible.
    #[error("run {run_id} gives way: {rival}")]
    Concurrent {
        /// The run that gives way.
        run_id: String,
        /// The other run, and what is known of it.
        rival: super::marker::Rival,
    },
    /// The store refused or failed `action`.
    #[error("cannot {action} {place}{}", hint(source))]
    Store {
        /// What was tried: "write", "read", "list", "copy", "delete".
        action: &'static str,
        /// The address of the object or folder.
        place: String,
        /// The store's answer.
        source: StoreError,
    },
    /// The store neither confirmed nor refused the commit, and reading it back did not settle it.
    /// Readers see the old tables or the new, whole; the next run settles it.
    #[error(
        "the store did not say whether commit {number} was made; readers see the old tables or the new ones, whole"
    )]
    CommitUnknown {
        /// The commit's number.
        number: u64,
        /// What the store answered.
        source: StoreError,
    },
    /// The process was to stop while the commit was being made or stable paths were being replaced.
    #[error(
        "the run was asked to stop while it made commit {number}; readers see the old tables or the new ones, whole, and the \
         next run settles it"
    )]
    CutShort {
        /// The commit's number.
        number: u64,
    },
    /// The commit stands, but some stable paths still show the run before.
    #[error(
        "commit {number} is published, but not every stable path shows it yet; the next run rolls them forward"
    )]
    StablePathsBehind {
        /// The commit's number.
        number: u64,
        /// Why refreshing stopped.
        #[source]
        source: Box<PublishError>,
    },
    /// Two rows of a table have the same key.
    #[error("table {table}: the key ({key}) is not unique: {example} occurs more than once")]
    KeyNotUnique {
        /// The table.
        table: String,
        /// The key's columns.
        key: String,
        /// A key that occurs twice.
        example: String,
    },
    /// Rows came in another order than that of the key: a defect of the producer.
    #[error("table {table}: rows are not sorted by ({key}): {next} came after {previous}")]
    KeyOutOfOrder {
        /// The table.
        table: String,
        /// The key's columns.
        key: String,
        /// The key before.
        previous: String,
        /// The smaller key that came after it.
        next: String,
    },
    /// A key or required column has a null.
    #[error("table {table}: column {column} is required but null, first at {example}")]
    RequiredNull {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// The key of the first such row (or its number, where the key itself is null).
        example: String,
    },
    /// A column holds a value that its contract does not accept.
    #[error(
        "table {table}: column {column} is to be {limits} by its contract, but is {value}, first at {example}: mend the \
         SQL or what it reads, or widen the contract"
    )]
    NotAccepted {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// The value.
        value: String,
        /// The values that its contract accepts.
        limits: String,
        /// The key of the first such row.
        example: String,
    },
    /// A column's type can't be read by every BI tool.
    #[error("table {table}: {source}")]
    Unpublishable {
        /// The table.
        table: String,
        /// The column, its type and the remedy.
        source: Unpublishable,
    },
    /// The rows have other columns than the table declares.
    #[error("table {table}: expected {expected}, got {found}")]
    SchemaMismatch {
        /// The table.
        table: String,
        /// What was declared.
        expected: String,
        /// What came.
        found: String,
    },
    /// A table or run can't be published under this name, or it was given twice.
    #[error("{what} `{name}`: {reason}")]
    InvalidName {
        /// "table", "run" or "key column".
        what: &'static str,
        /// The name.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Two pipelines would publish over each other.
    #[error(
        "{url} is published by pipeline `{owner}`, not by `{pipeline}`; give each pipeline its own outputs.path"
    )]
    OtherPipeline {
        /// The target.
        url: String,
        /// Whose it is.
        owner: String,
        /// Who wanted to publish there.
        pipeline: String,
    },
    /// The producer of the rows failed.
    #[error("table {table}: its rows could not be read to the end")]
    Input {
        /// The table.
        table: String,
        /// The producer's error, to be downcast by whoever knows it.
        source: BoxError,
    },
    /// The rows could not be encoded.
    #[error("table {table}: cannot encode its rows as Parquet")]
    Encode {
        /// The table.
        table: String,
        /// Arrow's or Parquet's error.
        source: BoxError,
    },
    /// A file read back differs from what was written.
    #[error("{path}: {what} read back is {found}, but {expected} was written")]
    ReadBack {
        /// The file, within the store.
        path: Path,
        /// "size", "number of rows", "schema".
        what: &'static str,
        /// What was written.
        expected: String,
        /// What the store holds.
        found: String,
    },
    /// A Parquet footer could not be read back.
    #[error("{path}: its Parquet footer cannot be read back")]
    Footer {
        /// The file, within the store.
        path: Path,
        /// Parquet's error.
        source: parquet::errors::ParquetError,
    },
    /// A file under `_cvm` is not what cvm writes.
    #[error("{path} is not a file of cvm")]
    Corrupt {
        /// The file, within the store.
        path: Path,
        /// What does not fit.
        source: serde_json::Error,
    },
    /// A file under `_cvm` was written by a later cvm.
    #[error(
        "{path} has format {found}; this cvm reads format {supported} and older: use a newer cvm"
    )]
    NewerFormat {
        /// The file, within the store.
        path: Path,
        /// Its format.
        found: u32,
        /// The newest that is understood.
        supported: u32,
    },
    /// A data file that a commit shows is gone or has another size.
    #[error(
        "{path} is not as it was published: it had {published} bytes and {}; run the pipeline again",
        told(*found)
    )]
    Altered {
        /// The file, within the store.
        path: Path,
        /// Its size when it was published.
        published: u64,
        /// Its size now; none where it is gone.
        found: Option<u64>,
    },
    /// Nothing was ever published here.
    #[error("nothing is published at {url} yet; run the pipeline first")]
    NothingPublished {
        /// The target.
        url: String,
    },
    /// The encoder's thread ended without an answer: a defect.
    #[error("table {table}: the encoder stopped without an answer")]
    EncoderLost {
        /// The table.
        table: String,
    },
    /// A folder of this machine could not be cleaned up.
    #[error("cannot clean up {}", path.display())]
    LocalCleanup {
        /// The folder.
        path: std::path::PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
}

impl PublishError {
    pub(super) fn encode(table: &str) -> impl Fn(BoxError) -> Self + '_ {
        move |source| Self::Encode {
            table: table.to_owned(),
            source,
        }
    }

    /// What a scheduler can do about it.
    ///
    /// [`PublishError::Input`] is classed as internal: its producer knows better, see its source.
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::Concurrent { .. } => FailureKind::ConcurrentRun,
            Self::Store { source, .. } => store_kind(source),
            Self::CommitUnknown { .. }
            | Self::CutShort { .. }
            | Self::StablePathsBehind { .. }
            | Self::ReadBack { .. }
            | Self::Footer { .. } => FailureKind::TransientStore,
            Self::KeyNotUnique { .. } | Self::RequiredNull { .. } | Self::NotAccepted { .. } => {
                FailureKind::DataQuality
            }
            Self::Unpublishable { .. }
            | Self::InvalidName { .. }
            | Self::OtherPipeline { .. }
            | Self::NewerFormat { .. }
            | Self::Altered { .. }
            | Self::NothingPublished { .. } => FailureKind::Configuration,
            Self::KeyOutOfOrder { .. }
            | Self::SchemaMismatch { .. }
            | Self::Input { .. }
            | Self::Encode { .. }
            | Self::Corrupt { .. }
            | Self::EncoderLost { .. }
            | Self::LocalCleanup { .. } => FailureKind::Internal,
        }
    }
}

fn told(found: Option<u64>) -> String {
    found.map_or_else(|| "is gone".to_owned(), |bytes| format!("has {bytes}"))
}

/// As everywhere, but that what a run has written itself may be found again.
fn store_kind(source: &StoreError) -> FailureKind {
    match source {
        StoreError::NotFound { .. } => FailureKind::TransientStore,
        other => classify(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind_of(source: StoreError) -> FailureKind {
        let (action, place) = ("write", "s3://lake/a/b".to_owned());
        let error = PublishError::Store {
            action,
            place,
            source,
        };
        error.kind()
    }

    #[test]
    fn a_refused_listing_and_a_full_disk_are_not_transient() {
        let refused = StoreError::Generic {
            store: "S3",
            source: "Error performing list request: Server returned non-2xx status code: 403 Forbidden: "
                .into(),
        };
        let full = StoreError::Generic {
            store: "LocalFileSystem",
            source: std::io::Error::from(std::io::ErrorKind::StorageFull).into(),
        };
        let gone = StoreError::NotFound {
            path: "a/b".to_owned(),
            source: "gone".into(),
        };
        let kinds = [refused, full, gone].map(kind_of);
        assert_eq!(
            kinds,
            [
                FailureKind::Configuration,
                FailureKind::Internal,
                FailureKind::TransientStore
            ]
        );
    }
}
