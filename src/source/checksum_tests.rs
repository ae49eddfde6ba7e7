//! What the bytes of objects come to: known once they were read, the same when recalled, held against what an earlier run read.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::parquet_tests;
use super::tests::{declared, memory};
use super::*;
use crate::store::Store;

const YAML: &str = "path: \"*.csv\"\nformat: {csv: {}}\ncolumns:\n  id: {type: bigint}\n";
const OBJECTS: [(&str, &[u8]); 3] = [
    ("a.csv", b"id\n1\n2\n"),
    ("b.csv", b"id\n3\n"),
    ("c.csv", b""),
];
/// As sha256sum gives them.
const SUMS: [&str; 3] = [
    "1d1c91d15ace6e21ea5f551e16e717f326992bdf800f6696628859be29b906bf",
    "d7847e01b29c413f099429cb049be7d862406b2c45f612530328c75d1b7309e8",
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
];

async fn open(store: Store, selection: &Selection) -> Arc<RawTableProvider> {
    open_as(YAML, store, selection).await
}

async fn open_as(yaml: &str, store: Store, selection: &Selection) -> Arc<RawTableProvider> {
    let table = declared(yaml);
    let tolerance = Tolerance {
        max_bad_share: 0.0,
        schema_drift: table.schema_drift.unwrap_or_default(),
    };
    let set_aside = SetAside::new(&std::env::temp_dir());
    RawTableProvider::open(
        "shop", "orders", &table, tolerance, store, selection, &set_aside,
    )
    .await
    .unwrap()
}

fn sums(provider: &RawTableProvider) -> Vec<Option<String>> {
    let objects = provider.tally().objects_with_checksums();
    objects.into_iter().map(|object| object.sha256).collect()
}

/// What a run would record that has read everything.
async fn recorded() -> Vec<ObjectInfo> {
    let provider = open(memory(&OBJECTS).await, &Selection::All).await;
    provider.drain_unread(2).await.unwrap();
    provider.tally().objects_with_checksums()
}

fn replay(objects: Vec<ObjectInfo>) -> Selection {
    Selection::Recorded {
        run_id: "r1".to_owned(),
        objects: [("shop.orders".to_owned(), objects)].into(),
    }
}

#[tokio::test]
async fn text_has_its_checksum_once_it_was_read() {
    let provider = open(memory(&OBJECTS).await, &Selection::All).await;
    assert_eq!(sums(&provider), [None, None, None]);
    provider.drain_unread(2).await.unwrap();
    assert_eq!(sums(&provider), SUMS.map(|sum| Some(sum.to_owned())));
}

#[tokio::test]
async fn parquet_has_its_checksum_when_all_of_it_was_fetched() {
    let ids: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
    let bytes = parquet_tests::file(vec![("id", ids, false)], 1);
    let digest = Sha256::digest(&bytes);
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let store = memory(&[("a.parquet", &bytes)]).await;
    let yaml = YAML.replace("*.csv", "*.parquet");
    let provider = open_as(
        &yaml.replace("{csv: {}}", "parquet"),
        store,
        &Selection::All,
    )
    .await;
    provider.drain_unread(2).await.unwrap();
    assert_eq!(sums(&provider), [None]);
    provider.work_out_checksums(2).await.unwrap();
    assert_eq!(sums(&provider), [Some(digest)]);
}

#[tokio::test]
async fn what_is_recalled_brings_its_checksum() {
    let folder = TempDir::new().unwrap();
    let first = open(memory(&OBJECTS).await, &Selection::All).await;
    first.drain_unread(2).await.unwrap();
    let second = open(memory(&OBJECTS).await, &Selection::All).await;
    for objects in first.slices() {
        let set_aside = folder.path().join(objects.start.to_string());
        let reading = first.reading(&objects, &set_aside).unwrap();
        second.recall(&objects, &reading, &set_aside).unwrap();
    }
    assert!(second.tally().is_complete());
    assert_eq!(sums(&second), sums(&first));
    assert_eq!(sums(&second)[0].as_deref(), Some(SUMS[0]));
}

#[tokio::test]
async fn an_object_of_the_same_size_and_other_bytes_is_refused_where_it_ends() {
    let mut recorded = recorded().await;
    for object in &mut recorded {
        // No tag tells the difference.
        object.e_tag = None;
    }
    let same = open(memory(&OBJECTS).await, &replay(recorded.clone())).await;
    same.drain_unread(2).await.unwrap();
    same.check_recorded().unwrap();
    let mut objects = OBJECTS;
    objects[1].1 = b"id\n9\n";
    let other = open(memory(&objects).await, &replay(recorded)).await;
    other.check_recorded().unwrap();
    let refused = other.drain_unread(2).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "shop.orders: what the run r1 read is not to be had: b.csv is another: its checksum differs"
    );
    assert_eq!(refused.kind(), crate::failure::FailureKind::DataQuality);
}

#[tokio::test]
async fn a_reading_of_other_bytes_is_refused_when_it_is_recalled() {
    let folder = TempDir::new().unwrap();
    let set_aside = folder.path().join("set_aside");
    let first = open(memory(&OBJECTS).await, &Selection::All).await;
    first.drain_unread(2).await.unwrap();
    let reading = first.reading(&(0..3), &set_aside).unwrap();
    let mut recorded = recorded().await;
    recorded[0].sha256 = Some("f00".to_owned());
    let second = open(memory(&OBJECTS).await, &replay(recorded)).await;
    second.recall(&(0..3), &reading, &set_aside).unwrap();
    assert_eq!(
        second.check_recorded().unwrap_err().to_string(),
        "shop.orders: what the run r1 read is not to be had: a.csv is another: its checksum differs"
    );
}
