//! A few customers out of many, the same ones in every run.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Float64Type, Schema};
use datafusion::error::DataFusionError;

/// The customers with the least hash of their id, whatever the order in which they come. Holds twice as many at most.
pub(super) struct Sample {
    rows: usize,
    kept: Vec<Drawn>,
    /// A hash above it has no place any more.
    bound: u64,
}

/// A customer's features; NaN where one is unknown.
struct Drawn {
    hash: u64,
    features: Box<[f64]>,
}

impl Sample {
    /// Of at most `rows` customers.
    pub(super) fn new(rows: usize) -> Self {
        Self {
            rows,
            kept: Vec::new(),
            bound: u64::MAX,
        }
    }

    /// Looks at customers: the id as text, and doubles.
    pub(super) fn add(&mut self, batch: &RecordBatch) -> Result<(), DataFusionError> {
        let Some((ids, features)) = batch.columns().split_first() else {
            return Ok(());
        };
        let ids = arrow::compute::cast(ids, &DataType::Utf8View)?;
        let features: Vec<&Float64Array> = features
            .iter()
            .map(|column| column.as_primitive_opt::<Float64Type>())
            .collect::<Option<_>>()
            .ok_or_else(|| DataFusionError::Internal("a feature is no double".to_owned()))?;
        for (row, id) in ids.as_string_view().iter().enumerate() {
            let Some(hash) = id.map(hash).filter(|hash| *hash <= self.bound) else {
                continue;
            };
            let value = |column: &&Float64Array| {
                if column.is_null(row) {
                    f64::NAN
                } else {
                    column.value(row)
                }
            };
            let features = features.iter().map(value).collect();
            self.kept.push(Drawn { hash, features });
            if self.kept.len() >= 2 * self.rows {
                self.cut();
            }
        }
        Ok(())
    }

    fn cut(&mut self) {
        if self.kept.len() <= self.rows || self.rows == 0 {
            self.kept.truncate(self.rows);
            return;
        }
        let (_, last, _) = self.kept.select_nth_unstable_by(self.rows - 1, compare);
        self.bound = last.hash;
        self.kept.truncate(self.rows);
    }

    /// The features of those drawn, under their names; null where one is unknown.
    pub(super) fn finish(mut self, names: &[String]) -> Result<RecordBatch, DataFusionError> {
        self.cut();
        self.kept.sort_unstable_by(compare);
        let fields: Vec<Field> = names
            .iter()
            .map(|name| Field::new(name, DataType::Float64, true))
            .collect();
        let columns = (0..names.len()).map(|column| {
            let values = self
                .kept
                .iter()
                .map(|drawn| drawn.features.get(column).copied());
            let known: Float64Array = values.map(|value| value.filter(|v| !v.is_nan())).collect();
            Arc::new(known) as ArrayRef
        });
        Ok(RecordBatch::try_new(
            Arc::new(Schema::new(fields)),
            columns.collect(),
        )?)
    }
}

/// By hash, then by features, so that even equal hashes give the same sample.
fn compare(a: &Drawn, b: &Drawn) -> Ordering {
    let features = || {
        let pairs = a.features.iter().zip(&b.features);
        let mut orders = pairs.map(|(a, b)| a.total_cmp(b));
        orders
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
    };
    a.hash.cmp(&b.hash).then_with(features)
}

/// FNV-1a of the bytes, with the bits mixed by the end of SplitMix64, so that ids which count up are spread evenly. It never
/// changes: the sample would.
fn hash(id: &str) -> u64 {
    let folded = id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let mixed = (folded ^ (folded >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use arrow::array::StringArray;

    use super::*;

    fn batch(customers: std::ops::Range<u32>) -> RecordBatch {
        let ids: StringArray = customers.clone().map(|i| Some(format!("c{i}"))).collect();
        let values: Float64Array = customers
            .map(|i| (i % 7 != 0).then_some(f64::from(i)))
            .collect();
        RecordBatch::try_from_iter([
            ("customer_id", Arc::new(ids) as ArrayRef),
            ("value", Arc::new(values) as ArrayRef),
        ])
        .unwrap()
    }

    fn drawn(rows: usize, batches: &[RecordBatch]) -> RecordBatch {
        let mut sample = Sample::new(rows);
        for batch in batches {
            sample.add(batch).unwrap();
        }
        sample.finish(&["value".to_owned()]).unwrap()
    }

    #[test]
    fn the_same_customers_are_drawn_in_any_order() {
        let first = drawn(100, &[batch(0..3000), batch(3000..10_000)]);
        assert_eq!(first.num_rows(), 100);
        assert_eq!(
            first,
            drawn(100, &[batch(5000..10_000), batch(0..2), batch(2..5000)])
        );
        // About a seventh of them unknown, and about half from the first half.
        let values = first.column(0).as_primitive::<Float64Type>();
        assert!(
            (5..25).contains(&values.null_count()),
            "{}",
            values.null_count()
        );
        let low = values
            .iter()
            .flatten()
            .filter(|value| *value < 5000.0)
            .count();
        assert!((30..60).contains(&low), "{low}");
    }

    #[test]
    fn who_was_drawn_mostly_stays_when_others_come() {
        let before = drawn(100, &[batch(1..7)]);
        assert_eq!(before.num_rows(), 6);
        let few = drawn(500, &[batch(0..10_000)]);
        let more = drawn(500, &[batch(0..11_000)]);
        let values = |sample: &RecordBatch| {
            let column = sample.column(0).as_primitive::<Float64Type>().clone();
            column
                .iter()
                .flatten()
                .map(|v| v as u32)
                .collect::<std::collections::BTreeSet<_>>()
        };
        let stayed = values(&few).intersection(&values(&more)).count();
        assert!(stayed > 350, "{stayed}");
        assert_eq!(drawn(0, &[batch(0..10)]).num_rows(), 0);
    }

    #[test]
    fn the_hash_never_changes() {
        assert_eq!(hash(""), 0xf52a_15e9_a9b5_e89b);
        assert_eq!(hash("17850"), hash("17850"));
    }
}
