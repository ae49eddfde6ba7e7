//! The protocol as a whole, over stores in memory and on local files.

mod concurrency;
mod encoding;
mod failed;
mod faults;
mod faulty;
mod gc;
mod properties;
mod snapshots;
mod stable;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Decimal128Array, Int64Array, RecordBatch, StringArray};
use chrono::{DateTime, Utc};
use futures::{StreamExt, TryStreamExt};
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use url::Url;

use super::*;

/// A store in memory with an empty target.
fn in_memory() -> Target {
    Target {
        store: Arc::new(InMemory::new()),
        prefix: Path::from("marts/shop"),
        url: Url::parse("memory:///marts/shop").unwrap(),
    }
}

/// An empty target in a folder that lives as long as the guard.
fn on_disk() -> (tempfile::TempDir, Target) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    let target = Target {
        store: Arc::new(LocalFileSystem::new_with_prefix(&root).unwrap()),
        prefix: Path::from("marts/shop"),
        url: Url::from_directory_path(root.join("marts/shop")).unwrap(),
    };
    (folder, target)
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn pool(threads: usize) -> Arc<rayon::ThreadPool> {
    Arc::new(
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap(),
    )
}

/// No beat ever comes by itself: tests call what a beat does.
fn options(run_id: &str) -> BeginOptions {
    let hour = std::time::Duration::from_secs(3600);
    BeginOptions {
        run_id: run_id.to_owned(),
        pipeline: "shop".to_owned(),
        pool: pool(2),
        clock: Arc::new(|| at("2011-12-10T01:02:03Z")),
        heartbeat: Heartbeat {
            interval: hour,
            expiry: hour,
        },
        progress: None,
    }
}

/// Ten customers whose revenue is `version` each.
fn customers(version: i64) -> RecordBatch {
    let ids: ArrayRef = Arc::new(StringArray::from_iter_values(
        (0..10).map(|n| format!("c{n:03}")),
    ));
    let orders: ArrayRef = Arc::new(Int64Array::from_iter_values(0..10));
    let revenue = Decimal128Array::from_iter_values((0..10).map(|_| i128::from(version) * 100));
    let revenue: ArrayRef = Arc::new(revenue.with_precision_and_scale(18, 2).unwrap());
    RecordBatch::try_from_iter([
        ("customer_id", ids),
        ("orders", orders),
        ("revenue", revenue),
    ])
    .unwrap()
}

fn customers_table() -> TableToWrite {
    let mut table =
        TableToWrite::from_schema("customers", &customers(0).schema(), &["customer_id"]).unwrap();
    table.description = "Everyone who ever ordered.".to_owned();
    table.grain = "one row a customer".to_owned();
    table
}

/// A second table, so that a version is more than one file.
fn totals(version: i64) -> RecordBatch {
    let year: ArrayRef = Arc::new(Int64Array::from(vec![2010, 2011]));
    let revenue: ArrayRef = Arc::new(Int64Array::from(vec![version, version]));
    RecordBatch::try_from_iter([("year", year), ("revenue", revenue)]).unwrap()
}

fn totals_table() -> TableToWrite {
    TableToWrite::from_schema("totals", &totals(0).schema(), &["year"]).unwrap()
}

fn rows(batches: impl IntoIterator<Item = RecordBatch>) -> Rows {
    let batches: Vec<_> = batches.into_iter().map(Ok).collect();
    futures::stream::iter(batches).boxed()
}

/// A whole publication of `customers` and `totals`, abandoned on failure as a run does.
async fn publish(target: &Target, run_id: &str, version: i64) -> Result<Committed, PublishError> {
    let publication = Publication::begin(target.clone(), options(run_id))
        .await?
        .cut_parts_at(700);
    let published = publish_both(&publication, version).await;
    if published.is_err() {
        // As after a kill, nothing can be done about a failing clean-up.
        let _ = publication.abandon().await;
    }
    published
}

async fn publish_both(publication: &Publication, version: i64) -> Result<Committed, PublishError> {
    publication
        .prepare(&customers_table(), rows([customers(version)]))
        .await?;
    publication
        .prepare(&totals_table(), rows([totals(version)]))
        .await?;
    publication.verify().await?;
    publication.commit(RunFacts::default()).await
}

/// Every object of the target by its path relative to it.
async fn objects(target: &Target) -> BTreeMap<String, Vec<u8>> {
    let listed: Vec<_> = target
        .store
        .list(Some(&target.prefix))
        .try_collect()
        .await
        .unwrap();
    let mut found = BTreeMap::new();
    for object in listed {
        found.insert(
            target.relative(&object.location),
            content(target, &object.location).await,
        );
    }
    found
}

async fn content(target: &Target, path: &Path) -> Vec<u8> {
    target
        .store
        .get(path)
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap()
        .to_vec()
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest;
    encode::hex(&sha2::Sha256::digest(bytes))
}

/// What a reader of the manifest sees: the run shown, after checking that each file is what its
/// manifest says.
async fn shown_run(target: &Target) -> Option<String> {
    let published = match Published::open(target).await {
        Err(PublishError::NothingPublished { .. }) => return None,
        published => published.unwrap(),
    };
    let mut runs: Vec<String> = Vec::new();
    for table in published.tables.values() {
        for (path, file) in table.files.iter().zip(&table.manifest.files) {
            assert_eq!(sha256(&content(target, path).await), file.sha256);
        }
        runs.push(table.run_id.clone());
    }
    assert_eq!(
        published.tables.keys().collect::<Vec<_>>(),
        ["customers", "totals"]
    );
    runs.dedup();
    assert_eq!(runs.len(), 1, "a reader saw tables of {runs:?} at once");
    runs.pop()
}

/// The SHA-256 of each stable path.
async fn stable_sums(target: &Target) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (path, bytes) in objects(target).await {
        if let Some(table) = path
            .strip_suffix(".parquet")
            .filter(|table| !table.contains('/'))
        {
            found.insert(table.to_owned(), sha256(&bytes));
        }
    }
    found
}

/// The SHA-256 of each file of a published version.
fn sums(committed: &Committed) -> BTreeMap<String, String> {
    let tables = committed.manifest.tables.iter();
    tables
        .map(|table| (table.name.clone(), table.files[0].sha256.clone()))
        .collect()
}
