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
    /// What it read. Empty in manifests of older versions.
    #[serde(default)]
    pub sources: Vec<SourceManifest>,
    /// The run whose objects it read again, if it was a replay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay_of: Option<String>,
    /// The snapshots that its tables are made of, if it is a backfill; relative to the target.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub snapshots: Vec<String>,
    /// The published tables, by name.
    pub tables: Vec<TableManifest>,
    /// The checks made on them.
    pub checks: Vec<CheckResult>,
    /// The run's own report, in its own format.
    pub report: serde_json::Value,
}

/// A raw table that was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SourceManifest {
    /// `<system>.<table>`.
    pub name: String,
    /// Its objects, by path.
    pub objects: Vec<ObjectManifest>,
}

/// An object that was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ObjectManifest {
    /// Below the URL of the raw table's store.
    pub path: String,
    /// Size in bytes.
    pub bytes: u64,
    /// The store's tag of the content, if it gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub e_tag: Option<String>,
    /// The store's version of the object, if it keeps versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// When the store says it was written, UTC, RFC 3339.
    pub last_modified: String,
    /// SHA-256 of the content, hexadecimal: of files on the machine that ran, and of text (CSV, NDJSON) wherever it lies, compressed as it
    /// lies there. Parquet that lies elsewhere is read in parts and has none: its tag and version stand for its content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
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
    /// What it asks: sql, condition, unique, relationship, freshness, row_count, reconciliation, contract, set_aside or
    /// validation. Empty in manifests of older versions.
    #[serde(default)]
    pub kind: String,
    /// Whether it stops a run: error or warning. Empty in manifests of older versions.
    #[serde(default)]
    pub severity: String,
    /// Whether it held. A run publishes only if all do, or if those that don't are declared as
    /// warnings.
    pub passed: bool,
    /// Rows that break it, where they are counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows_broken: Option<u64>,
    /// Rows that were looked at, where they are counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows_checked: Option<u64>,
    /// What was seen, in words.
    pub detail: String,
}
