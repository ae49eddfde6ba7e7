//! An S3 server in this process: `s3s-fs` over a temporary folder, on a free port of the loopback
//! interface.
//!
//! It honours create-if-absent (`If-None-Match: *`), but checks before it writes instead of
//! atomically: two requests at the very same instant could both succeed. Tests of concurrency over
//! it must send the deciding requests one after the other.

use std::sync::Arc;

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use object_store::ObjectStore;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

const ACCESS_KEY: &str = "test";
const SECRET_KEY: &str = "test-secret";

/// A running server with one empty bucket; ends when dropped.
///
/// It has a runtime of its own, so that it serves blocking tests and child processes too.
pub(crate) struct S3 {
    /// `http://127.0.0.1:<port>`
    pub(crate) endpoint: String,
    /// The bucket's name.
    pub(crate) bucket: &'static str,
    runtime: Option<Runtime>,
    folder: TempDir,
}

impl S3 {
    /// Starts a server.
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bucket = "lake";
        std::fs::create_dir(folder.path().join(bucket)).unwrap();
        let mut service = S3ServiceBuilder::new(s3s_fs::FileSystem::new(folder.path()).unwrap());
        service.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        let service = service.build();

        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        // Bound here, not on the runtime: waiting for that is not allowed within an asynchronous
        // test.
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            while let Ok((socket, _)) = listener.accept().await {
                let service = service.clone();
                tokio::spawn(async move {
                    // A client that hangs up is no failure of the server.
                    let server = Builder::new(TokioExecutor::new());
                    let _ = server.serve_connection(TokioIo::new(socket), service).await;
                });
            }
        });
        Self {
            endpoint,
            bucket,
            runtime: Some(runtime),
            folder,
        }
    }

    /// The options with which object_store reaches the bucket.
    pub(crate) fn options(&self) -> Vec<(AmazonS3ConfigKey, String)> {
        self.environment()
            .into_iter()
            .map(|(name, value)| (name.to_lowercase().parse().unwrap(), value))
            .collect()
    }

    /// The same as variables of the environment, for child processes.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_ENDPOINT", self.endpoint.clone()),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY.to_owned()),
        ]
    }

    /// `s3://lake/<path>`
    pub(crate) fn url(&self, path: &str) -> String {
        format!("s3://{}/{path}", self.bucket)
    }

    /// The bucket as an object store.
    pub(crate) fn store(&self) -> Arc<dyn ObjectStore> {
        let builder = AmazonS3Builder::new().with_bucket_name(self.bucket);
        let builder = self
            .options()
            .into_iter()
            .fold(builder, |builder, (key, value)| {
                builder.with_config(key, value)
            });
        Arc::new(builder.build().unwrap())
    }

    /// The folder in which the bucket's objects lie as files.
    pub(crate) fn folder(&self) -> std::path::PathBuf {
        self.folder.path().join(self.bucket)
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        // A runtime can't be dropped in the usual way inside another one.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
