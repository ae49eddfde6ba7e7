//! Windows in one pass over the rows of many whole partitions.
//!
//! The engine slices a partition's columns and makes an evaluator of each function for it, some microseconds a partition whatever
//! it holds. What is here needs nothing but where partitions begin and end: the rows are the engine's, value for value.

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int64Array, PrimitiveArray, RecordBatch, UInt64Array,
    make_comparator,
};
use arrow::compute::{SortOptions, take};
use arrow::datatypes::{
    ArrowNativeTypeOp, ArrowPrimitiveType, DataType, Decimal128Type, Int64Type, Schema,
};
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{WindowFrame, WindowFrameBound, WindowFrameUnits};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Literal;
use datafusion::physical_expr::window::StandardWindowFunctionExpr;
use datafusion::physical_plan::windows::{
    PlainAggregateWindowExpr, StandardWindowExpr, WindowExpr, WindowUDFExpr,
};

/// How far `lag` and `lead` may look.
const FARTHEST: usize = 1_000_000;

/// The windows of a plan, all of which are worked out here.
#[derive(Debug, Clone)]
pub(super) struct Direct {
    windows: Vec<Window>,
}

impl Direct {
    /// `None` where one of `windows`, which are of rows of `input`, takes the engine. Taken are `row_number`; `lag` and `lead`
    /// without a default; `first_value` and `last_value` of frames of which that is the first, the last or the current row of the
    /// partition; and of the rows up to the current one, counted by rows, `count`, `sum` of whole numbers and decimals, and
    /// `min` and `max` of what has one order. None is taken that leaves out nulls, duplicates or filtered rows.
    pub(super) fn of(windows: &[Arc<dyn WindowExpr>], input: &Schema) -> Option<Self> {
        let partitions = windows.first()?.partition_by();
        if !windows.iter().all(|of| of.partition_by() == partitions) {
            return None;
        }
        let windows: Option<Vec<Window>> = windows.iter().map(|of| Window::of(of, input)).collect();
        Some(Self { windows: windows? })
    }

    /// The columns of the windows for `rows`, which lie in `partitions`: these are whole and hold every row, in order.
    pub(super) fn evaluate(
        &self,
        rows: &RecordBatch,
        partitions: &[Range<usize>],
    ) -> Result<Vec<ArrayRef>> {
        let windows = self.windows.iter();
        windows.map(|of| of.evaluate(rows, partitions)).collect()
    }
}

#[derive(Debug, Clone)]
enum Window {
    RowNumber,
    /// The value that a row of the partition has.
    Value(Place, Arc<dyn PhysicalExpr>),
    /// Of the rows of the partition up to each.
    Running(Aggregate, Arc<dyn PhysicalExpr>),
}

impl Window {
    fn of(window: &Arc<dyn WindowExpr>, input: &Schema) -> Option<Self> {
        let frame = window.get_window_frame();
        if let Some(standard) = window.as_any().downcast_ref::<StandardWindowExpr>() {
            let function = standard.get_standard_func_expr();
            let function = function.as_any().downcast_ref::<WindowUDFExpr>()?;
            return Self::of_function(function, frame, input);
        }
        let aggregate = window.as_any().downcast_ref::<PlainAggregateWindowExpr>()?;
        Self::of_aggregate(aggregate, frame, input)
    }

    fn of_function(function: &WindowUDFExpr, frame: &WindowFrame, input: &Schema) -> Option<Self> {
        if function.fun().name() == "row_number" {
            return Some(Self::RowNumber);
        }
        let place = Place::of(function, frame)?;
        let arguments = function.expressions();
        let [of] = arguments.as_slice() else {
            return None;
        };
        let made = function.field().ok()?;
        let is_same = of.data_type(input).ok()? == *made.data_type();
        is_same.then(|| Self::Value(place, Arc::clone(of)))
    }

    fn of_aggregate(
        window: &PlainAggregateWindowExpr,
        frame: &WindowFrame,
        input: &Schema,
    ) -> Option<Self> {
        let aggregate = window.get_aggregate_expr();
        let arguments = aggregate.expressions();
        let [of] = arguments.as_slice() else {
            return None;
        };
        if !(starts_with_partition(frame) && ends_with_row(frame))
            || aggregate.is_distinct()
            || has_filter(window)
        {
            return None;
        }
        let given = of.data_type(input).ok()?;
        let field = aggregate.field();
        let made = field.data_type();
        let running = match (aggregate.fun().name(), &given, made) {
            ("count", _, DataType::Int64) => Aggregate::Count,
            ("sum", DataType::Int64, DataType::Int64) => Aggregate::Sum,
            ("sum", DataType::Decimal128(_, given), DataType::Decimal128(precision, scale))
                if given == scale =>
            {
                Aggregate::DecimalSum(*precision, *scale)
            }
            ("min", given, made) if given == made && has_one_order(given) => Aggregate::Min,
            ("max", given, made) if given == made && has_one_order(given) => Aggregate::Max,
            _ => return None,
        };
        Some(Self::Running(running, Arc::clone(of)))
    }

