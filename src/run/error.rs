//! Why a run failed, and which class of failure that is.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use object_store::Error as ObjectError;

use super::broken_checks::{BrokenCheck, told};
use super::published::QueryError;
use crate::failure::FailureKind;
use crate::publish::PublishError;
use crate::source::SourceError;
use crate::stage::StageError;
use crate::store::{StoreError, classify};

/// What object_store calls the disk of this machine.
const LOCAL: &str = "LocalFileSystem";

/// A run that failed. Nothing was published unless the publication's own error says so.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A store could not be opened.
    #[error("the store `{name}` cannot be used")]
    Store {
        /// The store's name in the pipeline.
        name: String,
        /// Why.
        source: StoreError,
    },
    /// A raw table could not be read.
    #[error("a raw table cannot be read")]
    Source(#[from] SourceError),
    /// A stage failed.
    #[error(transparent)]
    Stage(#[from] StageError),
    /// Publication failed.
    #[error("publishing did not come to its end")]
    Publish(#[from] PublishError),
    /// The engine failed outside any stage.
    #[error("the engine failed at `{table}`")]
    Engine {
        /// The table at which it failed.
        table: String,
        /// Why.
        source: DataFusionError,
    },
    /// Threads or folders that the run needs are not to be had.
    #[error("the machine does not give {what}")]
    Machine {
        /// What.
        what: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// Tables between stages and spilled rows found no room.
    #[error(
        "the run needs more room in its work folder `{}`: free some, or name another with --work-folder",
        folder.display()
    )]
    WorkFolderFull {
        /// The folder that was asked for, or the system's.
        folder: PathBuf,
        /// What failed for it.
        source: Box<RunError>,
    },
    /// Predictions that break a bound under `validation:`.
    #[error(
        "the predictions of `{score}` by {model} break the bounds under `validation:` — {broken}; nothing was published. \
         `cvm backtest` shows how its models do; list other models, or change the bound"
    )]
    Bounds {
        /// The score.
        score: String,
        /// The model that was chosen.
        model: String,
        /// What was found beside each bound that is broken.
        broken: String,
    },
    /// Checks that rows break.
    #[error("{}", told(broken))]
    Checks {
        /// Each of them.
        broken: Vec<BrokenCheck>,
    },
    /// Rows that are not what the contract of their table promises.
    #[error(
        "{first}. In all, {rows} rows of `{table}` are not what its contract promises: {rows_at}"
    )]
    Contract {
        /// What is wrong with the row that was met first.
        first: String,
        /// The table.
        table: String,
        /// How many rows.
        rows: u64,
        /// Where the first of them can be looked at.
        rows_at: String,
    },
    /// More rows of a raw table were set aside than may be.
    #[error("{told}. Rows that were set aside: {rows_at}")]
    SetAside {
        /// Which table, how many, and the first three.
        told: String,
        /// Where they can be looked at.
        rows_at: String,
    },
    /// Bounds that nothing could be held against.
    #[error(
        "no model of `{score}` could be held against the bounds under `validation:` — {reasons}; nothing was published"
    )]
    NotValidated {
        /// The score.
        score: String,
        /// Why not.
        reasons: String,
    },
    /// A backtest of a pipeline that holds nothing out.
    #[error(
        "the pipeline declares no `validation:`, so there is nothing to backtest; add `validation: {{ holdout_days: 90 }}`"
    )]
    NoValidation,
    /// A backfill whose first day comes after its last.
    #[error("there is no as-of day from {from} to {to}: `--from` is the first, `--to` the last")]
    NoAsOfDays {
        /// The first day that was asked for.
        from: chrono::NaiveDate,
        /// The last.
        to: chrono::NaiveDate,
    },
    /// A table of which no history can be made.
    #[error("no history can be made of `{table}`: {reason}")]
    NoHistory {
        /// The table.
        table: String,
        /// Why not, and what to do.
        reason: String,
    },
    /// A backfill that does not ask for all that readers of the history see.
    #[error(
        "the history would lose {lost}, which readers see at {url}; nothing was done. {remedy}"
    )]
    HistoryLost {
        /// The tables and as-of days.
        lost: String,
        /// Where they are.
        url: String,
        /// What to do.
        remedy: String,
    },
    /// Snapshots that were there when a backfill began.
    #[error(
        "snapshots of `{table}` hold {found} rows where {expected} were kept: they went or changed while the history was \
         written; nothing was published. Run the backfill again, with `--no-cache` if that does not help"
    )]
    SnapshotsChanged {
        /// The table of the history.
        table: String,
        /// The rows that were kept.
        expected: u64,
        /// The rows that were found.
        found: u64,
    },
    /// Snapshots whose footers could be read, and whose rows cannot.
    #[error(
        "snapshots of `{table}` cannot be read; nothing was published. Run the backfill again, with `--no-cache` if that does \
         not help"
    )]
    SnapshotsUnread {
        /// The table of the history.
        table: String,
        /// Why not.
        source: PublishError,
    },
    /// A past run that is asked for and not known well enough.
    #[error(
        "the run {run_id} is not known at {url}: {reason}; `cvm runs` lists those that published"
    )]
    NoSuchRun {
        /// The run.
        run_id: String,
        /// Where it was looked for.
        url: String,
        /// Why not.
        reason: &'static str,
    },
    /// A run to be replayed that was made with another plan.
    #[error(
        "the run {run_id} was made by cvm {version} with another plan: the pipeline, its SQL or cvm has changed since. \
         Go back to those, or run as of its day with what there is now"
    )]
    OtherPlan {
        /// The run.
        run_id: String,
        /// The version of cvm that made it.
        version: String,
    },
    /// The process was asked to stop.
    #[error("the run was asked to stop; nothing was published")]
    Terminated,
}

