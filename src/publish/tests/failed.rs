//! Runs that their data stopped.

use super::*;

const REASON: &str = "the newest row is too old";

async fn fail(target: &Target, run_id: &str) {
    let publication = Publication::begin(target.clone(), options(run_id));
    let publication = publication.await.unwrap();
    let facts = FailureFacts {
        as_of: "2011-12-10".to_owned(),
        reason: REASON.to_owned(),
        ..FailureFacts::default()
    };
    publication.note_failure(facts).await.unwrap();
    publication.abandon().await.unwrap();
}

async fn known(target: &Target) -> Vec<(String, u64, String)> {
    let failed = failed_runs(target).await.unwrap();
    let told = failed.into_iter();
    told.map(|run| (run.run_id, run.follows, run.reason))
        .collect()
}

async fn the_newest_come_first_and_are_forgotten_in_time(target: &Target) {
    assert_eq!(known(target).await.len(), 0);
    fail(target, "run-1").await;
    publish(target, "run-2", 1).await.unwrap();
    fail(target, "run-3").await;
    let both: Vec<(String, u64, String)> = vec![
        ("run-3".to_owned(), 1, REASON.to_owned()),
        ("run-1".to_owned(), 0, REASON.to_owned()),
    ];
    assert_eq!(known(target).await, both);
    let today = GcOptions::new(1, Utc::now());
    gc(target, &today).await.unwrap();
    assert_eq!(known(target).await, both);
    let later = GcOptions::new(1, at("2999-01-01T00:00:00Z"));
    gc(target, &later).await.unwrap();
    assert_eq!(known(target).await.len(), 0);
}

#[tokio::test]
async fn failures_are_noted_in_memory() {
    the_newest_come_first_and_are_forgotten_in_time(&in_memory()).await;
}

#[tokio::test]
async fn failures_are_noted_on_disk() {
    let (_folder, target) = on_disk();
    the_newest_come_first_and_are_forgotten_in_time(&target).await;
}

#[tokio::test]
async fn a_note_that_is_another_runs_is_refused() {
    let target = in_memory();
    fail(&target, "run-1").await;
    let note = target.store.get(&target.failed_run("run-1")).await.unwrap();
    let note = note.bytes().await.unwrap();
    let elsewhere = target.failed_run("run-2");
    target.store.put(&elsewhere, note.into()).await.unwrap();
    let refused = failed_runs(&target).await.unwrap_err();
    assert!(
        matches!(refused, PublishError::Corrupt { .. }),
        "{refused:?}"
    );
}
