//! Writes one table aside: stream → fixed chunks → encoder on the Rayon pool → upload. While a row
//! group is encoded, the next one is gathered; nothing of the table is held longer than that.

use std::fs::File;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::array::RecordBatch;
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::path::Path;
use rayon::ThreadPool;
use tokio::sync::oneshot;

use super::encode::{Encoded, Encoder, ROW_GROUP_CHUNKS};
use super::error::{BoxError, PublishError};
use super::layout::Target;
use super::manifest::{FileManifest, TableManifest};
use super::rechunk::Rechunker;
use super::table::TableToWrite;
use super::upload::Upload;

/// The rows of a table, sorted by its key.
pub type Rows = BoxStream<'static, Result<RecordBatch, BoxError>>;

/// How far a table is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The table.
    pub table: String,
    /// Rows encoded so far.
    pub rows: u64,
    /// Bytes handed to the store so far.
    pub bytes: u64,
}

/// Is told after each row group. Called on a Tokio worker: must not block.
pub type ProgressFn = Arc<dyn Fn(&Progress) + Send + Sync>;

/// What writing needs of its publication.
pub(super) struct WriteContext<'a> {
    pub(super) target: &'a Target,
    pub(super) run_id: &'a str,
    pub(super) pool: &'a Arc<ThreadPool>,
    pub(super) part_bytes: usize,
    pub(super) progress: Option<&'a ProgressFn>,
    /// A file on this machine that gets the same bytes.
    pub(super) copy: Option<&'a std::path::Path>,
    /// Fails when the run should give way.
    pub(super) may_go_on: &'a (dyn Fn() -> Result<(), PublishError> + Sync),
}

/// Writes `rows` as the only file of `table` for this run. On failure nothing is left but what a
/// killed process could leave too.
pub(super) async fn write_table(
    context: &WriteContext<'_>,
    table: &TableToWrite,
    rows: Rows,
) -> Result<TableManifest, PublishError> {
    let path = context.target.data_file(&table.name, context.run_id);
    write_file(context, table, &path, rows).await
}

/// As [`write_table`], into the file at `path`, which is replaced whole where it is there.
pub(super) async fn write_file(
    context: &WriteContext<'_>,
    table: &TableToWrite,
    path: &Path,
    rows: Rows,
) -> Result<TableManifest, PublishError> {
    let mut upload = Upload::new(context.target, path.clone(), context.part_bytes)
        .copied_to(context.copy.and_then(|copy| File::create(copy).ok()));
    match send_rows(context, table, rows, &mut upload).await {
        Ok(encoded) => {
            upload.finish().await?;
            Ok(describe(context.target, table, path, encoded))
        }
        Err(error) => {
            // The first error is the one to tell; what an abort can't remove, `gc` does.
            let _ = upload.abort().await;
            Err(error)
        }
    }
}

/// Writes a table whose file an earlier run encoded: `file` lies on this machine and holds what `encoded` says.
pub(super) async fn adopt_table(
    context: &WriteContext<'_>,
    encoded: &TableManifest,
    file: &std::path::Path,
) -> Result<TableManifest, PublishError> {
    let path = context.target.data_file(&encoded.name, context.run_id);
    let mut upload = Upload::new(context.target, path.clone(), context.part_bytes);
    if let Err(error) = send_file(context, encoded, file, &mut upload).await {
        let _ = upload.abort().await;
        return Err(error);
    }
    upload.finish().await?;
    let mut adopted = encoded.clone();
    for file in &mut adopted.files {
        file.path = context.target.relative(&path);
    }
    Ok(adopted)
}

async fn send_file(
    context: &WriteContext<'_>,
    encoded: &TableManifest,
    file: &std::path::Path,
    upload: &mut Upload,
) -> Result<(), PublishError> {
    let failed = |source: std::io::Error| PublishError::Input {
        table: encoded.name.clone(),
        source: source.into(),
    };
    let mut file = File::open(file).map_err(failed)?;
    let mut part = vec![0; context.part_bytes];
    loop {
        (context.may_go_on)()?;
        match file.read(&mut part).map_err(failed)? {
            0 => return Ok(()),
            read => {
                let bytes = part.get(..read).unwrap_or_default();
                upload.write(bytes::Bytes::copy_from_slice(bytes)).await?;
            }
        }
    }
}

async fn send_rows(
    context: &WriteContext<'_>,
    table: &TableToWrite,
    mut rows: Rows,
    upload: &mut Upload,
) -> Result<Encoded, PublishError> {
    let mut gathering = Gathering::default();
    let mut encoding = Encoding::new(Encoder::new(table)?, Arc::clone(context.pool));
    let mut progress = Progress {
        table: table.name.clone(),
        rows: 0,
        bytes: 0,
    };
    let mut ended = false;
    while !ended {
        (context.may_go_on)()?;
        let group = gathering.next_group(table, &mut rows).await?;
        ended = group.len() < ROW_GROUP_CHUNKS;
        let bytes = encoding.finish_group(table).await?;
        if !group.is_empty() {
            encoding.start_group(group);
        }
        report(context, &mut progress, &encoding, bytes.len());
        upload.write(bytes).await?;
    }
    let bytes = encoding.finish_group(table).await?;
    report(context, &mut progress, &encoding, bytes.len());
    upload.write(bytes).await?;
    let (footer, encoded) = encoding.finish(table).await?;
    upload.write(footer).await?;
    Ok(encoded)
}

