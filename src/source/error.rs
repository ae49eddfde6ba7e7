//! What can go wrong between a declaration and rows.

use std::error::Error;
use std::io;

use datafusion::error::DataFusionError;

use crate::failure::FailureKind;
use crate::store::StoreError;

/// A raw table that cannot be read as declared. Each names the table as `<system>.<table>`.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The declaration itself cannot work, whatever the data.
    #[error("{table}: {reason}")]
    Declaration {
        /// The raw table.
        table: String,
        /// What is wrong.
        reason: String,
    },
    /// No object matches the pattern.
    #[error("{table}: nothing below {url} matches `{pattern}`{hint}")]
    NothingMatches {
        /// The raw table.
        table: String,
        /// The store's URL.
        url: String,
        /// The declared pattern.
        pattern: String,
        /// What may help, from ` (` to `)`, or nothing.
        hint: String,
    },
    /// The store did not do what it was asked.
    #[error("{table}: cannot read `{file}`")]
    Store {
        /// The raw table.
        table: String,
        /// The object, or the path that was listed.
        file: String,
        /// Why.
        #[source]
        source: Box<StoreError>,
    },
    /// An object is not what it was when the run listed it, or is gone since.
    #[error(
        "{table}: {file} changed while it was being read; nothing that rests on it can be trusted"
    )]
    Changed {
        /// The raw table.
        table: String,
        /// The object.
        file: String,
    },
    /// Objects that an earlier run read are gone or have another content.
    #[error("{table}: what the run {run_id} read is not to be had: {objects}")]
    Gone {
        /// The raw table.
        table: String,
        /// The run.
        run_id: String,
        /// Each of the objects, with what became of it.
        objects: String,
    },
    /// The columns of an object are not those that are declared.
    #[error("{table}: the columns of {file} are not those that are declared: {changes}. {remedy}")]
    Drift {
        /// The raw table.
        table: String,
        /// The object.
        file: String,
        /// Each column that is missing, new or of another type.
        changes: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A header names a declared column twice.
    #[error("{table}: {file} has the column `{column}` more than once")]
    DuplicateColumn {
        /// The raw table.
        table: String,
        /// The object.
        file: String,
        /// The declared column.
        column: String,
    },
    /// A `name=value` of the path is missing or does not parse.
    #[error("{table}: {file}: partition column `{column}`: {reason}")]
    Partition {
        /// The raw table.
        table: String,
        /// The object.
        file: String,
        /// The partition column.
        column: String,
        /// What is wrong.
        reason: String,
    },
    /// An object is damaged as a whole: nothing says where its rows begin and end.
    #[error("{table}: {file} is damaged: {reason}")]
    Damaged {
        /// The raw table.
        table: String,
        /// The object.
        file: String,
        /// What is wrong, with the line where one is known.
        reason: String,
        /// The decoder's own words.
        #[source]
        source: Option<Box<dyn Error + Send + Sync>>,
    },
    /// More rows were set aside than the declaration allows.
    #[error(
        "{table}: {set_aside} of {read} rows were set aside ({share}), more than max_bad_share allows \
         ({bound}); the first: {examples}. Look at these lines and mend the files or the declaration; max_bad_share of \
         the table or its source file bounds how many may be set aside"
    )]
    TooManyBad {
        /// The raw table.
        table: String,
        /// Rows set aside.
        set_aside: u64,
        /// Rows read.
        read: u64,
        /// Their ratio, in percent.
        share: Box<str>,
        /// The declared bound, in percent.
        bound: Box<str>,
        /// The first three rows: file, line, column and reason.
        examples: String,
    },
    /// The temporary file of the rows set aside cannot be written or read.
    #[error("the temporary file of rows set aside failed")]
    Spill(#[source] io::Error),
    /// Arrow refused what cvm gave it.
    #[error("{table}: cannot build a batch of rows")]
    Arrow {
        /// The raw table.
        table: String,
        /// Why.
        #[source]
        source: arrow::error::ArrowError,
    },
}

impl SourceError {
    /// The class of the failure.
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::Declaration { .. } | Self::NothingMatches { .. } => FailureKind::Configuration,
            Self::Store { source, .. } => source.kind(),
            Self::Changed { .. } => FailureKind::TransientStore,
            Self::Gone { .. }
            | Self::Drift { .. }
            | Self::DuplicateColumn { .. }
            | Self::Partition { .. }
            | Self::Damaged { .. }
            | Self::TooManyBad { .. } => FailureKind::DataQuality,
            Self::Spill(_) | Self::Arrow { .. } => FailureKind::Internal,
        }
    }

    /// The source error inside an engine's error, however deep: scans run inside DataFusion, which wraps what they return.
    pub fn inside(error: &DataFusionError) -> Option<&Self> {
        let mut cause: Option<&(dyn Error + 'static)> = Some(error);
        while let Some(current) = cause {
            if let Some(found) = current.downcast_ref::<Self>() {
                return Some(found);
            }
            cause = match current.downcast_ref::<DataFusionError>() {
                Some(DataFusionError::External(inner)) => Some(inner.as_ref()),
                Some(DataFusionError::Shared(inner)) => Some(inner.as_ref()),
                Some(DataFusionError::Context(_, inner)) => Some(inner.as_ref()),
                Some(DataFusionError::Collection(all)) => all.first().map(|first| first as _),
                _ => current.source(),
            };
        }
        None
    }
}

impl From<SourceError> for DataFusionError {
    fn from(error: SourceError) -> Self {
        Self::External(Box::new(error))
    }
}