    fn evaluate(&self, rows: &RecordBatch, partitions: &[Range<usize>]) -> Result<ArrayRef> {
        let values = |of: &Arc<dyn PhysicalExpr>| of.evaluate(rows)?.into_array(rows.num_rows());
        match self {
            Self::RowNumber => {
                let numbers = partitions
                    .iter()
                    .flat_map(|partition| (1_u64..).take(partition.len()));
                Ok(Arc::new(UInt64Array::from_iter_values(numbers)))
            }
            Self::Value(place, of) => place.values(&values(of)?, partitions),
            Self::Running(aggregate, of) => aggregate.running(&values(of)?, partitions),
        }
    }
}

/// A row of the partition, as seen from each of its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    First,
    Current,
    Last,
    Before(usize),
    After(usize),
}

impl Place {
    fn of(function: &WindowUDFExpr, frame: &WindowFrame) -> Option<Self> {
        match function.fun().name() {
            "lag" | "lead" => Self::shifted(function),
            "first_value" if keeps_nulls(function) => Self::first(frame),
            "last_value" if keeps_nulls(function) => Self::last(frame),
            _ => None,
        }
    }

    /// Where `lag` or `lead` looks. The engine may have turned its order round, and it may leave out nulls. Neither can be asked
    /// for; the rows that it says it needs for one row tell both.
    fn shifted(function: &WindowUDFExpr) -> Option<Self> {
        let far = match function.args() {
            [_] => 1,
            [_, far] => distance(far)?,
            [_, far, default] if is_null(default) => distance(far)?,
            _ => return None,
        };
        let row = far + 1;
        let evaluator = function.create_evaluator().ok()?;
        let needed: Range<usize> = evaluator.get_range(row, row + far + 2).ok()?;
        if needed == (row - far..row + 1) {
            Some(Self::Before(far))
        } else if needed == (row..row + far) {
            Some(Self::After(far))
        } else {
            None
        }
    }

    fn first(frame: &WindowFrame) -> Option<Self> {
        if !(ends_with_partition(frame) || frame.end_bound == WindowFrameBound::CurrentRow) {
            None
        } else if starts_with_partition(frame) {
            Some(Self::First)
        } else if starts_with_row(frame) {
            Some(Self::Current)
        } else {
            None
        }
    }

    fn last(frame: &WindowFrame) -> Option<Self> {
        if !(starts_with_partition(frame) || frame.start_bound == WindowFrameBound::CurrentRow) {
            None
        } else if ends_with_partition(frame) {
            Some(Self::Last)
        } else if ends_with_row(frame) {
            Some(Self::Current)
        } else {
            None
        }
    }

    /// The value at this place for each row.
    fn values(self, values: &ArrayRef, partitions: &[Range<usize>]) -> Result<ArrayRef> {
        if self == Self::Current {
            return Ok(Arc::clone(values));
        }
        let rows = partitions.iter().flat_map(|partition| {
            let rows = partition.clone();
            rows.map(move |row| self.seen_from(row, partition).map(|row| row as u64))
        });
        let rows: UInt64Array = rows.collect();
        Ok(take(values.as_ref(), &rows, None)?)
    }

