//! What can go wrong while scoring.

/// A parameter that a scorer does not take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct BuildError {
    /// The parameter; none where the whole entry is meant.
    pub parameter: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: String,
}

/// Scoring that failed.
#[derive(Debug, thiserror::Error)]
pub enum ScoreError {
    /// A batch lacks a column; planning makes this impossible.
    #[error("the scorer's input has no column `{0}`")]
    MissingColumn(&'static str),
    /// A column came with another type; planning makes this impossible.
    #[error("the scorer's input column `{column}` is not {expected}")]
    WrongType {
        /// The column.
        column: &'static str,
        /// What was expected.
        expected: &'static str,
    },
    /// A batch lacks a feature or brings another type; planning makes this impossible.
    #[error("the scorer's input has no number `{0}`")]
    MissingFeature(String),
    /// A row that no customer can have.
    #[error("the table `{input}` holds a customer that cannot be: {message}")]
    ImpossibleRow {
        /// What was read.
        input: String,
        /// Why it cannot be.
        message: String,
    },
    /// Arrow refused to build the result.
    #[error("the scores could not be put together")]
    Arrow(#[from] arrow::error::ArrowError),
    /// The scoring pool is gone: the process is ending.
    #[error("the scoring pool stopped")]
    PoolStopped,
}
