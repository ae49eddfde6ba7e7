//! Publication: from sorted record batches to tables that readers see, in one step.
//!
//! ```text
//! <target>/_cvm/commits/00000042.json           what readers see since commit 42: for each table the run it shows
//! <target>/_cvm/runs/<run id>.json              that run: tables, files, rows, bytes, checksums, schema, checks
//! <target>/_cvm/running/<run id>.json           a run at work, with a heartbeat
//! <target>/_cvm/broken/<run id>/<check>.csv     rows that break a check, whether the run commits or not
//! <target>/_cvm/broken/<run id>/run.json        a run that its data stopped: why, and what its checks found
//! <target>/_cvm/snapshots/<table>/<name>.parquet    rows that later publications may be made of again
//! <target>/_cvm/stable.json                     what the stable paths were last made to show
//! <target>/<table>/run=<run id>/part-00000.parquet   immutable
//! <target>/<table>.parquet                      stable path for BI, replaced whole after the commit
//! ```
//!
//! A [`Publication`] is begun before a run reads anything, [prepares](Sink::prepare) its tables
//! aside, [verifies](Sink::verify) them by reading them back, and [commits](Sink::commit). What
//! holds:
//!
//! - **The commit is the only point of decision.** It is one create-if-absent of the number after
//!   the one that was current when the run began. Two runs can't both create it, and a run that was
//!   overtaken can't create an older view over a newer one. Nothing else is needed for safety: no
//!   lock, no clock.
//! - **Before it readers see the old tables, after it the new.** Files of a run lie under its own
//!   id and no reader looks there unless a commit says so.
//! - **Stable paths follow.** They are replaced one by one after the commit, each whole. A run
//!   killed in between leaves some old and some new, each whole; the next [`Publication::begin`] or
//!   [`refresh`] rolls them forward. They show the current commit and nothing else: the path of a
//!   table that is no longer published is removed, because a dashboard that fails is better than
//!   one that shows last year's numbers as today's. Who needs all tables of one version at once
//!   reads through [`Published`].
//! - **Heartbeats only save work.** A run that sees another one, older and alive, gives way early.
//!   Liveness is observed (did its marker change between two looks?), so a killed run never stands
//!   in the way of the next.
//! - **Same rows, same bytes**, however batches are cut and on any number of threads; see
//!   [`encode`].
//!
//! Not done here: publishing some tables of a target and keeping others from an earlier run (the
//! commit's format would allow it), reading a table back as batches, retries (the object stores
//! retry), listing orphaned multipart uploads on S3 (object_store can't; a bucket rule that aborts
//! incomplete uploads does).

mod check;
mod column;
mod commit;
pub mod encode;
mod error;
mod failed;
mod gc;
mod history;
mod layout;
mod manifest;
mod marker;
mod publication;
mod reader;
mod rechunk;
mod sink;
mod snapshot;
mod stable;
mod table;
mod upload;
mod verify;
mod write;

#[cfg(test)]
mod tests;

pub use crate::engine::ValueLimits;
pub use column::{Unpublishable, arrow_type, published_type};
pub use error::{BoxError, PublishError};
pub use failed::{FailedRun, FailureFacts, failed_runs};
pub use gc::{GcOptions, GcReport, RemovedRun, gc};
pub use history::{are_there, are_whole, commits, current_commit, run_manifest};
pub use layout::Target;
pub use manifest::{
    CheckResult, ColumnManifest, Commit, CommittedTable, FileManifest, ObjectManifest, RunManifest,
    SourceManifest, TableManifest,
};
pub use marker::{Heartbeat, Rival};
pub use publication::Publication;
pub use reader::{Published, PublishedTable};
pub use sink::{BeginOptions, Clock, Committed, RunFacts, Sink};
pub use snapshot::{Snapshot, find_snapshots};
pub use stable::{Refreshed, refresh};
pub use table::{ColumnToWrite, TableToWrite};
pub use write::{Progress, ProgressFn, Rows};
