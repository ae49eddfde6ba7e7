//! The JSON files under `_cvm`: what a commit shows and what a run made. They are read by people,
//! schedulers and other tools, so fields are only ever added; a change of meaning raises
//! [`FORMAT`].

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The format of the files that this cvm writes, and the newest that it reads.
pub(super) const FORMAT: u32 = 1;

/// `_cvm/commits/<number>.json`: what readers see since this commit. Never changed, never deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Commit {
    /// Format of this file.
    pub format: u32,
    /// 1 for the first commit of a target, then without gaps.
    pub number: u64,
    /// The run that committed.
    pub run_id: String,
    /// The pipeline to which the target belongs.
    pub pipeline: String,
    /// When, UTC, RFC 3339.
    pub committed_at: String,
    /// For each published table the run whose files show it.
    pub tables: BTreeMap<String, CommittedTable>,
}

/// What a commit says of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CommittedTable {
    /// The run whose files show the table.
    pub run: String,
}

/// `_cvm/runs/<run id>.json`: what a run made. Written before the commit, so a run without a commit
/// that names it was never seen by readers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunManifest {
    /// Format of this file.
    pub format: u32,
    /// The run.
    pub run_id: String,
    /// The pipeline that ran.
    pub pipeline: String,
    /// The version of cvm that ran it.
    pub cvm_version: String,
    /// The exclusive end of the data that the run saw, `YYYY-MM-DD`.
    pub as_of: String,
    /// Fingerprint of the plan: equal plans transform equal inputs equally.
    pub plan_fingerprint: String,
    /// The parameters' values.
    pub parameters: BTreeMap<String, serde_json::Value>,
    /// When the run began, UTC, RFC 3339.
    pub started_at: String,
    /// When its tables were complete and checked, UTC, RFC 3339.
    pub finished_at: String,
    /// The published tables, by name.
    pub tables: Vec<TableManifest>,
    /// The checks made on them.
    pub checks: Vec<CheckResult>,
    /// The run's own report, in its own format.
    pub report: serde_json::Value,
}

/// A published table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TableManifest {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub description: String,
    /// What a row is, in words.
    pub grain: String,
    /// Columns that identify a row and by which rows are sorted.
    pub key: Vec<String>,
    /// Number of rows.
    pub rows: u64,
    /// The files that hold it.
    pub files: Vec<FileManifest>,
    /// Its columns, in order.
    pub columns: Vec<ColumnManifest>,
}

/// A file of a published table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FileManifest {
    /// Relative to the target.
    pub path: String,
    /// Number of rows.
    pub rows: u64,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256 of its content, hexadecimal.
    pub sha256: String,
}

/// A column of a published table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ColumnManifest {
    /// Its name.
    pub name: String,
    /// Its type, as declared in SQL: varchar, bigint, double, boolean, date, timestamp,
    /// decimal(p,s).
    #[serde(rename = "type")]
    pub sql_type: String,
    /// Whether it is never null.
    pub required: bool,
    /// What it means.
    pub description: String,
    /// Number of nulls in this run.
    pub nulls: u64,
}

/// A check made before the commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CheckResult {
    /// The check.
    pub name: String,
    /// The table it is about, if one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// Whether it held. A run publishes only if all do, or if those that don't are declared as
    /// warnings.
    pub passed: bool,
    /// What was seen, in words.
    pub detail: String,
}
