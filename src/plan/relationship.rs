//! Whether the columns that a relationship compares are there and can be compared: the engine would cast one to the other's type,
//! which fails in the run.

use std::sync::Arc;

use arrow::datatypes::DataType;

use super::compile::Compiling;
use crate::engine::types::sql_type;
use crate::spec::problem::{At, Problem, SourceText, did_you_mean};

/// What a relationship compares, and where it is declared.
pub(super) struct Compared {
    /// The table whose values are looked for, and its column.
    pub(super) here: (String, String),
    /// The table in which they are looked for, and its column.
    pub(super) there: (String, String),
    pub(super) file: Arc<SourceText>,
    pub(super) at: At,
}

/// Types of which values can be the same.
#[derive(Debug, PartialEq, Eq)]
enum Class {
    Number,
    Text,
    Truth,
    Day,
    Moment,
}

/// Whether the check is no relationship, or compares what can be compared; all that it reads is declared to the session.
pub(super) async fn prove(compiling: &mut Compiling<'_>, check: &str) -> bool {
    let Some(compared) = compiling.relationships.remove(check) else {
        return true;
    };
    let fault = |message: String, help: &str| {
        Problem::new(
            "cvm::plan::check",
            &compared.file,
            compared.at,
            message,
            help,
        )
    };
    let mut types: Vec<DataType> = Vec::new();
    for (table, column) in [&compared.here, &compared.there] {
        // A table that is not there, or could not be planned, has been told of.
        let query = format!("select * from {table}");
        let Ok(plan) = compiling.session.plan_text(&query).await else {
            return true;
        };
        let Ok(field) = plan.schema().field_with_unqualified_name(column) else {
            let names = plan.schema().fields().iter();
            let help = did_you_mean(column, names.map(|field| field.name().as_str()));
            let message = format!("`{table}` has no column `{column}`");
            compiling.problems.push(fault(message, &help));
            return false;
        };
        types.push(field.data_type().clone());
    }
    let [here, there] = types.as_slice() else {
        return true;
    };
    let are_alike = match (class(here), class(there)) {
        (Some(here), Some(there)) => here == there,
        _ => true,
    };
    if !are_alike {
        let ((table, column), (other, references)) = (&compared.here, &compared.there);
        let message = format!(
            "`{table}.{column}` is {}, but `{other}.{references}` is {}: they cannot be compared",
            name_of(here),
            name_of(there)
        );
        let help = "give both one type where they are made, or name another column";
        compiling.problems.push(fault(message, help));
    }
    are_alike
}

/// The class of a type; none of those that only the engine has.
fn class(data_type: &DataType) -> Option<Class> {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Some(Class::Text),
        DataType::Boolean => Some(Class::Truth),
        DataType::Date32 => Some(Class::Day),
        DataType::Timestamp(..) => Some(Class::Moment),
        number if number.is_numeric() => Some(Class::Number),
        _ => None,
    }
}

/// A type as it is declared.
fn name_of(data_type: &DataType) -> String {
    match sql_type(data_type) {
        Some(known) => known.to_string(),
        None => data_type.to_string(),
    }
}
