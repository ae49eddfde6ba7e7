//! Sets of days, one a group, in one allocation.

use arrow::array::{Date32Array, LargeBinaryArray, LargeBinaryBuilder};
use arrow::buffer::NullBuffer;

/// Millions of small sets of days.
///
/// A set is 16 bytes with its latest day in them, and a block of the shared arena with the earlier days, sorted.
/// Rows mostly arrive with the latest day (nothing to do) or a later one (append); only a day in between
/// costs a search and a move. A block doubles when it is full, and the block left behind serves the next set that
/// grows to its size, so that input that is nearly grouped wastes almost nothing.
///
/// A customer with nine order days takes 16 + 32 bytes, where a hash set of a group takes several hundred.
#[derive(Debug, Clone)]
pub(super) struct DaySets {
    sets: Vec<Set>,
    arena: Vec<i32>,
    /// For each size of block the first one free; a free block's first cell says which is the next.
    free: [u32; SIZES],
    /// Days of a partial state while it is merged.
    scratch: Vec<i32>,
}

#[derive(Debug, Clone, Copy)]
struct Set {
    latest: i32,
    /// Where the block starts; means nothing when `size` is 0.
    start: u32,
    /// How many days before the latest, the first cells of the block.
    earlier: u32,
    /// The block has 2^size cells; 0 for no block, [`EMPTY`] for a set without any day.
    size: u8,
}

const EMPTY: u8 = u8::MAX;
const SIZES: usize = 32;
/// The end of a list of free blocks.
const END: u32 = u32::MAX;

/// More days than an arena addresses: 2^32 cells, 16 GiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ArenaFull;

/// Why a partial state could not be merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MergeError {
    /// The bytes are not what [`DaySets::states`] writes.
    Unreadable,
    /// The sets have outgrown the arena.
    Full,
}

impl From<ArenaFull> for MergeError {
    fn from(_: ArenaFull) -> Self {
        Self::Full
    }
}

impl DaySets {
    pub(super) fn new() -> Self {
        Self {
            sets: Vec::new(),
            arena: Vec::new(),
            free: [END; SIZES],
            scratch: Vec::new(),
        }
    }

    pub(super) fn resize(&mut self, count: usize) {
        if count > self.sets.len() {
            self.sets.resize(
                count,
                Set {
                    latest: 0,
                    start: 0,
                    earlier: 0,
                    size: EMPTY,
                },
            );
        }
    }

    /// Bytes held.
    pub(super) fn size(&self) -> usize {
        self.sets.capacity() * size_of::<Set>()
            + (self.arena.capacity() + self.scratch.capacity()) * size_of::<i32>()
    }

    /// Adds a day to a set; nothing happens if it is in it.
    #[inline]
    pub(super) fn insert(&mut self, set: usize, day: i32) -> Result<(), ArenaFull> {
        let Set { latest, size, .. } = self.sets[set];
        if size == EMPTY {
            self.sets[set] = Set {
                latest: day,
                start: 0,
                earlier: 0,
                size: 0,
            };
        } else if day > latest {
            self.insert_at(set, self.sets[set].earlier as usize, latest)?;
            self.sets[set].latest = day;
        } else if day < latest
            && let Err(place) = self.earlier(self.sets[set]).binary_search(&day)
        {
            self.insert_at(set, place, day)?;
        }
        Ok(())
    }

    fn earlier(&self, set: Set) -> &[i32] {
        &self.arena[set.start as usize..][..set.earlier as usize]
    }

    fn insert_at(&mut self, set: usize, place: usize, day: i32) -> Result<(), ArenaFull> {
        let Set {
            start,
            earlier,
            size,
            ..
        } = self.sets[set];
        let mut start = start as usize;
        let filled = earlier as usize;
        if size == 0 || filled == 1 << size {
            let larger = self.allocate(size + 1)?;
            self.arena
                .copy_within(start..start + filled, larger as usize);
            if size > 0 {
                self.release(start, size);
            }
            start = larger as usize;
            self.sets[set].start = larger;
            self.sets[set].size = size + 1;
        }
        if place < filled {
            self.arena
                .copy_within(start + place..start + filled, start + place + 1);
        }
        self.arena[start + place] = day;
        self.sets[set].earlier = earlier + 1;
        Ok(())
    }

    fn allocate(&mut self, size: u8) -> Result<u32, ArenaFull> {
        let first = self.free.get(usize::from(size)).copied().ok_or(ArenaFull)?;
        if first != END {
            self.free[usize::from(size)] = self.arena[first as usize].cast_unsigned();
            return Ok(first);
        }
        let start = self.arena.len();
        let end = start + (1 << size);
        if u32::try_from(end).is_err() {
            return Err(ArenaFull);
        }
        if end > self.arena.capacity() {
            // By half instead of doubling: at hundreds of megabytes the slack counts against the memory limit.
            self.arena
                .reserve_exact((start / 2).max(end - start).max(1024));
        }
        self.arena.resize(end, 0);
        u32::try_from(start).map_err(|_| ArenaFull)
    }

    fn release(&mut self, start: usize, size: u8) {
        let next = std::mem::replace(
            &mut self.free[usize::from(size)],
            u32::try_from(start).unwrap_or(END),
        );
        self.arena[start] = next.cast_signed();
    }

    /// The number of days in each of the first `count` sets, which are then gone.
    pub(super) fn take_counts(&mut self, count: usize) -> Vec<i64> {
        let counts = self.sets[..count]
            .iter()
            .map(|set| {
                if set.size == EMPTY {
                    0
                } else {
                    i64::from(set.earlier) + 1
                }
            })
            .collect();
        self.forget(count);
        counts
    }

