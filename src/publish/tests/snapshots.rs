//! Snapshots: what is kept for publications to come.

use super::*;

/// A publication at work that keeps ten customers under each of `names`.
async fn keeping(target: &Target, names: &[&str]) -> (Publication, Vec<Snapshot>) {
    let begun = Publication::begin(target.clone(), options("run-1")).await;
    let publication = begun.unwrap();
    let mut snapshots = Vec::new();
    for name in names {
        let kept = publication
            .keep_snapshot(&customers_table(), name, rows([customers(1)]))
            .await;
        snapshots.push(kept.unwrap());
    }
    (publication, snapshots)
}

/// The rows of each snapshot that is found.
async fn found(target: &Target, table: TableToWrite, names: &[&str]) -> Vec<Option<u64>> {
    let table = Arc::new(table);
    let wanted: Vec<_> = names
        .iter()
        .map(|name| (Arc::clone(&table), (*name).to_owned()))
        .collect();
    let found = find_snapshots(target, &wanted).await.unwrap();
    found
        .into_iter()
        .map(|snapshot| snapshot.map(|snapshot| snapshot.rows))
        .collect()
}

async fn a_snapshot_outlives_a_run_that_fails(target: &Target) {
    let (publication, snapshots) = keeping(target, &["monday"]).await;
    publication.abandon().await.unwrap();
    assert_eq!(
        snapshots,
        [Snapshot {
            path: "_cvm/snapshots/customers/monday.parquet".to_owned(),
            rows: 10,
        }]
    );
    let names = ["monday", "tuesday"];
    assert_eq!(
        found(target, customers_table(), &names).await,
        [Some(10), None]
    );
    let mut other = customers_table();
    other.columns.pop();
    assert_eq!(found(target, other, &names).await, [None, None]);
    let path = target.absolute(&snapshots[0].path);
    let whole = content(target, &path).await;
    let half = whole[..whole.len() / 2].to_vec();
    target.store.put(&path, half.into()).await.unwrap();
    assert_eq!(found(target, customers_table(), &names).await, [None, None]);
}

#[tokio::test]
async fn a_snapshot_outlives_a_run_that_fails_in_memory() {
    a_snapshot_outlives_a_run_that_fails(&in_memory()).await;
}

#[tokio::test]
async fn a_snapshot_outlives_a_run_that_fails_on_disk() {
    let (_folder, target) = on_disk();
    a_snapshot_outlives_a_run_that_fails(&target).await;
}

#[tokio::test]
async fn a_snapshot_that_nothing_is_made_of_goes_after_a_week() {
    let (_folder, target) = on_disk();
    let (publication, snapshots) = keeping(&target, &["monday", "tuesday"]).await;
    let table = customers_table();
    publication
        .prepare(&table, rows([customers(1)]))
        .await
        .unwrap();
    publication.verify().await.unwrap();
    let facts = RunFacts {
        snapshots: vec![snapshots[0].path.clone()],
        ..RunFacts::default()
    };
    publication.commit(facts).await.unwrap();
    let folder = target.local_folder().unwrap();
    let unfinished = folder.join("_cvm/snapshots/customers/tuesday.parquet#1");
    std::fs::write(&unfinished, "half").unwrap();

    let young = gc(&target, &GcOptions::new(1, Utc::now())).await.unwrap();
    assert_eq!(young.snapshots, 0);
    let old = GcOptions::new(1, at("2999-01-01T00:00:00Z"));
    let planned = GcOptions {
        dry_run: true,
        ..old
    };
    let bytes = content(&target, &target.absolute(&snapshots[1].path)).await;
    for options in [planned, old] {
        assert!(unfinished.exists());
        let report = gc(&target, &options).await.unwrap();
        let removed = (report.snapshots, report.snapshot_bytes);
        assert_eq!(removed, (1, bytes.len() as u64));
    }
    assert!(!unfinished.exists());
    let left = found(&target, table, &["monday", "tuesday"]).await;
    assert_eq!(left, [Some(10), None]);
}
