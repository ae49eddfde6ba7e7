//! What is refused.

use thiserror::Error;

use crate::btyd::SummariesError;
use crate::fit::ParameterError;

/// Why covariates cannot be used.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum CovariatesError {
    /// The histories themselves are at fault.
    #[error(transparent)]
    Summaries(#[from] SummariesError),
    /// A column that is not one of the table.
    #[error("covariate {covariate} has {rows} rows, but frequency has {expected}")]
    Lengths {
        /// The column.
        covariate: String,
        /// Its rows.
        rows: usize,
        /// Rows of `frequency`.
        expected: usize,
    },
    /// Two columns of one name.
    #[error("there are two covariates {covariate}")]
    Duplicate {
        /// The name.
        covariate: String,
    },
    /// A value that is NaN or infinite.
    #[error("covariate {covariate}, row {row}: {value} is not finite")]
    NotFinite {
        /// The column.
        covariate: String,
        /// Position in the column, from 0.
        row: usize,
        /// As given.
        value: f64,
    },
    /// All customers are alike, so that the coefficient is part of the base model's parameter.
    #[error(
        "covariate {covariate} is {value} for every customer, so its coefficients cannot be told"
    )]
    Constant {
        /// The column.
        covariate: String,
        /// Its value.
        value: f64,
    },
    /// A unit in which coefficients could not be searched.
    #[error(
        "covariate {covariate} runs from {least} to {greatest}: rescale it so that it spans 0.1 to 10,000"
    )]
    Span {
        /// The column.
        covariate: String,
        /// The least value.
        least: f64,
        /// The greatest value.
        greatest: f64,
    },
    /// Values so far from 0 that the parameters of a customer at 0 say nothing about any in the data.
    #[error(
        "covariate {covariate} runs from {least} to {greatest}, far from 0: subtract a typical value"
    )]
    FarFromZero {
        /// The column.
        covariate: String,
        /// The least value.
        least: f64,
        /// The greatest value.
        greatest: f64,
    },
    /// A column that says again what others say.
    #[error(
        "covariate {covariate} is a linear combination of a constant and covariates before it, so its coefficients cannot be told"
    )]
    Collinear {
        /// The column.
        covariate: String,
    },
    /// Not a value a covariate of the model.
    #[error("{given} covariates, but the model has {expected}")]
    Count {
        /// As given.
        given: usize,
        /// As fitted.
        expected: usize,
    },
    /// Covariates so extreme that a parameter leaves the range of numbers.
    #[error("row {row}: covariates too extreme: {error}")]
    Extreme {
        /// Position among the customers, from 0.
        row: usize,
        /// The parameter.
        error: ParameterError,
    },
}
