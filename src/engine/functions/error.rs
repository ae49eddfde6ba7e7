//! What can go wrong in a function, told in the words of the SQL that calls it.

use datafusion::error::DataFusionError;
use thiserror::Error;

/// Why a call of one of the project's SQL functions was refused or could not be finished.
///
/// Becomes a [`DataFusionError`] of the matching kind: a call that can never work is a planning error, so it is
/// reported before any data is read; what depends on the data is an execution error.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum FunctionError {
    /// The call's arguments are of the wrong number or type.
    #[error("{function}: {problem}; write {syntax}")]
    Arguments {
        /// The function's name.
        function: &'static str,
        /// What is wrong with them.
        problem: String,
        /// The call as it should be.
        syntax: &'static str,
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
            FunctionError::UnknownZone { .. }
            | FunctionError::SumTooLarge { .. }
            | FunctionError::State { .. } => Self::Execution(text),
            FunctionError::TooMuch { .. } => Self::ResourcesExhausted(text),
        }
    }
}
