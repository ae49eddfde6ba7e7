//! Aggregates of the rows of a partition: of all, or for each row of those up to it or from it on.

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Int64Array, PrimitiveArray, RecordBatch, UInt64Array, make_comparator,
};
use arrow::compute::{SortOptions, take};
use arrow::datatypes::{
    ArrowNativeTypeOp, ArrowPrimitiveType, DataType, Decimal128Type, Int64Type, Schema,
};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::WindowFrame;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_expr::window::SlidingAggregateWindowExpr;
use datafusion::physical_plan::windows::{PlainAggregateWindowExpr, WindowExpr};

use super::frames::{ends_with_partition, ends_with_row, starts_with_partition, starts_with_row};

/// An aggregate whose values are worked out here.
#[derive(Debug, Clone)]
pub(super) struct Aggregate {
    function: Function,
    frame: Frame,
    of: Arc<dyn PhysicalExpr>,
}

impl Aggregate {
    /// `None` where `window`, which is of rows of `input`, takes the engine.
    pub(super) fn of(window: &Arc<dyn WindowExpr>, input: &Schema) -> Option<Self> {
        let aggregate = aggregate_of(window)?;
        let frame = Frame::of(window.get_window_frame())?;
        let arguments = aggregate.expressions();
        let [of] = arguments.as_slice() else {
            return None;
        };
        if aggregate.is_distinct() || has_filter(window) {
            return None;
        }
        let given = of.data_type(input).ok()?;
        // From the row on the engine compares floats in another way.
        if frame == Frame::FromRow && given.is_floating() {
            return None;
        }
        let made = aggregate.field();
        Some(Self {
            function: Function::of(aggregate.fun().name(), &given, made.data_type())?,
            frame,
            of: Arc::clone(of),
        })
    }

    /// For each of `rows`, which lie in `partitions`.
    pub(super) fn evaluate(
        &self,
        rows: &RecordBatch,
        partitions: &[Range<usize>],
    ) -> Result<ArrayRef> {
        let values = self.of.evaluate(rows)?.into_array(rows.num_rows())?;
        self.function.evaluate(&values, self.frame, partitions)
    }
}

/// Rows of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Frame {
    Whole,
    UpToRow,
    FromRow,
}

