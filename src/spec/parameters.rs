//! Definitions that come with the SQL: named values with a type, a default and the range in which they mean something.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use super::pipeline::Scalar;
use super::types::SqlType;
use super::yaml::Spanned;

/// `sql/parameters/<topic>.yml`: the definitions of a topic, which SQL reads as `$name` and a pipeline may set.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ParametersFile {
    /// The topic's name, the same as the file's.
    #[schemars(with = "String")]
    pub topic: Spanned<String>,
    /// What the definitions decide together, for people.
    pub description: Option<String>,
    /// The definitions by name.
    #[schemars(with = "IndexMap<String, ParameterDeclaration>")]
    pub parameters: IndexMap<String, Spanned<ParameterDeclaration>>,
}

/// A definition and what it is where a pipeline does not set it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ParameterDeclaration {
    /// Its SQL type.
    #[serde(rename = "type")]
    pub sql_type: SqlType,
    /// Its value where the pipeline sets none.
    pub default: Scalar,
    /// The least value, for numbers.
    pub minimum: Option<Scalar>,
    /// The greatest value, for numbers.
    pub maximum: Option<Scalar>,
    /// The only values, for text.
    pub values: Option<Vec<String>>,
    /// What it decides, with its unit.
    pub description: String,
}
