//! What can go wrong in a function, told in the words of the SQL that calls it.

use std::borrow::Cow;

use cvm_models::btyd::SummaryDefect;
use cvm_models::fit::ParameterError;
use cvm_models::spend::SpenderDefect;
use datafusion::error::DataFusionError;
use thiserror::Error;

/// Why a call of one of the project's SQL functions was refused or could not be finished.
///
/// Becomes a [`DataFusionError`] of the matching kind: a call that can never work is a planning error, so it is
/// reported before any data is read; what depends on the data is an execution error.
#[derive(Debug, Error, Clone, PartialEq)]
pub enum FunctionError {
    /// The call's arguments are of the wrong number or type.
    #[error("{function}: {problem}; write {syntax}")]
    Arguments {
        /// The function's name.
        function: Cow<'static, str>,
        /// What is wrong with them.
        problem: String,
        /// The call as it should be.
        syntax: Cow<'static, str>,
    },

    /// A row whose values the function has no answer for.
    #[error("{function}: {defect}")]
    Value {
        /// The function's name.
        function: String,
        /// What is wrong with which value.
        defect: ValueDefect,
    },

    /// `distinct`, `order by` or `within group` inside the call of an aggregate that has no use for it.
    #[error(
        "{function} takes no {modifier} inside its brackets: its result does not depend on it; leave it out"
    )]
    Modifier {
        /// The function's name.
        function: &'static str,
        /// The SQL words refused.
        modifier: &'static str,
    },

    /// A time zone that the IANA database does not know.
    #[error("{function}: {zone:?} is not a time zone of the IANA database{}", suggestion(.similar.as_deref()))]
    UnknownZone {
        /// The function's name.
        function: &'static str,
        /// The zone as it was given.
        zone: String,
        /// The known zone that is spelt most like it.
        similar: Option<String>,
    },

    /// A sum that does not fit the result's type.
    #[error("{function}: a group's sum does not fit {result_type}")]
    SumTooLarge {
        /// The function's name.
        function: &'static str,
        /// The type it should fit, in SQL.
        result_type: String,
    },

    /// One partition's groups hold more than the accumulator can address.
    #[error("{function}: more than {limit} in one partition; raise the number of partitions")]
    TooMuch {
        /// The function's name.
        function: &'static str,
        /// The limit, with what is counted.
        limit: &'static str,
    },

    /// A partial state that this version did not write.
    #[error(
        "{function}: a partial state could not be read; all of a query's executors must run one version"
    )]
    State {
        /// The function's name.
        function: &'static str,
    },
}

/// A value that no model, customer or question can have.
#[derive(Debug, Error, Clone, PartialEq)]
pub enum ValueDefect {
    /// A parameter, or what else must be above 0.
    #[error("{argument} must be positive and finite, not {value}")]
    NotPositive {
        /// The argument's name.
        argument: Cow<'static, str>,
        /// As given.
        value: f64,
    },
    /// A length of time that is none.
    #[error("{argument} must be finite and not negative, not {value}")]
    Negative {
        /// The argument's name.
        argument: &'static str,
        /// As given.
        value: f64,
    },
    /// A count that is none.
    #[error("{argument} must be a whole number and not negative, not {value}")]
    NoCount {
        /// The argument's name.
        argument: &'static str,
        /// As given.
        value: f64,
    },
    /// A count beyond what the function answers.
    #[error("{argument} must be at most {most}, not {value}")]
    CountTooLarge {
        /// The argument's name.
        argument: &'static str,
        /// As given.
        value: f64,
        /// The limit.
        most: u64,
    },
    /// A share that is none.
    #[error("{argument} must be between 0 and 1, not {value}")]
    NoShare {
        /// The argument's name.
        argument: &'static str,
        /// As given.
        value: f64,
    },
    /// More who have it than there are.
    #[error("{successes} successes of {customers} customers")]
    TooManySuccesses {
        /// As given.
        successes: u64,
        /// As given.
        customers: u64,
    },
    /// Numbers that are no purchase history.
    #[error(transparent)]
    History(#[from] SummaryDefect),
    /// Numbers that are no history of spend.
    #[error(transparent)]
    Spend(#[from] SpenderDefect),
    /// A mean over nothing.
    #[error("frequency is 0, so monetary_value must be 0, not {monetary_value}")]
    SpendWithoutPurchase {
        /// As given.
        monetary_value: f64,
    },
}

impl From<ParameterError> for ValueDefect {
    fn from(error: ParameterError) -> Self {
        Self::NotPositive {
            argument: error.name.into(),
            value: error.value,
        }
    }
}

fn suggestion(similar: Option<&str>) -> String {
    similar.map_or_else(
        || ", for example Europe/London or UTC".to_owned(),
        |zone| format!("; did you mean {zone}?"),
    )
}

impl From<FunctionError> for DataFusionError {
    fn from(error: FunctionError) -> Self {
        let text = error.to_string();
        match error {
            FunctionError::Arguments { .. } | FunctionError::Modifier { .. } => Self::Plan(text),
            FunctionError::Value { .. }
            | FunctionError::UnknownZone { .. }
            | FunctionError::SumTooLarge { .. }
            | FunctionError::State { .. } => Self::Execution(text),
            FunctionError::TooMuch { .. } => Self::ResourcesExhausted(text),
        }
    }
}
