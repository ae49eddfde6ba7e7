//! Raw tables that are read more than once: parsed once, and written down.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use datafusion::physical_plan::execute_stream;
use futures::{StreamExt, TryStreamExt, stream};

use super::spool::part_of;
use super::{Findings, Made, Stage, StageContext, StageError, Written};
use crate::engine::Layout;

/// A part of a raw table that goes into a file of its own, or whose groups do.
pub struct RawSlice {
    /// The number of its file.
    pub index: usize,
    /// Its rows.
    pub rows: Arc<dyn TableProvider>,
}

/// A raw table that is read more than once: parsed once, and written down, a slice a file.
pub struct RawStage {
    name: String,
    schema: SchemaRef,
    slices: Vec<RawSlice>,
    threads: usize,
}

impl RawStage {
    /// The raw table `name`, `threads` of its slices at a time. Those of its slices that are not given lie in their files already.
    pub fn new(name: String, schema: SchemaRef, slices: Vec<RawSlice>, threads: usize) -> Self {
        Self {
            name,
            schema,
            slices,
            threads,
        }
    }

    async fn write(&self, slice: &RawSlice, context: &StageContext) -> Result<u64, StageError> {
        let failed = || StageError::engine(&self.name);
        let session = &context.session;
        let plan = session.rows_of(Arc::clone(&slice.rows)).map_err(failed())?;
        let physical = session.frame(plan).create_physical_plan().await;
        let physical = physical.map_err(failed())?;
        let stream = execute_stream(physical, session.task()).map_err(failed())?;
        let part = part_of(stream, self.output_schema());
        context
            .spool
            .write_one(&self.name, slice.index, self.output_schema(), part, context)
            .await
    }
}

#[async_trait]
impl Stage for RawStage {
    fn name(&self) -> &str {
        &self.name
    }

    fn inputs(&self) -> &[String] {
        std::slice::from_ref(&self.name)
    }

    fn output_schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    async fn run(&self, context: &StageContext) -> Result<Made, StageError> {
        let written = self.slices.iter().map(|slice| self.write(slice, context));
        let rows: Vec<u64> = stream::iter(written.collect::<Vec<_>>())
            .buffer_unordered(self.threads.max(1))
            .try_collect()
            .await?;
        let written = Written {
            folder: context.spool.folder_of(&self.name)?,
            rows: rows.iter().sum(),
            layout: Layout::default(),
        };
        Ok(Made {
            table: written.table(&self.name, self.output_schema(), context)?,
            written: Some(written),
            findings: Findings::default(),
        })
    }
}
