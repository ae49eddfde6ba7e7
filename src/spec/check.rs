//! Rules over the rows of a table, beside what its columns promise.

use schemars::JsonSchema;
use serde::Deserialize;

use super::yaml::Spanned;

/// What follows from a row that breaks a check.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckDeclaration {
    /// Whether a broken check stops the run. Default error.
    #[serde(default)]
    pub severity: Severity,
    /// How many rows may break it. Default 0.
    #[serde(default)]
    pub max_rows: u64,
    /// The table that it is about, as SQL names it: one that its SQL reads, directly or through others.
    #[schemars(with = "Option<String>")]
    pub table: Option<Spanned<String>>,
    /// Which share of the rows of `table` may break it, where that is more than `max_rows`.
    #[schemars(with = "Option<f64>")]
    pub max_share: Option<Spanned<f64>>,
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

impl Severity {
    /// The name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// A rule over the rows of a table: exactly one of the kinds from `condition` to `reconciliation`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TableCheck {
    /// What should hold, for people.
    pub description: String,
    /// A condition in SQL on the columns of a row. A row breaks it for which it is false; unknown is not false.
    #[schemars(with = "Option<String>")]
    pub condition: Option<Spanned<String>>,
    /// Columns whose values no two rows share, rows with a null among them aside.
    #[schemars(with = "Option<Vec<String>>")]
    pub unique: Option<Spanned<Vec<String>>>,
    /// A column whose values, nulls aside, another table has.
    #[schemars(with = "Option<Relationship>")]
    pub relationship: Option<Spanned<Relationship>>,
    /// How old the newest row may be.
    #[schemars(with = "Option<Freshness>")]
    pub freshness: Option<Spanned<Freshness>>,
    /// How many rows there may be.
    #[schemars(with = "Option<RowCount>")]
    pub row_count: Option<Spanned<RowCount>>,
    /// A sum that is the sum of others.
    #[schemars(with = "Option<Reconciliation>")]
    pub reconciliation: Option<Spanned<Reconciliation>>,
    /// Whether a broken check stops the run. Default error.
    #[serde(default)]
    pub severity: Severity,
    /// How many rows may break it. Default 0.
    #[serde(default)]
    pub max_rows: u64,
    /// Which share of the table's rows may break it, where that is more than `max_rows`.
    #[schemars(with = "Option<f64>")]
    pub max_share: Option<Spanned<f64>>,
    /// What to do where it is broken.
    pub help: Option<String>,
}

/// A column whose values another table has.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Relationship {
    /// The column.
    pub column: String,
    /// The other table, as SQL names it. Nothing is checked where that is an entity to which nothing is bound.
    pub table: String,
    /// The other table's column; default the same name.
    pub references: Option<String>,
}

/// How old the newest row may be.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Freshness {
    /// A column of dates or times. What lies on the as-of day or past it is not looked at.
    pub column: String,
    /// How many days before the as-of day the newest row may lie, at least 1, which asks for a row of the last day that the run sees.
    #[schemars(range(min = 1))]
    pub days: u32,
}

/// How many rows there may be; at least one bound is given.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RowCount {
    /// The fewest rows.
    pub minimum: Option<u64>,
    /// The most rows.
    pub maximum: Option<u64>,
    /// The largest change, up or down, as a share of the rows that the last published run had: of an earlier as-of day, or of
    /// the same one if it read other objects. Only of tables that are published, and of raw ones.
    pub change: Option<f64>,
}

/// A sum that is the sum of others.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reconciliation {
    /// What is summed, in SQL.
    pub sum: String,
    /// Which rows it is summed over, in SQL; default all.
    #[serde(rename = "where")]
    pub filter: Option<String>,
    /// The sums that together are the same.
    pub equals: Vec<SumOf>,
    /// How far apart the two may lie. Default 0.
    #[serde(default)]
    pub tolerance: f64,
}

/// A sum over a table.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SumOf {
    /// The table, as SQL names it.
    pub table: String,
    /// What is summed, in SQL.
    pub sum: String,
    /// Which rows it is summed over, in SQL; default all.
    #[serde(rename = "where")]
    pub filter: Option<String>,
}