impl RunError {
    /// The class of this failure.
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::Store { source, .. } => source.kind(),
            Self::Source(source) => source.kind(),
            Self::Publish(source) => inner_kind(source).unwrap_or_else(|| source.kind()),
            Self::Stage(StageError::Engine { source, .. }) | Self::Engine { source, .. } => {
                engine_kind(source)
            }
            Self::Stage(StageError::Broken(_))
            | Self::Bounds { .. }
            | Self::NotValidated { .. }
            | Self::Checks { .. }
            | Self::Contract { .. }
            | Self::SetAside { .. } => FailureKind::DataQuality,
            Self::Stage(_) | Self::Machine { .. } => FailureKind::Internal,
            Self::NoValidation
            | Self::NoAsOfDays { .. }
            | Self::NoHistory { .. }
            | Self::HistoryLost { .. }
            | Self::NoSuchRun { .. }
            | Self::OtherPlan { .. } => FailureKind::Configuration,
            // What gc removed, or another wrote, meanwhile is made anew by the next.
            Self::SnapshotsChanged { .. } | Self::SnapshotsUnread { .. } => {
                FailureKind::TransientStore
            }
            Self::WorkFolderFull { source, .. } => source.kind(),
            Self::Terminated => FailureKind::Terminated,
        }
    }

    /// The failure with the name of the work folder, where it is that which has no room left: what met the full disk knows a
    /// file at most. `folder` is none where the system's is used.
    pub(super) fn with_work_folder(self, folder: Option<&Path>) -> Self {
        if !is_out_of_room(&self) {
            return self;
        }
        Self::WorkFolderFull {
            folder: folder.map_or_else(std::env::temp_dir, Path::to_path_buf),
            source: Box::new(self),
        }
    }
}

/// Whether a disk was full, and not that of a store.
fn is_out_of_room(error: &RunError) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(inner) = cause {
        if inner.is::<ObjectError>() {
            return false;
        }
        let kind = inner
            .downcast_ref::<std::io::Error>()
            .map(std::io::Error::kind);
        if matches!(
            kind,
            Some(ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
        ) {
            return true;
        }
        cause = inner.source();
    }
    false
}

impl QueryError {
    /// The class of this failure: what is neither the store's nor the machine's is the query's.
    pub fn kind(&self) -> FailureKind {
        let error = match self {
            Self::Published(error) => return error.kind(),
            Self::Engine(error) => error,
        };
        if let Some(kind) = remote_kind(error) {
            return kind;
        }
        match error.find_root() {
            DataFusionError::ResourcesExhausted(_) | DataFusionError::IoError(_) => {
                FailureKind::Internal
            }
            _ => FailureKind::Configuration,
        }
    }
}

