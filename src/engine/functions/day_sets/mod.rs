//! Sets of days, one a group, in a few bytes each.

mod gaps;
#[cfg(test)]
mod tests;

use arrow::array::{Date32Array, LargeBinaryArray, LargeBinaryBuilder};
use arrow::buffer::NullBuffer;

use gaps::{Gap, NEXT, check, days_back, last_gap};

/// Millions of small sets of days.
///
/// A set is its latest day and the gaps between its days, from the earliest to the latest: a byte or two each. Up to
/// [`SHORT`] bytes lie beside the latest day, so that most customers take 16 bytes and one access to memory; more
/// lie in a block of the shared arena. A block doubles when it is full, and the block left behind serves the
/// next set that grows to its size.
///
/// Rows mostly arrive with the latest day (nothing to do) or a later one (append a gap). A day in between walks back
/// over the gaps; a set that would need a walk of more than [`LONGEST_WALK`] becomes a sorted list instead.
///
/// A gap is written seven bits a byte, least first, with the top bit set on every byte but the first: it can
/// then be read from either end, and the bytes whose top bit is clear are as many as the gaps.
#[derive(Debug, Clone)]
pub(super) struct DaySets {
    sets: Vec<Set>,
    arena: Vec<u8>,
    /// For each size of block the first one free; a free block's first bytes say which is the next.
    free: [u32; SIZES],
    /// Sets of many days that came out of order, sorted.
    lists: Vec<Vec<i32>>,
    /// Bytes of `lists`' contents.
    listed: usize,
    /// Days of a partial state while it is merged.
    scratch: Vec<i32>,
}

#[derive(Debug, Clone, Copy)]
struct Set {
    latest: i32,
    gaps: Gaps,
}

#[derive(Debug, Clone, Copy)]
enum Gaps {
    /// Of a set without any day.
    Empty,
    Short {
        length: u8,
        bytes: [u8; SHORT],
    },
    /// A block of 2^size bytes, of which `length` are used; `start` counts units of [`UNIT`] bytes.
    Block {
        size: u8,
        start: u32,
        length: u32,
    },
    /// The number of a list, which holds every day of the set.
    List(u32),
}

const NO_GAPS: Gaps = Gaps::Short {
    length: 0,
    bytes: [0; SHORT],
};
/// What fits beside the latest day in 16 bytes.
const SHORT: usize = 10;
/// The smallest block.
const UNIT: usize = 16;
const SIZES: usize = 32;
/// The end of a list of free blocks.
const END: u32 = u32::MAX;
const LONGEST_WALK: usize = 64;

/// More days than an arena addresses: 2^32 units, 64 GiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ArenaFull;

