//! The file beside a SQL file, or an entity's contract: what one row is and what its columns hold.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use super::types::SqlType;
use super::yaml::Spanned;

/// `sql/**/<table>.yml`: the contract of a table.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TableFile {
    /// The table's name, the same as the file's.
    #[schemars(with = "String")]
    pub table: Spanned<String>,
    /// What the table answers, for people.
    pub description: String,
    /// What one row is, in words.
    pub grain: String,
    /// The columns that tell rows apart: unique and never null. Published rows are sorted by them.
    #[schemars(with = "Vec<String>")]
    pub key: Vec<Spanned<String>>,
    /// What a check is; only below `sql/checks`, where each row of the table breaks the check.
    #[schemars(with = "Option<CheckDeclaration>")]
    pub check: Option<CheckDeclaration>,
    /// The columns, in order.
    #[schemars(with = "IndexMap<String, ContractColumn>")]
    pub columns: IndexMap<String, Spanned<ContractColumn>>,
}

/// What follows from a row that breaks a check.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckDeclaration {
    /// Whether a broken check stops the run. Default error.
    #[serde(default)]
    pub severity: Severity,
    /// How many rows may break it. Default 0.
    #[serde(default)]
    pub max_rows: u64,
    /// What to do where it is broken.
    pub help: String,
}

/// What a broken check does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It stops the run; nothing is published.
    #[default]
    Error,
    /// It is told, and the run goes on.
    Warning,
}

/// What a column of a contract holds.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ContractColumn {
    /// Its type.
    #[serde(rename = "type")]
    pub sql_type: SqlType,
    /// Whether it is never null. A required column of an entity must be bound.
    #[serde(default)]
    pub required: bool,
    /// The smallest number that it can hold. Every published row is held to it; a segmentation scheme may rely on it.
    pub minimum: Option<i64>,
    /// The largest number that it can hold.
    pub maximum: Option<i64>,
    /// The only texts that it can hold. Every published row is held to them.
    #[schemars(with = "Option<Vec<String>>")]
    pub accepted_values: Option<Vec<Spanned<String>>>,
    /// What it means, with its unit.
    pub description: String,
}