    /// The first `count` sets as columns, which are then gone: the latest day, and the earlier days as the gaps
    /// between them.
    ///
    /// The gaps are LEB128 numbers: from the earliest to the latest day, then from each earlier day to the next. A
    /// gap below 128 days takes one byte, so that what is repartitioned or spilled is some quarter of the
    /// days' own size.
    pub(super) fn take_states(&mut self, count: usize) -> (Date32Array, LargeBinaryArray) {
        let mut gaps = LargeBinaryBuilder::with_capacity(count, 0);
        let mut bytes = Vec::new();
        for set in &self.sets[..count] {
            bytes.clear();
            let days = self.earlier(*set);
            if let Some(first) = days.first() {
                push_gap(&mut bytes, *first, set.latest);
                for pair in days.windows(2) {
                    push_gap(&mut bytes, pair[0], pair[1]);
                }
            }
            gaps.append_value(&bytes);
        }
        let latest: Vec<i32> = self.sets[..count].iter().map(|set| set.latest).collect();
        let nulls: NullBuffer = self.sets[..count]
            .iter()
            .map(|set| set.size != EMPTY)
            .collect();
        self.forget(count);
        let nulls = (nulls.null_count() > 0).then_some(nulls);
        (Date32Array::new(latest.into(), nulls), gaps.finish())
    }

    fn forget(&mut self, count: usize) {
        if count == self.sets.len() {
            *self = Self::new();
            return;
        }
        for index in 0..count {
            let Set { start, size, .. } = self.sets[index];
            if size != 0 && size != EMPTY {
                self.release(start as usize, size);
            }
        }
        self.sets.drain(..count);
    }

    /// Adds what [`Self::take_states`] gave of another set.
    pub(super) fn merge(&mut self, set: usize, latest: i32, gaps: &[u8]) -> Result<(), MergeError> {
        let mut days = std::mem::take(&mut self.scratch);
        days.clear();
        let merged = self.merge_days(set, latest, gaps, &mut days);
        self.scratch = days;
        merged
    }

    fn merge_days(
        &mut self,
        set: usize,
        latest: i32,
        mut gaps: &[u8],
        days: &mut Vec<i32>,
    ) -> Result<(), MergeError> {
        if !gaps.is_empty() {
            let mut day = latest.wrapping_sub(read_gap(&mut gaps)?);
            days.push(day);
            while !gaps.is_empty() {
                day = day.wrapping_add(read_gap(&mut gaps)?);
                days.push(day);
            }
        }
        if self.sets[set].size == EMPTY && !days.is_empty() {
            let count = u32::try_from(days.len()).map_err(|_| MergeError::Full)?;
            let size = days.len().next_power_of_two().trailing_zeros().max(1) as u8;
            let start = self.allocate(size)?;
            self.arena[start as usize..][..days.len()].copy_from_slice(days);
            self.sets[set] = Set {
                latest,
                start,
                earlier: count,
                size,
            };
            return Ok(());
        }
        for day in days.iter() {
            self.insert(set, *day)?;
        }
        Ok(self.insert(set, latest)?)
    }
}

fn push_gap(bytes: &mut Vec<u8>, from: i32, to: i32) {
    let mut gap = to.wrapping_sub(from).cast_unsigned();
    while gap >= 0x80 {
        bytes.push((gap & 0x7f) as u8 | 0x80);
        gap >>= 7;
    }
    bytes.push(gap as u8);
}

fn read_gap(bytes: &mut &[u8]) -> Result<i32, MergeError> {
    let mut gap = 0_u32;
    for shift in (0..35).step_by(7) {
        let (first, rest) = bytes.split_first().ok_or(MergeError::Unreadable)?;
        *bytes = rest;
        gap |= u32::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Ok(gap.cast_signed());
        }
    }
    Err(MergeError::Unreadable)
}

#[cfg(test)]
mod tests {
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
    fn a_state_is_the_latest_day_and_the_gaps_in_leb128() {
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
                // 200 − 5 = 195, 6 − 5, 133 − 6
                (Some(200), vec![0xc3, 0x01, 1, 127]),
                (Some(i32::MAX), vec![0xff, 0xff, 0xff, 0xff, 0x0f]),
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
            for day in 0..9 {
                sets.insert(set, day).unwrap();
            }
        }
        // 8 cells a set, and one pair of smaller blocks that goes round.
        assert_eq!(sets.arena.len(), 8 * 1_000 + 2 + 4);
    }

    #[test]
    fn emitting_the_first_sets_frees_their_blocks_for_others() {
        let mut sets = DaySets::new();
        sets.resize(2);
        for day in 0..5 {
            sets.insert(0, day).unwrap();
        }
        sets.insert(1, 1).unwrap();
        let cells = sets.arena.len();
        assert_eq!(sets.take_counts(1), [5]);
        for day in 0..5 {
            sets.insert(0, day).unwrap();
        }
        assert_eq!(sets.arena.len(), cells);
        assert_eq!(sets.take_counts(1), [5]);
    }

    #[test]
    fn bytes_that_are_no_gaps_are_refused() {
        let mut sets = DaySets::new();
        sets.resize(1);
        assert_eq!(sets.merge(0, 5, &[0x80]), Err(MergeError::Unreadable));
        assert_eq!(sets.merge(0, 5, &[0xff; 6]), Err(MergeError::Unreadable));
    }
}
