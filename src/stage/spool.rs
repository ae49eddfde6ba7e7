//! Tables between stages: rows written down once, on local disk, and read as often as they are needed.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::error::DataFusionError;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::{EnabledStatistics, WriterProperties};

use super::{StageContext, StageError, Written};
use crate::engine::Layout;

/// Rows a group: small enough that a writer's buffer stays small, large enough to be read in one go.
const GROUP_ROWS: usize = 131_072;

/// A part of a table's rows.
pub(super) type Part = BoxStream<'static, Result<RecordBatch, DataFusionError>>;

/// A folder for tables between stages, which goes when the run does.
#[derive(Debug, Clone)]
pub struct Spool {
    folder: PathBuf,
}

impl Spool {
    /// Tables go below `folder`, which whoever made it removes.
    pub fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
        }
    }

    /// Writes the parts of `stage`, each into a file of its own, all at the same time. Their rows lie as `layout` says.
    pub(super) async fn write(
        &self,
        stage: &str,
        schema: SchemaRef,
        parts: Vec<Part>,
        layout: &Layout,
        context: &StageContext,
    ) -> Result<(Arc<dyn TableProvider>, Written), StageError> {
        let folder = self.folder_of(stage)?;
        let tasks = parts.into_iter().enumerate().map(|(index, part)| {
            let path = folder.join(format!("{index:05}.parquet"));
            let (stage, schema, context) = (stage.to_owned(), Arc::clone(&schema), context.clone());
            let task =
                tokio::spawn(
                    async move { write_part(&stage, &path, schema, part, &context).await },
                );
            AbortOnDrop(task)
        });
        let mut rows = 0;
        for task in tasks.collect::<Vec<_>>() {
            rows += task.finish(stage).await?;
        }
        let written = Written {
            folder,
            rows,
            layout: layout.clone(),
        };
        let table = written.table(stage, schema, context)?;
        Ok((table, written))
    }

    /// Writes one file of `stage`, named `index`, in a task of its own.
    pub(super) async fn write_one(
        &self,
        stage: &str,
        index: usize,
        schema: SchemaRef,
        part: Part,
        context: &StageContext,
    ) -> Result<u64, StageError> {
        let path = self.file_of(stage, index)?;
        let (name, context) = (stage.to_owned(), context.clone());
        let task =
            tokio::spawn(async move { write_part(&name, &path, schema, part, &context).await });
        AbortOnDrop(task).finish(stage).await
    }

    /// Where the rows of `stage` lie.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn folder_of(&self, stage: &str) -> Result<PathBuf, StageError> {
        let folder = self.folder.join(stage);
        std::fs::create_dir_all(&folder).map_err(io(stage, &folder))?;
        Ok(folder)
    }

    /// The file of `stage` that is named `index`.
    ///
    /// # Errors
    /// When its folder cannot be made.
    pub fn file_of(&self, stage: &str, index: usize) -> Result<PathBuf, StageError> {
        Ok(self.folder_of(stage)?.join(format!("{index:05}.parquet")))
    }
}

/// A task that ends with whoever waits for it.
struct AbortOnDrop<T>(tokio::task::JoinHandle<T>);

impl AbortOnDrop<Result<u64, StageError>> {
    async fn finish(mut self, stage: &str) -> Result<u64, StageError> {
        let cut_short = |source| StageError::CutShort {
            stage: stage.to_owned(),
            source,
        };
        (&mut self.0).await.map_err(cut_short)?
    }
}

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn write_part(
    stage: &str,
    path: &Path,
    schema: SchemaRef,
    mut part: Part,
    context: &StageContext,
) -> Result<u64, StageError> {
    let encode = |source| StageError::Encode {
        stage: stage.to_owned(),
        source,
    };
    let file = File::create(path).map_err(io(stage, path))?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::LZ4_RAW)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .build();
    let mut writer =
        ArrowWriter::try_new(file, Arc::clone(&schema), Some(properties)).map_err(encode)?;
    let mut rows = 0;
    while let Some(batch) = part.try_next().await.map_err(StageError::engine(stage))? {
        rows += batch.num_rows() as u64;
        context.count(batch.num_rows());
        writer.write(&batch).map_err(encode)?;
    }
    writer.close().map_err(encode)?;
    Ok(rows)
}

fn io<'a>(stage: &'a str, path: &'a Path) -> impl FnOnce(std::io::Error) -> StageError + 'a {
    move |source| StageError::Spool {
        stage: stage.to_owned(),
        path: path.to_owned(),
        source,
    }
}

/// A stream of the engine as a part, its batches in the shape that the plan promised.
pub(super) fn part_of(
    stream: datafusion::execution::SendableRecordBatchStream,
    schema: SchemaRef,
) -> Part {
    stream.map(move |batch| in_shape(&batch?, &schema)).boxed()
}

/// `batch` with exactly the types of `schema`; the engine may give text in another of its representations.
pub(super) fn in_shape(
    batch: &RecordBatch,
    schema: &SchemaRef,
) -> Result<RecordBatch, DataFusionError> {
    let columns = schema
        .fields()
        .iter()
        .zip(batch.columns())
        .map(|(field, column)| arrow::compute::cast(column, field.data_type()))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
}