/// Why a partial state could not be merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MergeError {
    /// The bytes are not what [`DaySets::take_states`] writes.
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
            lists: Vec::new(),
            listed: 0,
            scratch: Vec::new(),
        }
    }

    pub(super) fn resize(&mut self, count: usize) {
        if count > self.sets.len() {
            self.sets.resize(
                count,
                Set {
                    latest: 0,
                    gaps: Gaps::Empty,
                },
            );
        }
    }

    /// Bytes held.
    pub(super) fn size(&self) -> usize {
        self.sets.capacity() * size_of::<Set>()
            + self.arena.capacity()
            + self.lists.capacity() * size_of::<Vec<i32>>()
            + self.listed
            + self.scratch.capacity() * size_of::<i32>()
    }

    /// Adds a day to a set; nothing happens if it is in it.
    #[inline]
    pub(super) fn insert(&mut self, set: usize, day: i32) -> Result<(), ArenaFull> {
        let Set { latest, gaps } = &mut self.sets[set];
        match gaps {
            Gaps::Empty => {
                self.sets[set] = Set {
                    latest: day,
                    gaps: NO_GAPS,
                };
                Ok(())
            }
            Gaps::List(list) => {
                let list = *list as usize;
                self.insert_listed(list, day);
                Ok(())
            }
            _ if day == *latest => Ok(()),
            _ if day > *latest => {
                let gap = Gap::between(*latest, day);
                *latest = day;
                // By far the most frequent way of growing, without the general one's detours.
                if let Gaps::Short { length, bytes } = gaps
                    && let Some(place) =
                        bytes[usize::from(*length)..].get_mut(..gap.as_bytes().len())
                {
                    place.copy_from_slice(gap.as_bytes());
                    *length += gap.length;
                    return Ok(());
                }
                let end = self.gaps(set).len();
                self.splice(set, end, 0, gap.as_bytes())
            }
            _ => self.insert_between(set, day),
        }
    }

    fn insert_listed(&mut self, list: usize, day: i32) {
        let days = &mut self.lists[list];
        if let Err(place) = days.binary_search(&day) {
            self.listed -= days.capacity() * size_of::<i32>();
            days.insert(place, day);
            self.listed += days.capacity() * size_of::<i32>();
        }
    }

    /// Adds a day before the latest one.
    fn insert_between(&mut self, set: usize, day: i32) -> Result<(), ArenaFull> {
        let gaps = self.gaps(set);
        let mut later = self.sets[set].latest;
        let mut end = gaps.len();
        for _ in 0..LONGEST_WALK {
            let Some((start, gap)) = last_gap(&gaps[..end]) else {
                // Earlier than every day of the set.
                let gap = Gap::between(day, later);
                return self.splice(set, 0, 0, gap.as_bytes());
            };
            let earlier = later.wrapping_sub(gap);
            if earlier == day {
                return Ok(());
            }
            if earlier < day {
                let (before, after) = (Gap::between(earlier, day), Gap::between(day, later));
                let mut both = [0; 2 * Gap::LONGEST];
                let (first, second) = (before.as_bytes(), after.as_bytes());
                both[..first.len()].copy_from_slice(first);
                both[first.len()..][..second.len()].copy_from_slice(second);
                return self.splice(set, start, end - start, &both[..first.len() + second.len()]);
            }
            later = earlier;
            end = start;
        }
        let list = self.list_from(set)?;
        self.insert_listed(list, day);
        Ok(())
    }

    fn gaps(&self, set: usize) -> &[u8] {
        match &self.sets[set].gaps {
            Gaps::Short { length, bytes } => &bytes[..usize::from(*length)],
            Gaps::Block { start, length, .. } => &self.arena[place(*start)..][..*length as usize],
            Gaps::Empty | Gaps::List(_) => &[],
        }
    }

    /// Replaces `removed` bytes at `at` in a set's gaps by `bytes`.
    fn splice(
        &mut self,
        set: usize,
        at: usize,
        removed: usize,
        bytes: &[u8],
    ) -> Result<(), ArenaFull> {
        let old = self.gaps(set).len();
        let new = old - removed + bytes.len();
        let room = match self.sets[set].gaps {
            Gaps::Block { size, .. } => 1_usize << size,
            _ => SHORT,
        };
        if new > room {
            self.move_to_block(set, new)?;
        }
        let gaps = match &mut self.sets[set].gaps {
            Gaps::Short { length, bytes } => {
                *length = new as u8;
                &mut bytes[..]
            }
            Gaps::Block {
                size,
                start,
                length,
            } => {
                *length = new as u32;
                &mut self.arena[place(*start)..][..1 << *size]
            }
            Gaps::Empty | Gaps::List(_) => return Ok(()),
        };
        if at + removed < old {
            gaps.copy_within(at + removed..old, at + bytes.len());
        }
        gaps[at..][..bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    /// Moves a set's gaps to a block with room for `bytes`.
    fn move_to_block(&mut self, set: usize, bytes: usize) -> Result<(), ArenaFull> {
        let (size, start) = self.allocate(bytes)?;
        let to = place(start);
        match self.sets[set].gaps {
            Gaps::Short { length, bytes } => {
                let length = usize::from(length);
                self.arena[to..][..length].copy_from_slice(&bytes[..length]);
            }
            Gaps::Block { start, length, .. } => {
                let from = place(start);
                self.arena.copy_within(from..from + length as usize, to);
            }
            Gaps::Empty | Gaps::List(_) => {}
        }
        let length = self.gaps(set).len() as u32;
        self.release(set);
        self.sets[set].gaps = Gaps::Block {
            size,
            start,
            length,
        };
        Ok(())
    }

    fn allocate(&mut self, bytes: usize) -> Result<(u8, u32), ArenaFull> {
        let room = bytes.next_power_of_two().max(UNIT);
        let size = room.trailing_zeros() as u8;
        let first = self.free.get(usize::from(size)).copied().ok_or(ArenaFull)?;
        if first != END {
            self.free[usize::from(size)] = self.next_free(first);
            return Ok((size, first));
        }
        let start = self.arena.len();
        let unit = u32::try_from(start / UNIT)
            .ok()
            .filter(|unit| *unit != END)
            .ok_or(ArenaFull)?;
        if start + room > self.arena.capacity() {
            // By half instead of doubling: the slack counts against the memory limit.
            self.arena.reserve_exact((start / 2).max(room).max(1 << 12));
        }
        self.arena.resize(start + room, 0);
        Ok((size, unit))
    }

    fn next_free(&self, block: u32) -> u32 {
        let mut next = [0; size_of::<u32>()];
        next.copy_from_slice(&self.arena[place(block)..][..size_of::<u32>()]);
        u32::from_le_bytes(next)
    }

    /// Gives back what a set holds outside of its 16 bytes.
    fn release(&mut self, set: usize) {
        match self.sets[set].gaps {
            Gaps::Block { size, start, .. } => {
                let next = std::mem::replace(&mut self.free[usize::from(size)], start);
                self.arena[place(start)..][..size_of::<u32>()].copy_from_slice(&next.to_le_bytes());
            }
            Gaps::List(list) => {
                let days = std::mem::take(&mut self.lists[list as usize]);
                self.listed -= days.capacity() * size_of::<i32>();
            }
            Gaps::Empty | Gaps::Short { .. } => {}
        }
    }

    fn list_from(&mut self, set: usize) -> Result<usize, ArenaFull> {
        let number = u32::try_from(self.lists.len()).map_err(|_| ArenaFull)?;
        let mut days = Vec::new();
        days_back(self.sets[set].latest, self.gaps(set), &mut days);
        days.reverse();
        self.release(set);
        self.sets[set].gaps = Gaps::List(number);
        self.listed += days.capacity() * size_of::<i32>();
        self.lists.push(days);
        Ok(number as usize)
    }

    /// The number of days in each of the first `count` sets, which are then gone.
    pub(super) fn take_counts(&mut self, count: usize) -> Vec<i64> {
        let counts = (0..count)
            .map(|set| match self.sets[set].gaps {
                Gaps::Empty => 0,
                Gaps::List(list) => self.lists[list as usize].len() as i64,
                _ => 1 + self.gaps(set).iter().filter(|byte| **byte < NEXT).count() as i64,
            })
            .collect();
        self.forget(count);
        counts
    }

    /// The first `count` sets as columns, which are then gone: the latest day, null for none, and the gaps.
    pub(super) fn take_states(&mut self, count: usize) -> (Date32Array, LargeBinaryArray) {
        let mut latest = Vec::with_capacity(count);
        let mut gaps = LargeBinaryBuilder::with_capacity(count, 0);
        for (
            set,
            Set {
                latest: day,
                gaps: held,
            },
        ) in self.sets[..count].iter().enumerate()
        {
            match held {
                Gaps::List(list) => {
                    let days = &self.lists[*list as usize];
                    latest.push(days.last().copied().unwrap_or_default());
                    let bytes: Vec<u8> = days
                        .windows(2)
                        .flat_map(|pair| Gap::between(pair[0], pair[1]).as_bytes().to_vec())
                        .collect();
                    gaps.append_value(&bytes);
                }
                _ => {
                    latest.push(*day);
                    gaps.append_value(self.gaps(set));
                }
            }
        }
        let nulls: NullBuffer = self.sets[..count]
            .iter()
            .map(|set| !matches!(set.gaps, Gaps::Empty))
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
        for set in 0..count {
            self.release(set);
        }
        self.sets.drain(..count);
    }

    /// Adds what [`Self::take_states`] gave of another set.
    pub(super) fn merge(&mut self, set: usize, latest: i32, gaps: &[u8]) -> Result<(), MergeError> {
        check(gaps)?;
        if matches!(self.sets[set].gaps, Gaps::Empty) {
            self.sets[set] = Set {
                latest,
                gaps: NO_GAPS,
            };
            return Ok(self.splice(set, 0, 0, gaps)?);
        }
        let mut days = std::mem::take(&mut self.scratch);
        days.clear();
        days_back(latest, gaps, &mut days);
        // From the earliest on, so that days after the set's own are appended.
        let merged = days.iter().rev().try_for_each(|day| self.insert(set, *day));
        self.scratch = days;
        Ok(merged?)
    }
}

fn place(unit: u32) -> usize {
    unit as usize * UNIT
}
