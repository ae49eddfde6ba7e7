//! The bytes of an object in order, fetched ahead of their use.

use std::ops::Range;
use std::sync::Arc;

use ::parquet::arrow::arrow_reader::ArrowReaderOptions;
use ::parquet::arrow::async_reader::AsyncFileReader;
use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use bytes::Bytes;
use datafusion::common::runtime::SpawnedTask;
use futures::future::{BoxFuture, FutureExt, TryFutureExt};
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    GetOptions, GetRange, GetResult, OBJECT_STORE_COALESCE_DEFAULT, ObjectStore, ObjectStoreExt,
};

use sha2::{Digest, Sha256};

use super::error::SourceError;
use super::table::{Object, Table};

/// A request asks for this much. Each has its own retries, and none lasts so long that a slow reader of rows lets it time out.
const RANGE_BYTES: u64 = 4 * 1024 * 1024;
/// Ranges on their way at once.
const AHEAD: usize = 2;
/// Bytes from the end of a Parquet file that usually hold its footer, so that one request is enough.
const FOOTER_HINT: usize = 64 * 1024;

/// The bytes of one object.
pub(crate) struct ByteSource {
    chunks: BoxStream<'static, object_store::Result<Bytes>>,
    table: Arc<Table>,
    file: Arc<str>,
    expected: u64,
    seen: u64,
    hash: Option<Sha256>,
}

impl ByteSource {
    pub(crate) fn new(table: &Arc<Table>, object: &Object) -> Self {
        let store = Arc::clone(&table.store.store);
        let path = object.meta.location.clone();
        let chunks = if table.store.kind.reads_ranges() {
            let if_match = object.strong_tag();
            ranges(object.meta.size)
                .map(move |range| fetch(Arc::clone(&store), path.clone(), range, if_match.clone()))
                .buffered(AHEAD)
                .boxed()
        } else {
            let whole = async move { store.get(&path).await.map(GetResult::into_stream) };
            stream::once(whole).try_flatten().boxed()
        };
        Self {
            chunks,
            table: Arc::clone(table),
            file: Arc::clone(&object.path),
            expected: object.meta.size,
            seen: 0,
            hash: None,
        }
    }

    /// The same bytes, and what they come to.
    pub(crate) fn hashed(mut self) -> Self {
        self.hash = Some(Sha256::new());
        self
    }

    /// The SHA-256 of all bytes, hexadecimal, once they came; none unless they are [`hashed`](Self::hashed), or a second time.
    pub(crate) fn sha256(&mut self) -> Option<String> {
        let digest = self.hash.take()?.finalize();
        Some(digest.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// The next bytes, never empty; none at the end.
    ///
    /// # Errors
    /// The store failed, or the object is no longer what was listed.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, SourceError> {
        loop {
            match self.chunks.next().await {
                None if self.seen == self.expected => return Ok(None),
                None => return Err(self.table.changed(&self.file)),
                Some(Ok(bytes)) if bytes.is_empty() => {}
                Some(Ok(bytes)) => {
                    self.seen += bytes.len() as u64;
                    if let Some(hash) = &mut self.hash {
                        hash.update(&bytes);
                    }
                    return Ok(Some(bytes));
                }
                Some(Err(object_store::Error::Precondition { .. })) => {
                    return Err(self.table.changed(&self.file));
                }
                Some(Err(source)) => return Err(self.table.unreadable(&self.file, source)),
            }
        }
    }
}

/// The SHA-256 of an object's bytes, hexadecimal.
pub(crate) async fn sha256(table: &Arc<Table>, object: &Object) -> Result<String, SourceError> {
    let mut bytes = ByteSource::new(table, object).hashed();
    while bytes.next().await?.is_some() {}
    Ok(bytes.sha256().unwrap_or_default())
}

fn ranges(size: u64) -> BoxStream<'static, Range<u64>> {
    let starts = (0..size).step_by(RANGE_BYTES as usize);
    stream::iter(starts.map(move |start| start..size.min(start + RANGE_BYTES))).boxed()
}

/// Fetches on a task of its own, so that a request under way ends in time even while nobody asks for rows.
async fn fetch(
    store: Arc<dyn ObjectStore>,
    path: Path,
    range: Range<u64>,
    if_match: Option<String>,
) -> object_store::Result<Bytes> {
    let range = Some(GetRange::Bounded(range));
    let options = GetOptions {
        range,
        if_match,
        ..GetOptions::default()
    };
    let task =
        SpawnedTask::spawn(async move { store.get_opts(&path, options).await?.bytes().await });
    task.join().await?
}

/// Parts of one object, as the Parquet reader asks for them.
#[derive(Debug, Clone)]
pub(crate) struct ObjectRanges {
    store: Arc<dyn ObjectStore>,
    path: Path,
    size: u64,
    if_match: Option<String>,
}

impl ObjectRanges {
    pub(crate) fn new(table: &Table, object: &Object) -> Self {
        Self {
            store: Arc::clone(&table.store.store),
            path: object.meta.location.clone(),
            size: object.meta.size,
            if_match: object.strong_tag(),
        }
    }
}

impl ObjectRanges {
    /// A footer may speak of bytes that the object does not have.
    fn check(&self, range: &Range<u64>) -> Result<(), ParquetError> {
        if range.start <= range.end && range.end <= self.size {
            return Ok(());
        }
        Err(ParquetError::EOF(format!(
            "the bytes {} to {} are asked for, of {}",
            range.start, range.end, self.size
        )))
    }
}

impl AsyncFileReader for ObjectRanges {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ParquetError>> {
        if let Err(error) = self.check(&range) {
            return std::future::ready(Err(error)).boxed();
        }
        fetch(
            Arc::clone(&self.store),
            self.path.clone(),
            range,
            self.if_match.clone(),
        )
        .map_err(ParquetError::from)
        .boxed()
    }

    fn get_byte_ranges(
        &mut self,
        ranges: Vec<Range<u64>>,
    ) -> BoxFuture<'_, Result<Vec<Bytes>, ParquetError>> {
        async move {
            ranges.iter().try_for_each(|range| self.check(range))?;
            let one = |range| {
                fetch(
                    Arc::clone(&self.store),
                    self.path.clone(),
                    range,
                    self.if_match.clone(),
                )
            };
            let all = object_store::coalesce_ranges(&ranges, one, OBJECT_STORE_COALESCE_DEFAULT);
            all.await.map_err(ParquetError::from)
        }
        .boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        _: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>, ParquetError>> {
        let size = self.size;
        let footer = ParquetMetaDataReader::new().with_prefetch_hint(Some(FOOTER_HINT));
        async move { footer.load_and_finish(self, size).await.map(Arc::new) }.boxed()
    }
}
