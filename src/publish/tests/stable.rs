//! Stable paths, the history and the reader.

use super::*;

async fn refreshed(target: &Target) -> Refreshed {
    refresh(target).await.unwrap()
}

#[tokio::test]
async fn a_refresh_that_finds_everything_in_place_does_nothing() {
    let (folder, target) = on_disk();
    let committed = publish(&target, "run-1", 1).await.unwrap();
    assert_eq!(committed.stable.replaced, ["customers", "totals"]);
    assert_eq!(
        refreshed(&target).await,
        Refreshed {
            commit: 1,
            ..Refreshed::default()
        }
    );
    // Without its record a refresh starts from nothing, and leaves no temporary links behind.
    target.store.delete(&target.stable_record()).await.unwrap();
    refreshed(&target).await;
    let mut names: Vec<_> = std::fs::read_dir(folder.path().join("marts/shop"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "_cvm",
            "customers",
            "customers.parquet",
            "totals",
            "totals.parquet"
        ]
    );
}

#[tokio::test]
async fn a_stable_path_that_was_lost_or_changed_is_made_again() {
    let (_folder, disk) = on_disk();
    for target in [in_memory(), disk] {
        let committed = publish(&target, "run-1", 1).await.unwrap();
        target
            .store
            .delete(&target.stable_path("customers"))
            .await
            .unwrap();
        target
            .store
            .put(&target.stable_path("totals"), "by hand".into())
            .await
            .unwrap();
        assert_eq!(refreshed(&target).await.replaced, ["customers", "totals"]);
        assert_eq!(stable_sums(&target).await, sums(&committed));
    }
}

#[tokio::test]
async fn the_next_run_rolls_stable_paths_forward_when_it_begins() {
    let target = in_memory();
    publish(&target, "run-1", 1).await.unwrap();
    let old = content(&target, &target.stable_path("customers")).await;
    let second = publish(&target, "run-2", 2).await.unwrap();
    // As if the second run had been killed between its two stable paths, before it wrote the
    // record.
    target
        .store
        .put(&target.stable_path("customers"), old.into())
        .await
        .unwrap();
    let begun = Publication::begin(target.clone(), options("run-3"))
        .await
        .unwrap();
    assert_eq!(stable_sums(&target).await, sums(&second));
    begun.abandon().await.unwrap();
}

#[tokio::test]
async fn the_path_of_a_table_that_is_no_longer_published_is_removed_and_nothing_else() {
    let target = in_memory();
    publish(&target, "run-1", 1).await.unwrap();
    target
        .store
        .put(&target.stable_path("of_somebody_else"), "theirs".into())
        .await
        .unwrap();
    let publication = Publication::begin(target.clone(), options("run-2"))
        .await
        .unwrap();
    publication
        .prepare(&customers_table(), rows([customers(2)]))
        .await
        .unwrap();
    let committed = publication.commit(RunFacts::default()).await.unwrap();
    assert_eq!(committed.stable.removed, ["totals"]);
    let left: Vec<String> = stable_sums(&target).await.into_keys().collect();
    assert_eq!(left, ["customers", "of_somebody_else"]);
}

#[tokio::test]
async fn a_table_dropped_after_a_refresh_that_was_cut_short_is_removed_too() {
    let target = in_memory();
    publish(&target, "run-1", 1).await.unwrap();
    // The refresh of commit 1 never came to write its record.
    target.store.delete(&target.stable_record()).await.unwrap();
    let publication = Publication::begin(target.clone(), options("run-2"))
        .await
        .unwrap();
    target.store.delete(&target.stable_record()).await.unwrap();
    publication
        .prepare(&customers_table(), rows([customers(2)]))
        .await
        .unwrap();
    let committed = publication.commit(RunFacts::default()).await.unwrap();
    assert_eq!(committed.stable.removed, ["totals"]);
}

#[tokio::test]
async fn a_reader_keeps_its_version_while_others_publish() {
    let target = in_memory();
    let nothing = Published::open(&target).await.unwrap_err();
    assert_eq!(
        nothing.to_string(),
        "nothing is published at memory:///marts/shop yet; run the pipeline first"
    );
    publish(&target, "run-1", 1).await.unwrap();
    let reader = Published::open(&target).await.unwrap();
    publish(&target, "run-2", 2).await.unwrap();
    let customers = &reader.tables["customers"];
    assert_eq!(customers.run_id, "run-1");
    assert_eq!(
        customers.files,
        [Path::from(
            "marts/shop/customers/run=run-1/part-00000.parquet"
        )]
    );
    assert_eq!(customers.manifest.rows, 10);
    assert_eq!(customers.schema.field(2).name(), "revenue");
    let found = content(&target, &customers.files[0]).await;
    assert_eq!(sha256(&found), customers.manifest.files[0].sha256);
}

#[tokio::test]
async fn history_says_what_was_published_when() {
    let target = in_memory();
    for (run_id, version) in [("run-1", 1), ("run-2", 2), ("run-3", 3)] {
        publish(&target, run_id, version).await.unwrap();
    }
    let last: Vec<_> = commits(&target, 2)
        .await
        .unwrap()
        .into_iter()
        .map(|c| (c.number, c.run_id))
        .collect();
    assert_eq!(last, [(3, "run-3".to_owned()), (2, "run-2".to_owned())]);
    let manifest = run_manifest(&target, "run-1").await.unwrap().unwrap();
    assert_eq!(manifest.started_at, "2011-12-10T01:02:03.000000Z");
    let columns: Vec<_> = manifest.tables[0]
        .columns
        .iter()
        .map(|c| (c.sql_type.as_str(), c.nulls))
        .collect();
    assert_eq!(
        columns,
        [("varchar", 0), ("bigint", 0), ("decimal(18,2)", 0)]
    );
    assert_eq!(run_manifest(&target, "run-9").await.unwrap(), None);
}

#[tokio::test]
async fn files_of_a_later_cvm_are_refused_by_name() {
    let target = in_memory();
    let path = target.commit(1);
    target
        .store
        .put(&path, r#"{"format": 7, "shows": []}"#.into())
        .await
        .unwrap();
    let error = current_commit(&target).await.unwrap_err();
    let expected = "marts/shop/_cvm/commits/00000001.json has format 7; this cvm reads format 1 and older: \
                    use a newer cvm";
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn equal_rows_are_published_as_equal_bytes() {
    let (memory, (_folder, disk)) = (in_memory(), on_disk());
    let first = publish(&memory, "run-1", 1).await.unwrap();
    let again = publish(&memory, "run-2", 1).await.unwrap();
    let elsewhere = publish(&disk, "run-3", 1).await.unwrap();
    assert_eq!(sums(&first), sums(&again));
    assert_eq!(sums(&first), sums(&elsewhere));
}
