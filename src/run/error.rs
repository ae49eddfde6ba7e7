//! Why a run failed, and which class of failure that is.

use datafusion::error::DataFusionError;
use object_store::Error as ObjectError;

use crate::failure::FailureKind;
use crate::publish::PublishError;
use crate::source::SourceError;
use crate::stage::StageError;
use crate::store::StoreError;

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
    #[error("the tables could not be published")]
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
            Self::Stage(_) | Self::Machine { .. } => FailureKind::Internal,
            Self::Terminated => FailureKind::Terminated,
        }
    }
}

/// What lies at the bottom of an engine's error: a raw table, the data, or the engine itself.
fn engine_kind(error: &DataFusionError) -> FailureKind {
    if let Some(source) = SourceError::inside(error) {
        return source.kind();
    }
    match error.find_root() {
        // A value that overflows or cannot be cast comes from the data.
        DataFusionError::ArrowError(..) | DataFusionError::Execution(_) => FailureKind::DataQuality,
        _ => FailureKind::Internal,
    }
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
