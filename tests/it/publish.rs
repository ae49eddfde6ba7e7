//! The publication protocol over S3.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use cvm::failure::FailureKind;
use cvm::publish::{
    BeginOptions, Committed, GcOptions, Heartbeat, Publication, PublishError, Published, RunFacts,
    Sink, TableToWrite, Target, current_commit, gc,
};
use futures::StreamExt;
use object_store::ObjectStoreExt;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use url::Url;

use crate::support::s3::S3;

const HOUR: Duration = Duration::from_secs(3600);

/// So many notes that their file is uploaded in two parts.
const MANY: u64 = 46_000;

fn on_s3(server: &S3) -> Target {
    Target {
        store: server.store(),
        prefix: Path::from("marts/shop"),
        url: Url::parse(&server.url("marts/shop")).unwrap(),
    }
}

fn options(run_id: &str) -> BeginOptions {
    BeginOptions {
        run_id: run_id.to_owned(),
        pipeline: "shop".to_owned(),
        pool: Arc::new(
            rayon::ThreadPoolBuilder::new()
                .num_threads(2)
                .build()
                .unwrap(),
        ),
        clock: Arc::new(|| "2011-12-10T00:00:00Z".parse().unwrap()),
        // No beat comes by itself: with two runs at work in one test it would tell the later to
        // give way.
        heartbeat: Heartbeat {
            interval: HOUR,
            expiry: HOUR,
        },
        progress: None,
    }
}

/// Rows of about 200 bytes.
fn notes(version: u64, count: u64) -> RecordBatch {
    // Text that does not compress: digits of a multiplicative generator.
    let text = (0..count).map(|n| {
        let word = |i: u64| {
            let x = (n * 16 + i + version).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            format!(
                "{:016x}",
                (x ^ (x >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9)
            )
        };
        (0..12).map(word).collect::<String>()
    });
    let text: ArrayRef = Arc::new(StringArray::from_iter_values(text));
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..count as i64));
    RecordBatch::try_from_iter([("note_id", ids), ("text", text)]).unwrap()
}

fn table() -> TableToWrite {
    TableToWrite::from_schema("notes", &notes(0, 1).schema(), &["note_id"]).unwrap()
}

async fn prepared(target: &Target, run_id: &str, version: u64, count: u64) -> Publication {
    let publication = Publication::begin(target.clone(), options(run_id))
        .await
        .unwrap();
    let rows = futures::stream::iter([Ok(notes(version, count))]).boxed();
    publication.prepare(&table(), rows).await.unwrap();
    publication.verify().await.unwrap();
    publication
}

async fn publish(
    target: &Target,
    run_id: &str,
    version: u64,
    count: u64,
) -> Result<Committed, PublishError> {
    prepared(target, run_id, version, count)
        .await
        .commit(RunFacts::default())
        .await
}

async fn stable_bytes(target: &Target) -> bytes::Bytes {
    target
        .store
        .get(&target.stable_path("notes"))
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap()
}

#[tokio::test]
async fn s3_shows_each_version_whole_and_the_same_bytes_as_local_files() {
    let server = S3::start();
    let target = on_s3(&server);
    let first = publish(&target, "run-1", 1, MANY).await.unwrap();
    let second = publish(&target, "run-2", 2, MANY).await.unwrap();
    assert_eq!((first.commit.number, second.commit.number), (1, 2));
    assert_eq!(second.stable.replaced, ["notes"]);

    let published = Published::open(&target).await.unwrap();
    let notes = &published.tables["notes"];
    assert_eq!(
        (notes.run_id.as_str(), notes.manifest.rows),
        ("run-2", MANY)
    );
    let immutable = target
        .store
        .get(&notes.files[0])
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap();
    assert!(
        immutable.len() > 8 << 20,
        "{} bytes fit one part",
        immutable.len()
    );
    assert!(immutable == stable_bytes(&target).await);

    let folder = tempfile::tempdir().unwrap();
    let local = Target {
        store: Arc::new(LocalFileSystem::new_with_prefix(folder.path()).unwrap()),
        prefix: Path::default(),
        url: Url::from_directory_path(folder.path()).unwrap(),
    };
    let same = publish(&local, "run-9", 2, MANY).await.unwrap();
    assert_eq!(
        same.manifest.tables[0].files[0].sha256,
        second.manifest.tables[0].files[0].sha256
    );
    assert!(stable_bytes(&local).await == immutable);
}

#[tokio::test]
async fn of_two_runs_on_s3_one_publishes() {
    let server = S3::start();
    let target = on_s3(&server);
    let (first, second) = (
        prepared(&target, "run-1", 1, 10).await,
        prepared(&target, "run-2", 2, 10).await,
    );
    second.commit(RunFacts::default()).await.unwrap();
    let lost = first.commit(RunFacts::default()).await.unwrap_err();
    assert_eq!(lost.kind(), FailureKind::ConcurrentRun);
    first.abandon().await.unwrap();
    assert_eq!(
        current_commit(&target).await.unwrap().unwrap().run_id,
        "run-2"
    );
    assert!(
        !server
            .folder()
            .join("marts/shop/notes/run=run-1/part-00000.parquet")
            .exists()
    );
    assert_eq!(
        publish(&target, "run-3", 3, 10)
            .await
            .unwrap()
            .commit
            .number,
        2
    );
}

#[tokio::test]
async fn gc_on_s3_keeps_what_is_shown() {
    let server = S3::start();
    let target = on_s3(&server);
    publish(&target, "run-1", 1, 10).await.unwrap();
    publish(&target, "run-2", 2, 10).await.unwrap();
    let report = gc(
        &target,
        &GcOptions::new(1, "2999-01-01T00:00:00Z".parse().unwrap()),
    )
    .await
    .unwrap();
    assert_eq!(
        report
            .removed
            .iter()
            .map(|run| run.run_id.as_str())
            .collect::<Vec<_>>(),
        ["run-1"]
    );
    assert_eq!(report.kept, ["run-2"]);
    let shown = Published::open(&target).await.unwrap();
    let immutable = target
        .store
        .get(&shown.tables["notes"].files[0])
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap();
    assert!(immutable == stable_bytes(&target).await);
}
