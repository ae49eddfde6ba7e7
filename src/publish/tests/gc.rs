//! Cleaning up.

use std::time::Duration;

use super::*;

/// Far enough in the future that everything in the store is older than any grace.
fn later() -> DateTime<Utc> {
    at("2999-01-01T00:00:00Z")
}

fn removed(run_id: &str, was_published: bool, report: &GcReport) -> (u64, u64) {
    let run = report
        .removed
        .iter()
        .find(|run| run.run_id == run_id)
        .unwrap();
    assert_eq!(run.was_published, was_published);
    (run.files, run.bytes)
}

fn ids(report: &GcReport) -> Vec<&str> {
    report
        .removed
        .iter()
        .map(|run| run.run_id.as_str())
        .collect()
}

async fn three_versions(target: &Target) -> Vec<Committed> {
    let mut versions = Vec::new();
    for version in 1..=3 {
        versions.push(
            publish(target, &format!("run-{version}"), version)
                .await
                .unwrap(),
        );
    }
    versions
}

async fn the_last_commits_stay_and_older_ones_go(target: &Target) {
    let versions = three_versions(target).await;
    let options = GcOptions {
        dry_run: true,
        ..GcOptions::new(2, later())
    };
    let before = objects(target).await;
    let planned = gc(target, &options).await.unwrap();
    assert_eq!(objects(target).await, before);

    let done = gc(
        target,
        &GcOptions {
            dry_run: false,
            ..options
        },
    )
    .await
    .unwrap();
    assert_eq!(done, planned);
    assert_eq!(
        (ids(&done), done.kept.clone()),
        (vec!["run-1"], vec!["run-2".to_owned(), "run-3".to_owned()])
    );
    let bytes = versions[0]
        .manifest
        .tables
        .iter()
        .map(|table| table.files[0].bytes)
        .sum();
    assert_eq!(removed("run-1", true, &done), (2, bytes));

    let gone: Vec<_> = before
        .into_keys()
        .filter(|path| path.contains("run=run-1"))
        .collect();
    assert_eq!(gone.len(), 2);
    let left = objects(target).await;
    assert!(gone.iter().all(|path| !left.contains_key(path)));
    assert!(
        left.contains_key("_cvm/commits/00000001.json")
            && left.contains_key("_cvm/runs/run-1.json")
    );
    assert_eq!(shown_run(target).await.as_deref(), Some("run-3"));
    assert_eq!(stable_sums(target).await, sums(&versions[2]));
    let previous = commits(target, 2).await.unwrap().remove(1);
    assert_eq!(
        Published::at(target, previous).await.unwrap().tables.len(),
        2
    );
    assert_eq!(
        ids(&gc(target, &options).await.unwrap()),
        Vec::<&str>::new()
    );
}

#[tokio::test]
async fn the_last_commits_stay_and_older_ones_go_in_memory() {
    the_last_commits_stay_and_older_ones_go(&in_memory()).await;
}

#[tokio::test]
async fn the_last_commits_stay_and_older_ones_go_on_local_files() {
    let (folder, target) = on_disk();
    the_last_commits_stay_and_older_ones_go(&target).await;
    assert!(
        !folder
            .path()
            .join("marts/shop/customers/run=run-1")
            .exists()
    );
}

#[tokio::test]
async fn what_is_shown_now_stays_even_if_nothing_is_to_be_retained() {
    let target = in_memory();
    three_versions(&target).await;
    let report = gc(&target, &GcOptions::new(0, later())).await.unwrap();
    assert_eq!(
        (ids(&report), report.kept.clone()),
        (vec!["run-1", "run-2"], vec!["run-3".to_owned()])
    );
    assert_eq!(shown_run(&target).await.as_deref(), Some("run-3"));
}

#[tokio::test]
async fn a_run_at_work_keeps_its_files_and_a_dead_one_loses_them() {
    let (_folder, disk) = on_disk();
    for target in [in_memory(), disk] {
        publish(&target, "run-1", 1).await.unwrap();
        let working = Publication::begin(target.clone(), options("run-2"))
            .await
            .unwrap();
        working
            .prepare(&customers_table(), rows([customers(2)]))
            .await
            .unwrap();

        let now = Utc::now();
        let report = gc(&target, &GcOptions::new(1, now)).await.unwrap();
        assert_eq!(
            (ids(&report), report.kept.clone()),
            (vec![], vec!["run-1".to_owned(), "run-2".to_owned()])
        );

        // A day without a sign of life.
        drop(working);
        let day = Duration::from_secs(24 * 60 * 60 + 60);
        let report = gc(&target, &GcOptions::new(1, now + day)).await.unwrap();
        assert_eq!(
            (ids(&report), report.kept.clone()),
            (vec!["run-2"], vec!["run-1".to_owned()])
        );
        assert_eq!(
            removed("run-2", false, &report).0,
            2,
            "a table and a marker"
        );
        assert!(
            objects(&target)
                .await
                .keys()
                .all(|path| !path.contains("run-2"))
        );
        assert_eq!(shown_run(&target).await.as_deref(), Some("run-1"));
    }
}

#[tokio::test]
async fn unfinished_files_of_a_killed_run_go_although_a_local_store_hides_them() {
    let (folder, target) = on_disk();
    publish(&target, "run-1", 1).await.unwrap();
    let run_folder = folder.path().join("marts/shop/customers/run=run-2");
    std::fs::create_dir_all(&run_folder).unwrap();
    std::fs::write(run_folder.join("part-00000.parquet#1"), "half a table").unwrap();

    let kept = gc(&target, &GcOptions::new(1, Utc::now())).await.unwrap();
    assert_eq!(kept.kept, ["run-1", "run-2"]);
    assert!(run_folder.exists());
    let report = gc(&target, &GcOptions::new(1, later())).await.unwrap();
    assert_eq!(ids(&report), ["run-2"]);
    assert!(!run_folder.exists());
}

#[tokio::test]
async fn rows_that_broke_a_check_go_with_their_run_and_of_a_failed_one_after_a_month() {
    let (_folder, disk) = on_disk();
    for target in [in_memory(), disk] {
        for run in ["run-1", "run-2"] {
            let working = Publication::begin(target.clone(), options(run))
                .await
                .unwrap();
            let rows_at = working.keep_broken_rows("orders__known", "id\n7\n".to_owned());
            let rows_at = rows_at.await.unwrap();
            assert!(
                rows_at.starts_with(target.url.as_str().trim_end_matches('/'))
                    && rows_at.ends_with(&format!("/_cvm/broken/{run}/orders__known.csv")),
                "{rows_at}"
            );
            working.abandon().await.unwrap();
        }
        publish(&target, "run-3", 1).await.unwrap();
        let path = target.broken_rows("run-3", "orders__known");
        target.store.put(&path, "id\n7\n".into()).await.unwrap();
        let left = |now| {
            let target = &target;
            async move {
                gc(target, &GcOptions::new(1, now)).await.unwrap();
                let objects = objects(target).await;
                let left = objects.keys().filter(|path| path.contains("_cvm/broken/"));
                left.count()
            }
        };
        let days = |days: u64| Utc::now() + Duration::from_secs(days * 24 * 60 * 60);
        assert_eq!(left(days(29)).await, 3);
        assert_eq!(left(days(31)).await, 1, "those of what is shown stay");
        publish(&target, "run-4", 2).await.unwrap();
        assert_eq!(left(days(31)).await, 0);
    }
}
