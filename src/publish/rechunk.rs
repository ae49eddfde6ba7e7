//! Cuts a stream of batches at fixed rows, wherever it was cut before.

use std::collections::VecDeque;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::error::ArrowError;

/// Rows of a chunk. Parquet's encoder decides about pages after each array it is given, so the
/// arrays must be cut the same way for the same rows. Equal to DataFusion's batch size, so that its
/// full batches pass without a copy.
pub(super) const CHUNK_ROWS: usize = 8192;

/// Turns batches of any size into batches of exactly [`CHUNK_ROWS`], and a last one of what is
/// left.
#[derive(Debug, Default)]
pub(super) struct Rechunker {
    pending: VecDeque<RecordBatch>,
    pending_rows: usize,
}

impl Rechunker {
    pub(super) fn push(&mut self, batch: RecordBatch) {
        if batch.num_rows() > 0 {
            self.pending_rows += batch.num_rows();
            self.pending.push_back(batch);
        }
    }

    /// The next full chunk, if there is one.
    pub(super) fn next_full(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        if self.pending_rows < CHUNK_ROWS {
            Ok(None)
        } else {
            self.take(CHUNK_ROWS)
        }
    }

    /// What is left when no more batches come, after all full chunks were taken.
    pub(super) fn rest(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        if self.pending_rows == 0 {
            Ok(None)
        } else {
            self.take(self.pending_rows)
        }
    }

    fn take(&mut self, rows: usize) -> Result<Option<RecordBatch>, ArrowError> {
        let mut parts = Vec::new();
        let mut missing = rows;
        while missing > 0 {
            let Some(batch) = self.pending.pop_front() else {
                break;
            };
            let taken = batch.num_rows().min(missing);
            if taken < batch.num_rows() {
                self.pending
                    .push_front(batch.slice(taken, batch.num_rows() - taken));
            }
            parts.push(batch.slice(0, taken));
            missing -= taken;
        }
        self.pending_rows -= rows - missing;
        match parts.as_slice() {
            [] => Ok(None),
            [whole] => Ok(Some(whole.clone())),
            [first, ..] => concat_batches(first.schema_ref(), &parts).map(Some),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, AsArray, Int64Array};
    use arrow::datatypes::Int64Type;

    use super::*;

    fn batch(range: std::ops::Range<i64>) -> RecordBatch {
        let column: ArrayRef = Arc::new(Int64Array::from_iter_values(range));
        RecordBatch::try_from_iter([("n", column)]).unwrap()
    }

    #[test]
    fn chunks_are_cut_at_the_same_rows_however_batches_came() {
        let total = 2 * CHUNK_ROWS as i64 + 5;
        for step in [1, 1000, CHUNK_ROWS as i64, total] {
            let mut rechunker = Rechunker::default();
            let mut chunks = Vec::new();
            let mut start = 0;
            while start < total {
                rechunker.push(batch(start..(start + step).min(total)));
                start += step;
                while let Some(chunk) = rechunker.next_full().unwrap() {
                    chunks.push(chunk);
                }
            }
            chunks.extend(rechunker.rest().unwrap());
            let sizes: Vec<usize> = chunks.iter().map(RecordBatch::num_rows).collect();
            assert_eq!(sizes, [CHUNK_ROWS, CHUNK_ROWS, 5], "step {step}");
            let values: Vec<i64> = chunks
                .iter()
                .flat_map(|c| c.column(0).as_primitive::<Int64Type>().values().to_vec())
                .collect();
            assert_eq!(values, (0..total).collect::<Vec<_>>(), "step {step}");
            assert_eq!(rechunker.rest().unwrap(), None);
        }
    }
}