impl Frame {
    fn of(frame: &WindowFrame) -> Option<Self> {
        if starts_with_partition(frame) && ends_with_partition(frame) {
            Some(Self::Whole)
        } else if starts_with_partition(frame) && ends_with_row(frame) {
            Some(Self::UpToRow)
        } else if starts_with_row(frame) && ends_with_partition(frame) {
            Some(Self::FromRow)
        } else {
            None
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Function {
    Count,
    Sum,
    /// Of decimals, with precision and scale of the sum. Like the engine's it is not held against its precision.
    DecimalSum(u8, i8),
    /// False comes before true, so that this is `bool_and` too.
    Min,
    /// And this `bool_or`.
    Max,
}

impl Function {
    /// The engine's function `name` of values of the type `given`, which makes the type `made`.
    fn of(name: &str, given: &DataType, made: &DataType) -> Option<Self> {
        let is_ordered = given == made && has_order(given);
        match (name, given, made) {
            ("count", _, DataType::Int64) => Some(Self::Count),
            ("sum", DataType::Int64, DataType::Int64) => Some(Self::Sum),
            ("sum", DataType::Decimal128(_, given), DataType::Decimal128(precision, scale))
                if given == scale =>
            {
                Some(Self::DecimalSum(*precision, *scale))
            }
            ("min", _, _) if is_ordered => Some(Self::Min),
            ("max", _, _) if is_ordered => Some(Self::Max),
            ("bool_and", DataType::Boolean, DataType::Boolean) => Some(Self::Min),
            ("bool_or", DataType::Boolean, DataType::Boolean) => Some(Self::Max),
            _ => None,
        }
    }

    fn evaluate(
        self,
        values: &ArrayRef,
        frame: Frame,
        partitions: &[Range<usize>],
    ) -> Result<ArrayRef> {
        let column: ArrayRef = match self {
            Self::Count => {
                let nulls = values.logical_nulls();
                let is_null = |row: usize| nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
                let count = |counted: i64, row: usize| counted + i64::from(!is_null(row));
                Arc::new(Int64Array::from(folded(partitions, frame, 0_i64, count)))
            }
            Self::Sum => Arc::new(sums::<Int64Type>(values, frame, partitions)?),
            Self::DecimalSum(precision, scale) => {
                let sums = sums::<Decimal128Type>(values, frame, partitions)?;
                Arc::new(sums.with_precision_and_scale(precision, scale)?)
            }
            Self::Min => extremes(values, Ordering::Less, frame, partitions)?,
            Self::Max => extremes(values, Ordering::Greater, frame, partitions)?,
        };
        Ok(column)
    }
}

/// For each row what `next` makes of the rows of its partition in `frame`, from `start` on in each partition.
fn folded<T: Copy>(
    partitions: &[Range<usize>],
    frame: Frame,
    start: T,
    next: impl Fn(T, usize) -> T,
) -> Vec<T> {
    let mut states: Vec<T> = Vec::with_capacity(partitions.last().map_or(0, |last| last.end));
    for partition in partitions {
        let before = states.len();
        let states_of = |state: &mut T, row: usize| {
            *state = next(*state, row);
            Some(*state)
        };
        match frame {
            Frame::Whole => {
                let state = partition.clone().fold(start, &next);
                states.extend(std::iter::repeat_n(state, partition.len()));
            }
            Frame::UpToRow => states.extend(partition.clone().scan(start, states_of)),
            Frame::FromRow => {
                states.extend(partition.clone().rev().scan(start, states_of));
                if let Some(own) = states.get_mut(before..) {
                    own.reverse();
                }
            }
        }
    }
    states
}

/// Sums of what is not null; null where nothing is. What is too large wraps, as the engine's does.
fn sums<T: ArrowPrimitiveType>(
    values: &ArrayRef,
    frame: Frame,
    partitions: &[Range<usize>],
) -> Result<PrimitiveArray<T>> {
    let Some(values) = values.as_primitive_opt::<T>() else {
        let error = format!("{} instead of {}", values.data_type(), T::DATA_TYPE);
        return Err(DataFusionError::Internal(error));
    };
    let add = |sum: Option<T::Native>, row: usize| {
        if values.is_null(row) {
            return sum;
        }
        let value: T::Native = values.value(row);
        Some(sum.map_or(value, |sum| sum.add_wrapping(value)))
    };
    let sums: Vec<Option<T::Native>> = folded(partitions, frame, None, add);
    Ok(sums.into_iter().collect())
}

/// The least or greatest of what is not null; null where nothing is.
fn extremes(
    values: &ArrayRef,
    wanted: Ordering,
    frame: Frame,
    partitions: &[Range<usize>],
) -> Result<ArrayRef> {
    let compare = make_comparator(values.as_ref(), values.as_ref(), SortOptions::default())?;
    let better = |best: Option<usize>, row: usize| {
        if values.is_null(row) {
            return best;
        }
        match best {
            Some(best) if compare(row, best) != wanted => Some(best),
            _ => Some(row),
        }
    };
    let rows: Vec<Option<usize>> = folded(partitions, frame, None, better);
    let rows: UInt64Array = rows
        .into_iter()
        .map(|row| row.map(|row| row as u64))
        .collect();
    Ok(take(values.as_ref(), &rows, None)?)
}

/// Whether the engine orders values as [`make_comparator`] does, with no two that are equal and yet not the same.
fn has_order(data_type: &DataType) -> bool {
    data_type.is_integer()
        || matches!(
            data_type,
            DataType::Boolean
                | DataType::Float32
                | DataType::Float64
                | DataType::Date32
                | DataType::Timestamp(_, _)
                | DataType::Decimal128(_, _)
                | DataType::Utf8
                | DataType::LargeUtf8
                | DataType::Utf8View
        )
}

fn aggregate_of(window: &Arc<dyn WindowExpr>) -> Option<&AggregateFunctionExpr> {
    if let Some(plain) = window.as_any().downcast_ref::<PlainAggregateWindowExpr>() {
        return Some(plain.get_aggregate_expr());
    }
    let sliding = window
        .as_any()
        .downcast_ref::<SlidingAggregateWindowExpr>()?;
    Some(sliding.get_aggregate_expr())
}

/// Whether rows are filtered before they are aggregated. Only what is printed of a window tells: what does not end as one without
/// a filter does is taken to have one.
fn has_filter(window: &Arc<dyn WindowExpr>) -> bool {
    !format!("{window:?}").ends_with("filter: None }")
}
