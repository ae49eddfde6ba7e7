//! What can go wrong in a stage.

use std::path::PathBuf;

use datafusion::error::DataFusionError;

use super::promises::BrokenPromise;
use crate::score::ScoreError;

/// A stage that failed.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// The engine failed while it made the table.
    #[error("the table `{stage}` could not be made")]
    Engine {
        /// The table.
        stage: String,
        /// Why.
        source: DataFusionError,
    },
    /// A row is not what the table's contract promises.
    #[error(transparent)]
    Broken(BrokenPromise),
    /// The scorer failed.
    #[error("the score `{stage}` could not be made")]
    Score {
        /// The table.
        stage: String,
        /// Why.
        source: ScoreError,
    },
    /// Rows could not be written down between stages.
    #[error("the rows of `{stage}` could not be written to `{path}`: is the disk full?")]
    Spool {
        /// The table.
        stage: String,
        /// Where to.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Rows could not be encoded between stages.
    #[error("the rows of `{stage}` could not be encoded")]
    Encode {
        /// The table.
        stage: String,
        /// Why.
        source: parquet::errors::ParquetError,
    },
    /// A task of the stage ended before its work.
    #[error("the work on `{stage}` was cut short")]
    CutShort {
        /// The table.
        stage: String,
        /// Why.
        source: tokio::task::JoinError,
    },
}

impl StageError {
    /// Names the stage in which the engine failed.
    pub(crate) fn engine(stage: &str) -> impl FnOnce(DataFusionError) -> Self + '_ {
        move |source| Self::Engine {
            stage: stage.to_owned(),
            source,
        }
    }
}
