//! What a run reports of itself: an observer that adds the events up.

use std::sync::{Mutex, PoisonError};

use schemars::JsonSchema;
use serde::Serialize;

use super::events::{Event, Observer};
use crate::publish::CheckResult;

/// The version of the report's form.
pub const REPORT_VERSION: u32 = 1;

/// A run in figures.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct RunReport {
    /// The version of this form.
    pub version: u32,
    /// The run.
    pub run_id: String,
    /// The pipeline.
    pub pipeline: String,
    /// The exclusive end of what the run saw.
    pub as_of: String,
    /// Fingerprint of the plan.
    pub fingerprint: String,
    /// Partitions that worked at the same time.
    pub threads: usize,
    /// The raw tables.
    pub sources: Vec<SourceReport>,
    /// The stages in the order in which they ran; of a backfill each with what it took for all as-of days together.
    pub stages: Vec<StageReport>,
    /// The snapshots that a backfill's history is made of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub snapshots: Vec<SnapshotReport>,
    /// The tables published.
    pub tables: Vec<TableReport>,
    /// The checks that were made.
    pub checks: Vec<CheckResult>,
    /// What was odd.
    pub warnings: Vec<String>,
    /// The commit, once there is one.
    pub commit: Option<u64>,
    /// The run that published before what this one would have: it published nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unchanged_since: Option<String>,
    /// Where the tables lie.
    pub url: Option<String>,
    /// How long the run took, once it ended.
    pub seconds: Option<f64>,
    /// The most memory that the process held, where the system tells.
    pub peak_memory_bytes: Option<u64>,
}

/// What was read of a raw table: `rows_read` = `rows_kept` + `rows_set_aside`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SourceReport {
    /// `<system>.<table>`.
    pub source: String,
    /// Objects read.
    pub objects: usize,
    /// Bytes read, as they lie in the store.
    pub bytes: u64,
    /// Rows read.
    pub rows_read: u64,
    /// Rows that went on.
    pub rows_kept: u64,
    /// Rows that did not fit their contract.
    pub rows_set_aside: u64,
    /// Rows among those read that an earlier run read and kept, so that this one did not have to.
    pub rows_reused: u64,
}

/// How long a stage took.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct StageReport {
    /// The table.
    pub stage: String,
    /// `sql`, `score`, `read`, `check`, `snapshot` or `publish`.
    pub kind: &'static str,
    /// Rows written, where it writes any.
    pub rows: Option<u64>,
    /// Seconds; a view's are spent where it is read.
    pub seconds: f64,
    /// Whether an earlier run did it.
    pub reused: bool,
    /// How many parts it was put together of, one for each object of a raw table or for a few, where it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parts: Option<usize>,
    /// How many of them an earlier run worked out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parts_reused: Option<usize>,
}

/// The rows of a history's table as of one day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SnapshotReport {
    /// The table of the history.
    pub table: String,
    /// The as-of day.
    pub as_of: String,
    /// Its rows.
    pub rows: u64,
    /// Whether an earlier backfill had made it.
    pub reused: bool,
}

/// A published table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct TableReport {
    /// The table.
    pub table: String,
    /// Its rows.
    pub rows: u64,
    /// Its bytes.
    pub bytes: u64,
    /// Why it has no rows, where it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub empty_because: Option<String>,
}

/// Adds events up to a report.
#[derive(Debug, Default)]
pub struct Reporter {
    report: Mutex<RunReport>,
}

impl Reporter {
    /// The report so far.
    pub fn report(&self) -> RunReport {
        self.report
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Observer for Reporter {
    fn observe(&self, event: &Event) {
        let mut report = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        match event.clone() {
            Event::RunStarted {
                run_id,
                pipeline,
                as_of,
                fingerprint,
                threads,
                ..
            } => {
                *report = RunReport {
                    version: REPORT_VERSION,
                    run_id,
                    pipeline,
                    as_of,
                    fingerprint,
                    threads,
                    ..RunReport::default()
                };
            }
            Event::StageFinished {
                stage,
                kind,
                rows,
                seconds,
            } => {
                let is_backfill = !report.snapshots.is_empty();
                let mut known = report.stages.iter_mut();
                let known = known.find(|known| known.stage == stage && known.kind == kind);
                match known.filter(|_| is_backfill) {
                    Some(known) => {
                        known.seconds += seconds;
                        known.rows = match (known.rows, rows) {
                            (Some(before), Some(more)) => Some(before + more),
                            (before, more) => before.or(more),
                        };
                    }
                    None => report.stages.push(StageReport {
                        stage,
                        kind,
                        rows,
                        seconds,
                        reused: false,
                        parts: None,
                        parts_reused: None,
                    }),
                }
            }
            Event::SnapshotKept {
                table,
                as_of,
                rows,
                reused,
            } => {
                report.snapshots.push(SnapshotReport {
                    table,
                    as_of,
                    rows,
                    reused,
                });
            }
            Event::Reused { stage, kind, rows } => {
                report.stages.push(StageReport {
                    stage,
                    kind,
                    rows,
                    seconds: 0.0,
                    reused: true,
                    parts: None,
                    parts_reused: None,
                });
            }
            Event::PutTogether {
                stage,
                parts,
                parts_reused,
            } => {
                let mut told = report.stages.iter_mut().rev();
                if let Some(known) = told.find(|known| known.stage == stage) {
                    known.parts = Some(parts);
                    known.parts_reused = Some(parts_reused);
                }
            }
            Event::SourceRead {
                source,
                objects,
                bytes,
                rows_read,
                rows_kept,
                rows_set_aside,
                rows_reused,
            } => {
                report.sources.push(SourceReport {
                    source,
                    objects,
                    bytes,
                    rows_read,
                    rows_kept,
                    rows_set_aside,
                    rows_reused,
                });
            }
            Event::TableWritten {
                table,
                rows,
                bytes,
                empty_because,
            } => {
                report.tables.push(TableReport {
                    table,
                    rows,
                    bytes,
                    empty_because,
                });
            }
            Event::Checked { result } => report.checks.push(result),
            Event::Warning { message } => report.warnings.push(message),
            Event::Committed { commit, url } => {
                report.commit = Some(commit);
                report.url = Some(url);
            }
            Event::Unchanged {
                commit,
                unchanged_since,
                url,
            } => {
                report.commit = Some(commit);
                report.unchanged_since = Some(unchanged_since);
                report.url = Some(url);
            }
            Event::RunFinished {
                seconds,
                peak_memory_bytes,
            } => {
                report.seconds = Some(seconds);
                report.peak_memory_bytes = peak_memory_bytes;
            }
            Event::SourceFound { .. }
            | Event::StageStarted { .. }
            | Event::SnapshotStarted { .. }
            | Event::Progress { .. }
            | Event::RunFailed { .. } => {}
        }
    }
}
