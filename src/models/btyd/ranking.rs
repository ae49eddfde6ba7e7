//! Distinct values by rank, so that rows of few distinct values sort and look up as small integers.

use rayon::prelude::*;

use super::summaries::SummariesError;

/// The distinct values of a column, ascending.
pub(super) struct Ranking<T = u64> {
    pub(super) values: Vec<T>,
}

impl<T: Ord + Copy + Send> Ranking<T> {
    /// Of `value(row)` over all rows. Times are ranked by their bits, which order as they do when none is negative.
    pub(super) fn new<R: Sync>(
        rows: &[R],
        value: impl Fn(&R) -> T + Sync,
    ) -> Result<Self, SummariesError> {
        /// Few enough to sort in the cache; most duplicates end here.
        const BLOCK: usize = 1 << 14;
        let blocks: Vec<Vec<T>> = rows
            .par_chunks(BLOCK)
            .map(|block| {
                let mut values: Vec<T> = block.iter().map(&value).collect();
                values.sort_unstable();
                values.dedup();
                values
            })
            .collect();
        let mut values = blocks.concat();
        values.par_sort_unstable();
        values.dedup();
        values.shrink_to_fit();
        if u32::try_from(values.len()).is_err() {
            return Err(SummariesError::TooMany);
        }
        Ok(Self { values })
    }

    /// The position of a value that is among them.
    #[inline]
    pub(super) fn rank(&self, value: T) -> u64 {
        self.values.partition_point(|other| *other < value) as u64
    }

    /// How many bits a rank needs.
    pub(super) fn bits(&self) -> u32 {
        usize::BITS - self.values.len().saturating_sub(1).leading_zeros()
    }
}
