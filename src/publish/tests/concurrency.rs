//! Two publications at the same target.

use super::*;
use crate::failure::FailureKind;
use crate::publish::marker::{self, Marker};

async fn begun(target: &Target, run_id: &str) -> Publication {
    Publication::begin(target.clone(), options(run_id))
        .await
        .unwrap()
}

async fn marker_of(target: &Target, run_id: &str) -> Marker {
    let file = marker::first(run_id, "shop", "2011-12-10T00:00:00Z".to_owned());
    Marker::put_up(target, file, 0, std::time::Duration::from_secs(3600))
        .await
        .unwrap()
}

async fn of_two_that_begin_together_one_publishes(target: &Target) {
    let (first, second) = (begun(target, "run-1").await, begun(target, "run-2").await);
    for (publication, version) in [(&first, 1), (&second, 2)] {
        publication
            .prepare(&customers_table(), rows([customers(version)]))
            .await
            .unwrap();
        publication
            .prepare(&totals_table(), rows([totals(version)]))
            .await
            .unwrap();
        publication.verify().await.unwrap();
    }
    let won = second.commit(RunFacts::default()).await.unwrap();
    let lost = first.commit(RunFacts::default()).await.unwrap_err();
    assert_eq!(lost.kind(), FailureKind::ConcurrentRun);
    assert_eq!(
        lost.to_string(),
        "run run-1 gives way: run run-2 published commit 1 meanwhile"
    );
    first.abandon().await.unwrap();

    assert_eq!(shown_run(target).await.as_deref(), Some("run-2"));
    assert_eq!(stable_sums(target).await, sums(&won));
    let expected = [
        "_cvm/commits/00000001.json",
        "_cvm/runs/run-2.json",
        "_cvm/stable.json",
        "customers.parquet",
        "customers/run=run-2/part-00000.parquet",
        "totals.parquet",
        "totals/run=run-2/part-00000.parquet",
    ];
    assert_eq!(
        objects(target).await.into_keys().collect::<Vec<_>>(),
        expected
    );
}

#[tokio::test]
async fn of_two_that_begin_together_one_publishes_in_memory() {
    of_two_that_begin_together_one_publishes(&in_memory()).await;
}

#[tokio::test]
async fn of_two_that_begin_together_one_publishes_on_local_files() {
    let (_folder, target) = on_disk();
    of_two_that_begin_together_one_publishes(&target).await;
}

#[tokio::test]
async fn of_eight_that_commit_at_once_one_publishes() {
    let (_folder, target) = on_disk();
    let mut publications = Vec::new();
    for number in 0..8 {
        let publication = begun(&target, &format!("run-{number}")).await;
        publication
            .prepare(&customers_table(), rows([customers(number)]))
            .await
            .unwrap();
        publication
            .prepare(&totals_table(), rows([totals(number)]))
            .await
            .unwrap();
        publications.push(publication);
    }
    let commits = publications
        .iter()
        .map(|publication| publication.commit(RunFacts::default()));
    let outcomes = futures::future::join_all(commits).await;
    let (won, lost): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert_eq!((won.len(), lost.len()), (1, 7));
    for error in lost {
        assert_eq!(error.unwrap_err().kind(), FailureKind::ConcurrentRun);
    }
    let won = won.into_iter().next().unwrap().unwrap();
    assert_eq!(shown_run(&target).await, Some(won.commit.run_id.clone()));
    assert_eq!(stable_sums(&target).await, sums(&won));
}

#[tokio::test]
async fn the_later_of_two_live_runs_gives_way_and_the_earlier_goes_on() {
    let target = in_memory();
    let mut first = marker_of(&target, "run-1").await;
    let mut second = marker_of(&target, "run-2").await;
    // The first look of each at the other tells nothing: it might be dead.
    assert_eq!(first.beat().await.unwrap(), None);
    // The second run looked when it began, and has now seen the first one move.
    assert_eq!(
        second.beat().await.unwrap(),
        Some(Rival::Alive {
            run_id: "run-1".to_owned()
        })
    );
    assert_eq!(first.beat().await.unwrap(), None);
}

#[tokio::test]
async fn a_killed_run_stands_in_nobodys_way() {
    let target = in_memory();
    let mut killed = marker_of(&target, "run-1").await;
    assert_eq!(killed.beat().await.unwrap(), None);
    drop(killed);
    let mut next = marker_of(&target, "run-2").await;
    for _ in 0..20 {
        assert_eq!(next.beat().await.unwrap(), None);
    }
    assert_eq!(publish(&target, "run-3", 3).await.unwrap().commit.number, 1);
}

#[tokio::test]
async fn a_beat_notices_that_another_run_has_published() {
    let target = in_memory();
    let mut slow = marker_of(&target, "run-1").await;
    publish(&target, "run-2", 2).await.unwrap();
    let rival = Rival::Committed {
        run_id: "run-2".to_owned(),
        number: 1,
    };
    assert_eq!(slow.beat().await.unwrap(), Some(rival));
}

#[tokio::test]
async fn a_run_at_work_is_told_to_give_way() {
    let target = in_memory();
    let heartbeat = Heartbeat {
        interval: std::time::Duration::from_millis(1),
        expiry: options("x").heartbeat.expiry,
    };
    let slow = Publication::begin(
        target.clone(),
        BeginOptions {
            heartbeat,
            ..options("run-1")
        },
    )
    .await
    .unwrap();
    publish(&target, "run-2", 2).await.unwrap();
    let told = slow.should_give_way().await;
    assert_eq!(
        told.to_string(),
        "run run-1 gives way: run run-2 published commit 1 meanwhile"
    );
    let refused = slow
        .prepare(&customers_table(), rows([customers(1)]))
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), FailureKind::ConcurrentRun);
}

#[tokio::test]
async fn markers_of_long_ago_are_removed() {
    let target = in_memory();
    drop(marker_of(&target, "run-1").await);
    // Every marker that isn't of this very instant counts as long ago.
    let file = marker::first("run-2", "shop", String::new());
    Marker::put_up(&target, file, 0, std::time::Duration::ZERO)
        .await
        .unwrap();
    assert_eq!(
        objects(&target).await.into_keys().collect::<Vec<_>>(),
        ["_cvm/running/run-2.json"]
    );
}

#[tokio::test]
async fn a_run_id_is_used_once() {
    let target = in_memory();
    publish(&target, "run-1", 1).await.unwrap();
    let error = publish(&target, "run-1", 2).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "run `run-1`: a run of this id has published here before"
    );
    let _at_work = begun(&target, "run-2").await;
    let error = publish(&target, "run-2", 2).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "run `run-2`: a run of this id is at work, or was killed"
    );
}

#[tokio::test]
async fn two_pipelines_do_not_publish_over_each_other() {
    let target = in_memory();
    publish(&target, "run-1", 1).await.unwrap();
    let other = BeginOptions {
        pipeline: "museum".to_owned(),
        ..options("run-2")
    };
    let Err(error) = Publication::begin(target, other).await else {
        panic!("it began")
    };
    let expected = "memory:///marts/shop is published by pipeline `shop`, not by `museum`; \
                    give each pipeline its own outputs.path";
    assert_eq!(
        (error.to_string().as_str(), error.kind()),
        (expected, FailureKind::Configuration)
    );
}
