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
    ordered_fold_in(CHUNK_ROWS, rows, zero, part, combine)
}

/// [`ordered_fold`] over chunks of another size, for rows that are dearer than most.
pub(crate) fn ordered_fold_in<A: Send>(
    chunk_rows: usize,
    rows: usize,
    zero: A,
    part: impl Fn(Range<usize>) -> A + Sync,
    combine: impl Fn(A, A) -> A,
) -> A {
    let chunks = rows.div_ceil(chunk_rows);
    let range = |chunk: usize| chunk * chunk_rows..((chunk + 1) * chunk_rows).min(rows);
    let parts: Vec<A> = (0..chunks)
        .into_par_iter()
        .map(|chunk| part(range(chunk)))
        .collect();
    parts.into_iter().fold(zero, combine)
}
