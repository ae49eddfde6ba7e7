//! A store whose writes fail on demand.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
    UploadPart,
};

/// How a write fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The write is not done, and nothing is after it: the process was killed before it.
    KilledBefore,
    /// The write is done, and nothing is after it: the process was killed before it heard so.
    KilledAfter,
    /// The write is not done; the next ones are.
    Refused,
    /// The write is done, but its answer is lost; the next ones are done.
    AnswerLost,
}

/// Passes everything on, except that the `nth` write (from 1) meets a [`Fault`].
#[derive(Debug, Clone)]
pub(super) struct Faulty {
    inner: Arc<dyn ObjectStore>,
    fault: Fault,
    nth: i64,
    writes: Arc<AtomicI64>,
}

impl Faulty {
    pub(super) fn new(inner: Arc<dyn ObjectStore>, fault: Fault, nth: i64) -> Self {
        Self {
            inner,
            fault,
            nth,
            writes: Arc::default(),
        }
    }

    /// Writes tried so far.
    pub(super) fn writes(&self) -> i64 {
        self.writes.load(Ordering::SeqCst)
    }

    async fn write<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let failed = || {
            Err(Error::Generic {
                store: "Faulty",
                source: "injected".into(),
            })
        };
        let number = self.writes.fetch_add(1, Ordering::SeqCst) + 1;
        let is_nth = number == self.nth;
        let is_dead = number > self.nth;
        match self.fault {
            Fault::KilledBefore if is_nth || is_dead => failed(),
            Fault::KilledAfter if is_dead => failed(),
            Fault::Refused if is_nth => failed(),
            Fault::KilledAfter | Fault::AnswerLost if is_nth => {
                work.await?;
                failed()
            }
            _ => work.await,
        }
    }
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Faulty({}, {:?} at {})",
            self.inner, self.fault, self.nth
        )
    }
}

#[async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(
        &self,
        path: &Path,
        bytes: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        self.write(self.inner.put_opts(path, bytes, options)).await
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let upload = self
            .write(self.inner.put_multipart_opts(path, options))
            .await?;
        Ok(Box::new(FaultyUpload {
            store: self.clone(),
            upload,
        }))
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(path, options).await
    }

    async fn get_ranges(&self, path: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.inner.get_ranges(path, ranges).await
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let store = self.clone();
        let delete = move |path: Result<Path>| {
            let store = store.clone();
            async move {
                let path = path?;
                store.write(store.inner.delete(&path)).await?;
                Ok(path)
            }
        };
        paths.then(delete).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.write(self.inner.copy_opts(from, to, options)).await
    }
}

#[derive(Debug)]
struct FaultyUpload {
    store: Faulty,
    upload: Box<dyn MultipartUpload>,
}

#[async_trait]
impl MultipartUpload for FaultyUpload {
    fn put_part(&mut self, bytes: PutPayload) -> UploadPart {
        let (store, part) = (self.store.clone(), self.upload.put_part(bytes));
        async move { store.write(part).await }.boxed()
    }

    async fn complete(&mut self) -> Result<PutResult> {
        self.store.write(self.upload.complete()).await
    }

    async fn abort(&mut self) -> Result<()> {
        self.store.write(self.upload.abort()).await
    }
}
