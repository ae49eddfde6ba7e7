//! Groups of a raw table, put together of the groups of its slices. Those of a slice stay what they are while the slice does, so that
//! a later run works out those of new slices alone.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::execute_stream;
use futures::{StreamExt, TryStreamExt, stream};

use super::spool::part_of;
use super::{RawSlice, StageContext, StageError};
use crate::engine::{Layout, Parted};

/// Each uses all threads where its slice is large; of small ones some are planned while others are read.
const AT_A_TIME: usize = 2;

/// The folder, by the name of a table, of the groups that `stage` is put together of. No table has such a name.
pub fn parts_of(stage: &str) -> String {
    format!("{stage}~parts")
}

/// `plan`, the grouping of a raw table, worked out of the groups of its slices: those of `slices` are written down, a few at a time,
/// all others lie in their files already.
pub(super) async fn put_together(
    name: &str,
    plan: &LogicalPlan,
    slices: &[RawSlice],
    context: &StageContext,
) -> Result<LogicalPlan, StageError> {
    let failed = || StageError::engine(name);
    // Planning proved that there is no reason.
    let refused = |reason| DataFusionError::External(Box::new(reason));
    let parted = Parted::of(plan).map_err(refused).map_err(failed())?;
    let schema = parted.schema().map_err(failed())?;
    // What is told of the stage's rows are those of the whole.
    let uncounted = StageContext {
        rows: Arc::default(),
        ..context.clone()
    };
    let written = slices
        .iter()
        .map(|slice| write(name, &parted, slice, Arc::clone(&schema), &uncounted));
    stream::iter(written.collect::<Vec<_>>())
        .buffer_unordered(AT_A_TIME)
        .try_collect::<Vec<u64>>()
        .await?;
    let folder = context.spool.folder_of(&parts_of(name))?;
    let parts = context
        .session
        .parquet_folder(&folder, schema, &Layout::default())
        .map_err(failed())?;
    parted.whole(plan, parts).map_err(failed())
}

async fn write(
    name: &str,
    parted: &Parted,
    slice: &RawSlice,
    schema: SchemaRef,
    context: &StageContext,
) -> Result<u64, StageError> {
    let failed = || StageError::engine(name);
    let session = &context.session;
    let groups = parted.part(&slice.rows).map_err(failed())?;
    let physical = session.frame(groups).create_physical_plan().await;
    let physical = physical.map_err(failed())?;
    let rows = execute_stream(physical, session.task()).map_err(failed())?;
    let rows = part_of(rows, Arc::clone(&schema));
    let folder = parts_of(name);
    let spool = &context.spool;
    spool
        .write_one(&folder, slice.index, schema, rows, context)
        .await
}