    /// The row at this place, where `partition` has one.
    fn seen_from(self, row: usize, partition: &Range<usize>) -> Option<usize> {
        let place = match self {
            Self::First => partition.start,
            Self::Current => row,
            Self::Last => partition.end.checked_sub(1)?,
            Self::Before(far) => row.checked_sub(far)?,
            Self::After(far) => row.checked_add(far)?,
        };
        partition.contains(&place).then_some(place)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Aggregate {
    Count,
    Sum,
    /// Of decimals, with precision and scale of the sum. Like the engine's it is not held against its precision.
    DecimalSum(u8, i8),
    Min,
    Max,
}

impl Aggregate {
    /// Of the `values` of the partition up to each row.
    fn running(self, values: &ArrayRef, partitions: &[Range<usize>]) -> Result<ArrayRef> {
        let column: ArrayRef = match self {
            Self::Count => {
                let nulls = values.logical_nulls();
                let is_null = |row: usize| nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
                let count = |counted: i64, row: usize| counted + i64::from(!is_null(row));
                Arc::new(Int64Array::from(folded(partitions, 0_i64, count)))
            }
            Self::Sum => Arc::new(sums::<Int64Type>(values, partitions)?),
            Self::DecimalSum(precision, scale) => {
                let sums = sums::<Decimal128Type>(values, partitions)?;
                Arc::new(sums.with_precision_and_scale(precision, scale)?)
            }
            Self::Min => extremes(values, Ordering::Less, partitions)?,
            Self::Max => extremes(values, Ordering::Greater, partitions)?,
        };
        Ok(column)
    }
}

/// What `next` makes of the rows of each partition up to each row, from `start` on in each.
fn folded<T: Copy>(partitions: &[Range<usize>], start: T, next: impl Fn(T, usize) -> T) -> Vec<T> {
    let mut states = Vec::with_capacity(partitions.last().map_or(0, |last| last.end));
    for partition in partitions {
        let mut state = start;
        for row in partition.clone() {
            state = next(state, row);
            states.push(state);
        }
    }
    states
}

/// Sums of what is not null; null where nothing is. What is too large wraps, as the engine's does.
fn sums<T: ArrowPrimitiveType>(
    values: &ArrayRef,
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
    let sums: Vec<Option<T::Native>> = folded(partitions, None, add);
    Ok(sums.into_iter().collect())
}

/// The least or greatest of what is not null; null where nothing is.
fn extremes(values: &ArrayRef, wanted: Ordering, partitions: &[Range<usize>]) -> Result<ArrayRef> {
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
    let rows: Vec<Option<usize>> = folded(partitions, None, better);
    let rows: UInt64Array = rows
        .into_iter()
        .map(|row| row.map(|row| row as u64))
        .collect();
    Ok(take(values.as_ref(), &rows, None)?)
}

/// Whether values that are equal are the same, and those that are not have an order that nobody disputes: floats have neither.
fn has_one_order(data_type: &DataType) -> bool {
    data_type.is_integer()
        || matches!(
            data_type,
            DataType::Boolean
                | DataType::Date32
                | DataType::Timestamp(_, _)
                | DataType::Decimal128(_, _)
                | DataType::Utf8
                | DataType::LargeUtf8
                | DataType::Utf8View
        )
}

/// Whether nulls count as rows for `first_value` and `last_value`, which cannot be asked for: of nothing but a value between two
/// nulls, null is first and last where they do.
fn keeps_nulls(function: &WindowUDFExpr) -> bool {
    let values: ArrayRef = Arc::new(BooleanArray::from(vec![None, Some(true), None]));
    let value = function
        .create_evaluator()
        .and_then(|mut evaluator| evaluator.evaluate(&[values], &(0..3)));
    value.is_ok_and(|value| value.is_null())
}

/// Whether rows are filtered before they are aggregated. Only what is printed of a window tells: what does not end as one without
/// a filter does is taken to have one.
fn has_filter(window: &PlainAggregateWindowExpr) -> bool {
    !format!("{window:?}").ends_with("filter: None }")
}

fn distance(far: &Arc<dyn PhysicalExpr>) -> Option<usize> {
    let ScalarValue::Int64(Some(far)) = far.downcast_ref::<Literal>()?.value() else {
        return None;
    };
    let far = usize::try_from(*far).ok()?;
    (1..=FARTHEST).contains(&far).then_some(far)
}

fn is_null(default: &Arc<dyn PhysicalExpr>) -> bool {
    let literal = default.downcast_ref::<Literal>();
    literal.is_some_and(|literal| literal.value().is_null())
}

fn starts_with_partition(frame: &WindowFrame) -> bool {
    matches!(&frame.start_bound, WindowFrameBound::Preceding(rows) if rows.is_null())
}

fn ends_with_partition(frame: &WindowFrame) -> bool {
    matches!(&frame.end_bound, WindowFrameBound::Following(rows) if rows.is_null())
}

fn starts_with_row(frame: &WindowFrame) -> bool {
    frame.units == WindowFrameUnits::Rows && frame.start_bound == WindowFrameBound::CurrentRow
}

fn ends_with_row(frame: &WindowFrame) -> bool {
    frame.units == WindowFrameUnits::Rows && frame.end_bound == WindowFrameBound::CurrentRow
}
