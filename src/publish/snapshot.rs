//! Snapshots: rows that later publications of a target may be made of again, each in a file of its own that no reader looks at.
//!
//! A snapshot is named after everything that decides its rows, so whoever finds one of the right name need not make it. It is
//! written whole or not at all, whether its run commits or not: what a killed run made is there for the next.

use std::sync::Arc;

use futures::stream::{self, StreamExt, TryStreamExt};
use object_store::{Error as StoreError, ObjectStoreExt};
use parquet::arrow::parquet_to_arrow_schema;

use super::error::PublishError;
use super::history::AT_ONCE;
use super::layout::Target;
use super::table::TableToWrite;
use super::verify::{describe, read_footer};

/// A snapshot that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Relative to the target.
    pub path: String,
    /// Its rows.
    pub rows: u64,
}

/// Of each name the snapshot of `table` that is kept under it. One that is damaged or has other columns counts as none.
///
/// # Errors
/// [`PublishError::Store`] where the store does not say whether one is there.
pub async fn find_snapshots(
    target: &Target,
    wanted: &[(Arc<TableToWrite>, String)],
) -> Result<Vec<Option<Snapshot>>, PublishError> {
    let looks = wanted.iter().map(|(table, name)| find(target, table, name));
    let looks: Vec<_> = looks.collect();
    stream::iter(looks).buffered(AT_ONCE).try_collect().await
}

async fn find(
    target: &Target,
    table: &TableToWrite,
    name: &str,
) -> Result<Option<Snapshot>, PublishError> {
    let relative = target.snapshot_file(&table.name, name);
    let path = target.absolute(&relative);
    let bytes = match target.store.head(&path).await {
        Ok(meta) => meta.size,
        Err(StoreError::NotFound { .. }) => return Ok(None),
        Err(source) => return Err(target.failed("look at", &path)(source)),
    };
    let Ok(footer) = read_footer(target, &path, bytes).await else {
        return Ok(None);
    };
    let footer = footer.file_metadata();
    let is_same = parquet_to_arrow_schema(footer.schema_descr(), None)
        .is_ok_and(|found| describe(&found) == describe(&table.schema()));
    let rows = u64::try_from(footer.num_rows()).ok();
    Ok(rows.filter(|_| is_same).map(|rows| Snapshot {
        path: relative,
        rows,
    }))
}
