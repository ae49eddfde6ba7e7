//! A publication that fails or is killed at each of its writes: readers see the old tables or the
//! new, whole, and the next run puts everything right.

use std::sync::Arc;

use super::faulty::{Fault, Faulty};
use super::*;

/// Publishes version 1, then version 2 over a store that fails at its `nth` write, then version 3
/// over a healthy one. Returns whether the fault was met.
async fn survives(target: &Target, fault: Fault, nth: i64) -> bool {
    let place = format!("{fault:?} at write {nth}");
    let first = publish(target, "run-1", 1).await.unwrap();
    assert_eq!(stable_sums(target).await, sums(&first));

    let store = Faulty::new(Arc::clone(&target.store), fault, nth);
    let faulty = Target {
        store: Arc::new(store.clone()),
        ..target.clone()
    };
    let second = publish(&faulty, "run-2", 2).await;

    let shown = shown_run(target).await.unwrap();
    let number = current_commit(target).await.unwrap().unwrap().number;
    match &second {
        Ok(committed) => assert_eq!(
            (shown.as_str(), number),
            ("run-2", committed.commit.number),
            "{place}"
        ),
        Err(PublishError::StablePathsBehind { number: behind, .. }) => {
            assert_eq!(
                (shown.as_str(), number, *behind),
                ("run-2", 2, 2),
                "{place}"
            );
        }
        Err(PublishError::CommitUnknown { .. }) => {
            assert!(
                [("run-1", 1), ("run-2", 2)].contains(&(shown.as_str(), number)),
                "{place}"
            );
        }
        Err(error) => assert_eq!((shown.as_str(), number), ("run-1", 1), "{place}: {error}"),
    }
    let new = run_manifest(target, "run-2").await.unwrap();
    for (table, sum) in stable_sums(target).await {
        let new = new
            .iter()
            .flat_map(|run| &run.tables)
            .find(|new| new.name == table);
        let allowed = [
            Some(&sums(&first)[&table]),
            new.map(|new| &new.files[0].sha256),
        ];
        assert!(
            allowed.contains(&Some(&sum)),
            "{place}: stable path of {table} is neither old nor new"
        );
        assert!(
            shown == "run-2" || Some(&sum) == allowed[0],
            "{place}: {table} is new before the commit"
        );
    }

    let third = publish(target, "run-3", 3).await.unwrap();
    assert_eq!(third.commit.number, number + 1, "{place}");
    assert_eq!(shown_run(target).await.as_deref(), Some("run-3"), "{place}");
    assert_eq!(stable_sums(target).await, sums(&third), "{place}");
    store.writes() >= nth
}

const FAULTS: [Fault; 4] = [
    Fault::KilledBefore,
    Fault::KilledAfter,
    Fault::Refused,
    Fault::AnswerLost,
];

#[tokio::test]
async fn any_failing_write_in_memory_leaves_the_old_tables_or_the_new() {
    for fault in FAULTS {
        let mut writes = 0;
        while survives(&in_memory(), fault, writes + 1).await {
            writes += 1;
        }
        // Marker; two parts and a completion for customers and for totals with their beginnings;
        // manifest; commit; two stable paths; their record; the marker's removal.
        assert!(writes >= 12, "only {writes} writes were seen to fail");
    }
}

#[tokio::test]
async fn any_failing_write_on_local_files_leaves_the_old_tables_or_the_new() {
    for fault in FAULTS {
        let mut nth = 1;
        loop {
            let (_folder, target) = on_disk();
            if !survives(&target, fault, nth).await {
                break;
            }
            nth += 1;
        }
        assert!(nth > 12, "only {} writes were seen to fail", nth - 1);
    }
}

#[tokio::test]
async fn a_lost_answer_to_the_commit_is_settled_by_reading_it_back() {
    let target = in_memory();
    let store = Faulty::new(Arc::clone(&target.store), Fault::AnswerLost, i64::MAX);
    let counted = Target {
        store: Arc::new(store.clone()),
        ..target.clone()
    };
    publish(&counted, "run-1", 1).await.unwrap();
    // After the commit come two copies, their record and the marker's removal.
    let commit_write = store.writes() - 4;
    let other = in_memory();
    let lossy = Faulty::new(Arc::clone(&other.store), Fault::AnswerLost, commit_write);
    let committed = publish(
        &Target {
            store: Arc::new(lossy),
            ..other.clone()
        },
        "run-1",
        1,
    )
    .await
    .unwrap();
    assert_eq!(committed.commit.number, 1);
    assert_eq!(shown_run(&other).await.as_deref(), Some("run-1"));
}

#[tokio::test]
async fn a_failed_producer_leaves_nothing_behind() {
    let (folder, target) = on_disk();
    let publication = Publication::begin(target.clone(), options("run-1"))
        .await
        .unwrap();
    let broken = futures::stream::iter([
        Ok(customers(1)),
        Err(BoxError::from("the sort spilled to a full disk")),
    ]);
    let error = publication
        .prepare(&customers_table(), broken.boxed())
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "table customers: its rows could not be read to the end"
    );
    let error = publication.commit(RunFacts::default()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "table `customers`: it was not prepared to its end"
    );
    publication.abandon().await.unwrap();
    assert_eq!(objects(&target).await, BTreeMap::new());
    let left = std::fs::read_dir(folder.path().join("marts/shop/customers"));
    assert!(left.map_or(true, |mut entries| entries.next().is_none()));
}