/// What lies at the bottom of an engine's error: a raw table, the data, or the engine itself.
fn engine_kind(error: &DataFusionError) -> FailureKind {
    if let Some(source) = SourceError::inside(error) {
        return source.kind();
    }
    if let Some(kind) = remote_kind(error) {
        return kind;
    }
    match error.find_root() {
        // What spills meets the disk, not the data.
        DataFusionError::ArrowError(arrow, _) if matches!(**arrow, ArrowError::IoError(..)) => {
            FailureKind::Internal
        }
        // A value that overflows or cannot be cast comes from the data.
        DataFusionError::ArrowError(..) | DataFusionError::Execution(_) => FailureKind::DataQuality,
        _ => FailureKind::Internal,
    }
}

/// The class of what went wrong with a store that is not this machine's, as where published tables are read back.
fn remote_kind(error: &DataFusionError) -> Option<FailureKind> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(inner) = cause {
        let boxed = inner.downcast_ref::<Box<ObjectError>>();
        let object = inner
            .downcast_ref::<ObjectError>()
            .or_else(|| boxed.map(AsRef::as_ref));
        match object {
            Some(ObjectError::Generic { store, .. }) if *store == LOCAL => return None,
            Some(
                object @ (ObjectError::Generic { .. }
                | ObjectError::PermissionDenied { .. }
                | ObjectError::Unauthenticated { .. }),
            ) => return Some(classify(object)),
            _ => cause = inner.source(),
        }
    }
    None
}

/// The class of an engine error or store error somewhere below `error`.
fn inner_kind(error: &PublishError) -> Option<FailureKind> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = std::error::Error::source(error);
    while let Some(inner) = cause {
        if let Some(engine) = inner.downcast_ref::<DataFusionError>() {
            return Some(engine_kind(engine));
        }
        if inner.is::<ObjectError>() {
            return None;
        }
        cause = inner.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use parquet::errors::ParquetError;

    use super::*;

    #[test]
    fn a_full_disk_is_no_fault_of_the_data() {
        let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
        let kinds = [ArrowError::from(full), ArrowError::DivideByZero]
            .map(|error| engine_kind(&DataFusionError::from(error)));
        assert_eq!(kinds, [FailureKind::Internal, FailureKind::DataQuality]);
    }

    #[test]
    fn what_a_store_refuses_is_told_from_what_it_fails_at() {
        let failed = |store| ObjectError::Generic {
            store,
            source: "Server returned non-2xx status code: 503 Service Unavailable".into(),
        };
        let refused = ObjectError::PermissionDenied {
            path: "customers.parquet".to_owned(),
            source: "403".into(),
        };
        let kind = |error: ObjectError| engine_kind(&DataFusionError::ObjectStore(Box::new(error)));
        assert_eq!(kind(failed("S3")), FailureKind::TransientStore);
        assert_eq!(kind(refused), FailureKind::Configuration);
        assert_eq!(kind(failed(LOCAL)), FailureKind::Internal);
        let within = ParquetError::External(Box::new(failed("S3")));
        let within = DataFusionError::ParquetError(Box::new(within));
        assert_eq!(engine_kind(&within), FailureKind::TransientStore);
        // A query has nothing to do with raw data: what is wrong otherwise is wrong with it.
        let kind = |error| QueryError::Engine(error).kind();
        assert_eq!(kind(within), FailureKind::TransientStore);
        let full = DataFusionError::ResourcesExhausted("no room".to_owned());
        assert_eq!(kind(full), FailureKind::Internal);
        let wrong = DataFusionError::Plan("no such column".to_owned());
        assert_eq!(kind(wrong), FailureKind::Configuration);
    }

    #[test]
    fn a_full_work_folder_is_named_and_a_full_target_is_not() {
        let full = || std::io::Error::from(ErrorKind::StorageFull);
        let folder = Some(Path::new("/work"));
        // As the engine wraps what its spilling meets.
        let spill = std::io::Error::other(DataFusionError::IoError(full()));
        let spill = RunError::Engine {
            table: "orders".to_owned(),
            source: ArrowError::from(spill).into(),
        };
        let spill = spill.with_work_folder(folder);
        assert_eq!(
            spill.to_string(),
            "the run needs more room in its work folder `/work`: free some, or name another with --work-folder"
        );
        assert_eq!(spill.kind(), FailureKind::Internal);
        let target = RunError::Publish(PublishError::Store {
            action: "write",
            place: "file:///marts/orders".to_owned(),
            source: ObjectError::Generic {
                store: "LocalFileSystem",
                source: full().into(),
            },
        });
        assert_eq!(
            target.with_work_folder(folder).to_string(),
            "publishing did not come to its end"
        );
    }
}