fn report(context: &WriteContext<'_>, progress: &mut Progress, encoding: &Encoding, bytes: usize) {
    if bytes > 0
        && let Some(tell) = context.progress
    {
        progress.rows = encoding.rows_done;
        progress.bytes += bytes as u64;
        tell(progress);
    }
}

fn describe(target: &Target, table: &TableToWrite, path: &Path, encoded: Encoded) -> TableManifest {
    let file = FileManifest {
        path: target.relative(path),
        rows: encoded.rows,
        bytes: encoded.bytes,
        sha256: encoded.sha256,
    };
    TableManifest {
        name: table.name.clone(),
        description: table.description.clone(),
        grain: table.grain.clone(),
        key: table.key.clone(),
        rows: encoded.rows,
        files: vec![file],
        columns: table.column_manifests(&encoded.nulls),
    }
}

/// Collects chunks into row groups.
#[derive(Default)]
struct Gathering {
    rechunker: Rechunker,
    ended: bool,
}

impl Gathering {
    /// The next row group's chunks; fewer than [`ROW_GROUP_CHUNKS`], perhaps none, at the end.
    async fn next_group(
        &mut self,
        table: &TableToWrite,
        rows: &mut Rows,
    ) -> Result<Vec<RecordBatch>, PublishError> {
        let failed = |e: arrow::error::ArrowError| PublishError::encode(&table.name)(e.into());
        let mut group = Vec::new();
        while group.len() < ROW_GROUP_CHUNKS {
            if let Some(chunk) = self.rechunker.next_full().map_err(failed)? {
                group.push(chunk);
            } else if self.ended {
                group.extend(self.rechunker.rest().map_err(failed)?);
                break;
            } else {
                match rows.next().await {
                    Some(Ok(batch)) => self.rechunker.push(batch),
                    Some(Err(source)) => {
                        return Err(PublishError::Input {
                            table: table.name.clone(),
                            source,
                        });
                    }
                    None => self.ended = true,
                }
            }
        }
        Ok(group)
    }
}

type Answer = (Encoder, Result<bytes::Bytes, PublishError>);

/// The encoder, here or away on the pool.
struct Encoding {
    pool: Arc<ThreadPool>,
    here: Option<Encoder>,
    away: Option<oneshot::Receiver<Answer>>,
    rows_away: u64,
    rows_done: u64,
}

impl Encoding {
    fn new(encoder: Encoder, pool: Arc<ThreadPool>) -> Self {
        Self {
            pool,
            here: Some(encoder),
            away: None,
            rows_away: 0,
            rows_done: 0,
        }
    }

    /// Sends a row group to the pool and returns at once.
    fn start_group(&mut self, group: Vec<RecordBatch>) {
        let Some(mut encoder) = self.here.take() else {
            return;
        };
        self.rows_away = group.iter().map(|chunk| chunk.num_rows() as u64).sum();
        self.away = Some(on_pool(&self.pool, move || {
            let bytes = encoder.row_group(&group);
            (encoder, bytes)
        }));
    }

    /// Waits for the row group on the pool, if there is one.
    async fn finish_group(&mut self, table: &TableToWrite) -> Result<bytes::Bytes, PublishError> {
        let Some(away) = self.away.take() else {
            return Ok(bytes::Bytes::new());
        };
        let (encoder, bytes) = away.await.map_err(|_| lost(table))?;
        self.here = Some(encoder);
        self.rows_done += self.rows_away;
        bytes
    }

    async fn finish(self, table: &TableToWrite) -> Result<(bytes::Bytes, Encoded), PublishError> {
        let encoder = self.here.ok_or_else(|| lost(table))?;
        on_pool(&self.pool, move || encoder.finish())
            .await
            .map_err(|_| lost(table))?
    }
}

fn lost(table: &TableToWrite) -> PublishError {
    PublishError::EncoderLost {
        table: table.name.clone(),
    }
}

/// Runs `work` on the pool. A panic there closes the channel instead of ending the process.
fn on_pool<T: Send + 'static>(
    pool: &ThreadPool,
    work: impl FnOnce() -> T + Send + 'static,
) -> oneshot::Receiver<T> {
    let (answer, answered) = oneshot::channel();
    pool.spawn(move || {
        if let Ok(value) = catch_unwind(AssertUnwindSafe(work)) {
            // A receiver that is gone was cancelled and wants no answer.
            let _ = answer.send(value);
        }
    });
    answered
}
