//! The file beside a SQL file, or an entity's contract: what one row is and what its columns hold.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use super::check::{CheckDeclaration, TableCheck};
use super::literal::Literal;
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
    /// Whether its groups are kept for later runs, those of each object of the raw table that it groups: such a run works out the groups
    /// of new objects alone. The SQL must group rows of one raw table, each worked out on its own, by functions whose parts make
    /// the same whole to the last digit; where it takes the first or last by an order, no two rows of a group may be equal by it.
    #[schemars(with = "Option<bool>")]
    pub incremental: Option<Spanned<bool>>,
    /// What a check is; only below `sql/checks`, where each row of the table breaks the check.
    #[schemars(with = "Option<CheckDeclaration>")]
    pub check: Option<CheckDeclaration>,
    /// Rules over the rows, by name. Each is held in every run of a pipeline that makes the table, before anything is
    /// published.
    #[serde(default)]
    #[schemars(with = "IndexMap<String, TableCheck>")]
    pub checks: IndexMap<String, Spanned<TableCheck>>,
    /// The columns, in order.
    #[schemars(with = "IndexMap<String, ContractColumn>")]
    pub columns: IndexMap<String, Spanned<ContractColumn>>,
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
    /// The smallest number that it can hold, or the first day, of timestamps in UTC. Every row that is published or written down
    /// between stages is held to it; a segmentation scheme may rely on it.
    pub minimum: Option<Literal>,
    /// The largest number that it can hold, or the last day.
    pub maximum: Option<Literal>,
    /// The only texts or numbers that it can hold. Every row that is published or written down between stages is held to them.
    #[schemars(with = "Option<Vec<Literal>>")]
    pub accepted_values: Option<Vec<Spanned<Literal>>>,
    /// What it means, with its unit.
    pub description: String,
}
