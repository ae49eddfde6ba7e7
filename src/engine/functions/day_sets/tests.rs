use std::collections::BTreeSet;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;

fn states(sets: &mut DaySets, count: usize) -> Vec<(Option<i32>, Vec<u8>)> {
    let (latest, gaps) = sets.take_states(count);
    latest
        .iter()
        .zip(gaps.iter())
        .map(|(day, gaps)| (day, gaps.unwrap().to_vec()))
        .collect()
}

#[test]
fn a_set_takes_sixteen_bytes() {
    assert_eq!(size_of::<Set>(), 16);
}

#[test]
fn a_state_is_the_latest_day_and_the_gaps() {
    let mut sets = DaySets::new();
    sets.resize(3);
    for day in [200, 5, 200, 133, 6] {
        sets.insert(0, day).unwrap();
    }
    sets.insert(1, i32::MIN).unwrap();
    sets.insert(1, i32::MAX).unwrap();
    assert_eq!(
        states(&mut sets, 3),
        [
            // 6 − 5, 133 − 6, 200 − 133
            (Some(200), vec![1, 127, 67]),
            (Some(i32::MAX), vec![0x7f, 0xff, 0xff, 0xff, 0x8f]),
            (None, vec![]),
        ]
    );
}

#[test]
fn any_days_in_any_order_are_counted_once_through_merges_and_emission() {
    let mut random = StdRng::seed_from_u64(7);
    let mut sets = DaySets::new();
    let mut partial = DaySets::new();
    let mut expected: Vec<BTreeSet<i32>> = vec![BTreeSet::new(); 60];
    sets.resize(60);
    for round in 0..40 {
        partial.resize(60);
        for _ in 0..300 {
            // Sets of 1 to hundreds of days; the last five stay empty.
            let set = random.random_range(0..55_usize);
            let day = random.random_range(-3..3 + 8 * set as i32);
            expected[set].insert(day);
            if round % 2 == 0 {
                sets.insert(set, day).unwrap();
            } else {
                partial.insert(set, day).unwrap();
            }
        }
        let parts = states(&mut partial, 20)
            .into_iter()
            .chain(states(&mut partial, 40));
        for (set, (latest, gaps)) in parts.enumerate() {
            if let Some(latest) = latest {
                sets.merge(set, latest, &gaps).unwrap();
            }
        }
    }
    let expected: Vec<i64> = expected.iter().map(|days| days.len() as i64).collect();
    assert_eq!(sets.take_counts(10), expected[..10]);
    assert_eq!(sets.take_counts(50), expected[10..]);
    assert_eq!(sets.size(), 0);
}

#[test]
fn blocks_left_behind_are_used_again() {
    let mut sets = DaySets::new();
    sets.resize(1_000);
    for set in 0..1_000 {
        for day in 0..41 {
            sets.insert(set, day).unwrap();
        }
    }
    // 40 gaps of a byte lie in 64, and one pair of smaller blocks goes round.
    assert_eq!(sets.arena.len(), 64 * 1_000 + 16 + 32);
    assert_eq!(sets.take_counts(1_000), [41; 1_000]);
}

#[test]
fn few_days_need_no_block() {
    let mut sets = DaySets::new();
    sets.resize(1);
    for day in [0, 100, 1_000, 10_000, 10_001, 10_050, 10_100] {
        sets.insert(0, day).unwrap();
    }
    assert_eq!(sets.arena.len(), 0);
    assert_eq!(sets.take_counts(1), [7]);
}

#[test]
fn emitting_the_first_sets_frees_their_blocks_for_others() {
    let mut sets = DaySets::new();
    sets.resize(2);
    for day in 0..30 {
        sets.insert(0, day).unwrap();
    }
    sets.insert(1, 1).unwrap();
    let bytes = sets.arena.len();
    assert_eq!(sets.take_counts(1), [30]);
    for day in 0..30 {
        sets.insert(0, day).unwrap();
    }
    assert_eq!(sets.arena.len(), bytes);
    assert_eq!(sets.take_counts(1), [30]);
}

#[test]
fn many_days_in_falling_order_become_a_list_that_is_freed() {
    let mut sets = DaySets::new();
    sets.resize(2);
    sets.insert(1, 1).unwrap();
    for day in (0..1_000).rev().chain(0..1_000) {
        sets.insert(0, day).unwrap();
    }
    assert_eq!(sets.lists[0].len(), 1_000);
    let with_list = sets.size();
    assert_eq!(states(&mut sets, 1), [(Some(999), vec![1; 999])]);
    assert!(with_list - sets.size() >= 4_000);
    assert_eq!(sets.take_counts(1), [1]);
}

#[test]
fn bytes_that_are_no_gaps_are_refused() {
    let mut sets = DaySets::new();
    sets.resize(1);
    assert_eq!(sets.merge(0, 5, &[NEXT]), Err(MergeError::Unreadable));
    assert_eq!(
        sets.merge(0, 5, &[1, NEXT, NEXT, NEXT, NEXT, NEXT]),
        Err(MergeError::Unreadable)
    );
}
