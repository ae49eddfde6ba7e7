//! Streams bytes into one object: a single put while they are few, a multipart upload beyond,
//! aborted on failure.

use std::fs::File;
use std::io::Write;

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStoreExt, PutPayload, PutPayloadMut};
use tokio::task::JoinSet;

use super::error::PublishError;
use super::layout::Target;

/// Bytes of a part. S3 takes 10,000 parts, so a table can have 80 GB; some stores want all parts
/// but the last of one size.
pub(super) const PART_BYTES: usize = 8 << 20;

/// Parts on their way at once.
const PARTS_IN_FLIGHT: usize = 4;

/// The largest object that S3 copies in one request.
const S3_COPY_LIMIT: u64 = 5 << 30;

/// An object being written. Invisible until [`Upload::finish`]; dropping it aborts it in the
/// background if it can.
pub(super) struct Upload {
    target: Target,
    path: Path,
    part_bytes: usize,
    buffer: PutPayloadMut,
    multipart: Option<Box<dyn MultipartUpload>>,
    parts: JoinSet<object_store::Result<()>>,
    /// A file on this machine that gets the same bytes.
    copy: Option<File>,
}

impl Upload {
    pub(super) fn new(target: &Target, path: Path, part_bytes: usize) -> Self {
        let buffer = PutPayloadMut::new();
        Self {
            target: target.clone(),
            path,
            part_bytes,
            buffer,
            multipart: None,
            parts: JoinSet::new(),
            copy: None,
        }
    }

    /// Writes the same bytes to a file on this machine. What goes wrong with it is none of the upload's: it is cut short then.
    pub(super) fn copied_to(mut self, file: Option<File>) -> Self {
        self.copy = file;
        self
    }

    /// Adds bytes; waits while too many parts are on their way.
    pub(super) async fn write(&mut self, mut bytes: Bytes) -> Result<(), PublishError> {
        if let Some(copy) = &mut self.copy
            && copy.write_all(&bytes).is_err()
        {
            self.copy = None;
        }
        while !bytes.is_empty() {
            let room = self.part_bytes - self.buffer.content_length();
            self.buffer.push(bytes.split_to(room.min(bytes.len())));
            if self.buffer.content_length() == self.part_bytes {
                let part = std::mem::take(&mut self.buffer).freeze();
                self.send(part).await?;
            }
        }
        Ok(())
    }

    /// Makes the object visible whole.
    pub(super) async fn finish(mut self) -> Result<(), PublishError> {
        let rest = std::mem::take(&mut self.buffer).freeze();
        if self.multipart.is_none() {
            let put = self.target.store.put(&self.path, rest).await;
            return put
                .map(drop)
                .map_err(self.target.failed("write", &self.path));
        }
        if rest.content_length() > 0 {
            self.send(rest).await?;
        }
        self.wait_for(0).await?;
        if let Some(upload) = &mut self.multipart {
            upload
                .complete()
                .await
                .map_err(self.target.failed("write", &self.path))?;
        }
        self.multipart = None;
        Ok(())
    }

    /// Gives the store back what was sent.
    pub(super) async fn abort(mut self) -> Result<(), PublishError> {
        self.parts.shutdown().await;
        match self.multipart.take() {
            Some(mut upload) => upload
                .abort()
                .await
                .map_err(self.target.failed("abort writing", &self.path)),
            None => Ok(()),
        }
    }

    async fn send(&mut self, part: PutPayload) -> Result<(), PublishError> {
        self.wait_for(PARTS_IN_FLIGHT - 1).await?;
        let upload = match &mut self.multipart {
            Some(upload) => upload,
            none => {
                let upload = self.target.store.put_multipart(&self.path).await;
                none.insert(upload.map_err(self.target.failed("write", &self.path))?)
            }
        };
        self.parts.spawn(upload.put_part(part));
        Ok(())
    }

    /// Waits until at most `in_flight` parts are on their way.
    async fn wait_for(&mut self, in_flight: usize) -> Result<(), PublishError> {
        while self.parts.len() > in_flight {
            let Some(joined) = self.parts.join_next().await else {
                break;
            };
            let sent =
                joined.unwrap_or_else(|source| Err(object_store::Error::JoinError { source }));
            sent.map_err(self.target.failed("write", &self.path))?;
        }
        Ok(())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let Some(mut upload) = self.multipart.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            self.parts.abort_all();
            // Nobody is left to hear of an error; `gc` or the bucket's own rule removes what stays.
            runtime.spawn(async move { upload.abort().await });
        }
    }
}

/// Replaces `to` whole by a copy of `from`, within the store.
pub(super) async fn copy_whole(
    target: &Target,
    from: &Path,
    to: &Path,
) -> Result<(), PublishError> {
    let store = &target.store;
    let failed = || target.failed("copy", from);
    let is_s3 = matches!(target.url.scheme(), "s3" | "s3a");
    // object_store 0.13.2 has the two copies of Google's the wrong way round: the one that may replace is sent as the one
    // that must not, and fails from the second publication on.
    let is_gcs = target.url.scheme() == "gs";
    if is_gcs || (is_s3 && store.head(from).await.map_err(failed())?.size > S3_COPY_LIMIT) {
        let mut bytes = store.get(from).await.map_err(failed())?.into_stream();
        let mut upload = Upload::new(target, to.clone(), PART_BYTES);
        while let Some(part) = bytes.try_next().await.map_err(failed())? {
            upload.write(part).await?;
        }
        return upload.finish().await;
    }
    store.copy(from, to).await.map_err(failed())
}
