//! Whatever stands under `_cvm`: it is read or refused, and nothing outside of the target is touched.

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;

/// What means something to JSON, to paths, or to nobody.
const FRAGMENTS: &[&[u8]] = &[
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b",",
    b"\"",
    b"\\",
    b"../",
    b"/",
    b"..",
    b"%2e",
    b"\0",
    b"\xFF",
    b"\n",
    b"-",
    b"0",
    b"9",
    b"1e300",
    b"18446744073709551615",
    b"null",
    b"true",
    b"\"format\": 7",
    b"\"number\": 3,",
    b"\"run\": \"../../outside\"",
    b"\\ud800",
];

/// One change of a file: behind how many bytes, how many go, and what comes.
type Edit = (Index, usize, &'static [u8]);

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let gone = prop_oneof![4 => 0..8_usize, 1 => Just(usize::MAX)];
    let edit = (any::<Index>(), gone, select(FRAGMENTS));
    proptest::collection::vec(edit, 0..4)
}

fn edited(mut bytes: Vec<u8>, edits: &[Edit]) -> Vec<u8> {
    for (index, gone, fragment) in edits {
        let at = index.index(bytes.len() + 1);
        let end = bytes.len().min(at.saturating_add(*gone));
        drop(bytes.splice(at..end, fragment.iter().copied()));
    }
    bytes
}

/// A target of two commits, with edits made to each file of the second and to the record of stable paths; beside it an object of
/// somebody else, which must be there in the end.
async fn judge(edits: &[Vec<Edit>; 4]) {
    let target = in_memory();
    publish(&target, "run-1", 1).await.unwrap();
    publish(&target, "run-2", 2).await.unwrap();
    let marker = crate::publish::marker::first("run-9", "shop", String::new());
    let marker = serde_json::to_vec(&marker).unwrap();
    target
        .store
        .put(&target.marker("run-9"), marker.into())
        .await
        .unwrap();
    let canary = Path::from("outside/run=run-1/part-00000.parquet");
    target.store.put(&canary, "alive".into()).await.unwrap();
    let files = [
        target.commit(2),
        target.run_manifest("run-2"),
        target.stable_record(),
        target.marker("run-9"),
    ];
    for (path, edits) in files.iter().zip(edits) {
        let bytes = edited(content(&target, path).await, edits);
        target.store.put(path, bytes.into()).await.unwrap();
    }
    // Each may fail, and none panics or walks without end.
    if let Ok(published) = Published::open(&target).await {
        let _ = published.check_files(&target).await;
    }
    let _ = commits(&target, 10).await;
    let _ = run_manifest(&target, "run-2").await;
    let _ = refresh(&target).await;
    let _ = publish(&target, "run-3", 3).await;
    let later = at("2999-01-01T00:00:00Z");
    let _ = gc(&target, &GcOptions::new(1, later)).await;
    assert_eq!(content(&target, &canary).await, b"alive");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_publication_is_read_or_refused(edits in [edits(), edits(), edits(), edits()]) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(judge(&edits));
    }
}

#[tokio::test]
async fn a_commit_that_says_another_number_is_none() {
    let target = in_memory();
    publish(&target, "run-1", 1).await.unwrap();
    let mut commit = current_commit(&target).await.unwrap().unwrap();
    commit.number = u64::MAX;
    let bytes = serde_json::to_vec(&commit).unwrap();
    target
        .store
        .put(&target.commit(1), bytes.into())
        .await
        .unwrap();
    let refused = current_commit(&target).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "marts/shop/_cvm/commits/00000001.json is not a file of cvm"
    );
}

#[tokio::test]
async fn files_that_no_commit_is_named_after_are_none() {
    let target = in_memory();
    publish(&target, "run-1", 1).await.unwrap();
    let bytes = content(&target, &target.commit(1)).await;
    for name in [
        "5.json",
        "+5.json",
        "000000005.json",
        "18446744073709551615.json",
        "00000000.json",
    ] {
        let path = target.commits().join(name);
        target.store.put(&path, bytes.clone().into()).await.unwrap();
        assert_eq!(shown_run(&target).await.as_deref(), Some("run-1"), "{name}");
    }
    assert_eq!(publish(&target, "run-2", 2).await.unwrap().commit.number, 2);
}

#[tokio::test]
async fn a_data_file_that_is_gone_or_cut_is_told_of() {
    let target = in_memory();
    publish(&target, "run-1", 1).await.unwrap();
    let published = Published::open(&target).await.unwrap();
    published.check_files(&target).await.unwrap();
    let path = target.data_file("totals", "run-1");
    let bytes = content(&target, &path).await.len();
    target.store.put(&path, "x".into()).await.unwrap();
    let told = |error: PublishError| error.to_string();
    let cut = published.check_files(&target).await.map_err(told);
    let is = format!(
        "marts/shop/totals/run=run-1/part-00000.parquet is not as it was published: it had {bytes} bytes"
    );
    assert_eq!(cut, Err(format!("{is} and has 1; run the pipeline again")));
    target.store.delete(&path).await.unwrap();
    let gone = published.check_files(&target).await.map_err(told);
    assert_eq!(
        gone,
        Err(format!("{is} and is gone; run the pipeline again"))
    );
    // The stable path shows what is gone, and the next run takes its place.
    target.store.delete(&target.stable_record()).await.unwrap();
    publish(&target, "run-2", 2).await.unwrap();
    assert_eq!(shown_run(&target).await.as_deref(), Some("run-2"));
}

#[tokio::test]
async fn without_its_commits_a_target_is_not_cleaned_up() {
    let target = in_memory();
    publish(&target, "run-1", 1).await.unwrap();
    target.store.delete(&target.commit(1)).await.unwrap();
    let before = objects(&target).await;
    let later = at("2999-01-01T00:00:00Z");
    let refused = gc(&target, &GcOptions::new(1, later)).await.unwrap_err();
    assert!(
        matches!(refused, PublishError::NothingPublished { .. }),
        "{refused}"
    );
    assert_eq!(objects(&target).await, before);
}

#[cfg(unix)]
#[tokio::test]
async fn a_clean_up_does_not_follow_links() {
    let (folder, target) = on_disk();
    publish(&target, "run-1", 1).await.unwrap();
    let outside = folder.path().join("outside");
    let victim = outside.join("run=old/part-00000.parquet");
    std::fs::create_dir_all(outside.join("run=old")).unwrap();
    std::fs::write(&victim, "alive").unwrap();
    let shop = folder.path().join("marts/shop");
    for link in [
        "linked",
        "customers/run=linked",
        "_cvm/broken",
        "_cvm/running/linked",
    ] {
        std::os::unix::fs::symlink(&outside, shop.join(link)).unwrap();
    }
    let later = at("2999-01-01T00:00:00Z");
    gc(&target, &GcOptions::new(1, later)).await.unwrap();
    publish(&target, "run-2", 2).await.unwrap();
    assert_eq!(std::fs::read(&victim).unwrap(), b"alive");
}
