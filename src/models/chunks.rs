//! Parallel sums whose bits do not depend on the number of threads.

use std::ops::Range;

use rayon::prelude::*;

/// Small enough that a million rows keep sixteen cores busy, large enough that the cost of a task is nothing beside it.
const CHUNK_ROWS: usize = 8192;

/// Folds `part(chunk)` over the chunks of `0..rows` in chunk order; the parts are computed in the calling pool.
pub(crate) fn ordered_fold<A: Send>(
    rows: usize,
    zero: A,
    part: impl Fn(Range<usize>) -> A + Sync,
    combine: impl Fn(A, A) -> A,
) -> A {
    ordered_fold_by(CHUNK_ROWS, rows, zero, part, combine)
}

/// [`ordered_fold`] with chunks of another size, for rows that are dearer than most. The size decides the bits.
pub(crate) fn ordered_fold_by<A: Send>(
    chunk_rows: usize,
    rows: usize,
    zero: A,
    part: impl Fn(Range<usize>) -> A + Sync,
    combine: impl Fn(A, A) -> A,
) -> A {
    if rows <= chunk_rows {
        // The same sum without the cost of a task, which is felt where there are many small sums.
        return if rows == 0 {
            zero
        } else {
            combine(zero, part(0..rows))
        };
    }
    let chunks = rows.div_ceil(chunk_rows);
    let range = |chunk: usize| chunk * chunk_rows..((chunk + 1) * chunk_rows).min(rows);
    let parts: Vec<A> = (0..chunks)
        .into_par_iter()
        .map(|chunk| part(range(chunk)))
        .collect();
    parts.into_iter().fold(zero, combine)
}
