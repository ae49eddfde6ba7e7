//! What a command can fail with.

use std::path::PathBuf;

use crate::demo::GenerateError;
use crate::failure::FailureKind;
use crate::publish::PublishError;
use crate::run::{QueryError, RunError};
use crate::spec::problem::Problem;
use crate::spec::project::ProjectError;
use crate::store::{StoreError, classify};

/// A command that failed.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The project's files have faults.
    #[error("{} in the project's files", count(.0.len()))]
    Problems(Vec<Problem>),
    /// The project could not be read.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// The run failed.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The published tables could not be cleaned up.
    #[error("the published tables cannot be cleaned up")]
    Published(#[from] PublishError),
    /// The process was asked to stop while it cleaned up.
    #[error("the clean-up was asked to stop; the next one takes it up")]
    Stopped,
    /// The published tables could not be queried.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// A store could not be opened.
    #[error("the store cannot be used")]
    Store(#[from] StoreError),
    /// The raw data could not be made.
    #[error("the raw data could not be made")]
    Generate(#[from] GenerateError),
    /// A file or stream could not be used.
    #[error("cannot {what}")]
    Io {
        /// What was tried.
        what: String,
        /// Why not.
        source: std::io::Error,
    },
    /// The command panicked.
    #[error("cvm has a defect: {message}; report it")]
    Defect {
        /// What the panic said.
        message: String,
    },
    /// `cvm init` would overwrite something.
    #[error("`{path}` is there already: name a folder that is empty or not there")]
    Occupied {
        /// The folder.
        path: PathBuf,
    },
    /// There is no schema of that name.
    #[error("there is no schema `{name}`: {help}")]
    UnknownSchema {
        /// What was asked for.
        name: String,
        /// What there is.
        help: String,
    },
}

fn count(problems: usize) -> String {
    if problems == 1 {
        "1 fault".to_owned()
    } else {
        format!("{problems} faults")
    }
}

impl CliError {
    /// The class of this failure, which decides the exit code.
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::Problems(_)
            | Self::Project(_)
            | Self::Occupied { .. }
            | Self::UnknownSchema { .. } => FailureKind::Configuration,
            Self::Run(error) => error.kind(),
            Self::Published(error) => error.kind(),
            Self::Query(error) => error.kind(),
            Self::Store(error) => error.kind(),
            Self::Generate(GenerateError::Customers(_) | GenerateError::AsOf(_)) => {
                FailureKind::Configuration
            }
            Self::Generate(GenerateError::Store { source, .. }) => classify(source),
            Self::Generate(_) | Self::Io { .. } | Self::Defect { .. } => FailureKind::Internal,
            Self::Stopped => FailureKind::Terminated,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_data_that_a_store_does_not_take_is_classed_as_a_run_would() {
        let kind = |source: object_store::Error| {
            let path = object_store::path::Path::from("raw/orders");
            CliError::from(GenerateError::Store { path, source }).kind()
        };
        let generic = |source: Box<dyn std::error::Error + Send + Sync>| {
            kind(object_store::Error::Generic {
                store: "S3",
                source,
            })
        };
        let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
        let kinds = [
            generic("Server returned non-2xx status code: 403 Forbidden: ".into()),
            generic("Server returned non-2xx status code: 503 Service Unavailable: ".into()),
            generic(full.into()),
        ];
        assert_eq!(
            kinds,
            [
                FailureKind::Configuration,
                FailureKind::TransientStore,
                FailureKind::Internal,
            ]
        );
    }
}
