//! Windows in one pass over the rows of many whole partitions.
//!
//! The engine slices a partition's columns and makes an evaluator of each function for it, some microseconds a partition whatever
//! it holds. What is here needs nothing but where partitions begin and end: the rows are the engine's, value for value.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, UInt64Array};
use arrow::compute::take;
use arrow::datatypes::Schema;
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::{WindowFrame, WindowFrameBound};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Literal;
use datafusion::physical_expr::window::StandardWindowFunctionExpr;
use datafusion::physical_plan::windows::{StandardWindowExpr, WindowExpr, WindowUDFExpr};

use super::aggregates::Aggregate;
use super::frames::{ends_with_partition, ends_with_row, starts_with_partition, starts_with_row};

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
    /// partition; and of all rows of the partition, or those up to or from the current one counted by rows, `count`, `min`, `max`,
    /// `bool_and`, `bool_or`, and `sum` of whole numbers and decimals. None is taken that leaves out nulls for another value,
    /// duplicates or filtered rows.
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
    Aggregate(Aggregate),
}

impl Window {
    fn of(window: &Arc<dyn WindowExpr>, input: &Schema) -> Option<Self> {
        if let Some(standard) = window.as_any().downcast_ref::<StandardWindowExpr>() {
            let function = standard.get_standard_func_expr();
            let function = function.as_any().downcast_ref::<WindowUDFExpr>()?;
            return Self::of_function(function, window.get_window_frame(), input);
        }
        Some(Self::Aggregate(Aggregate::of(window, input)?))
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

    fn evaluate(&self, rows: &RecordBatch, partitions: &[Range<usize>]) -> Result<ArrayRef> {
        match self {
            Self::RowNumber => {
                let numbers = partitions
                    .iter()
                    .flat_map(|partition| (1_u64..).take(partition.len()));
                Ok(Arc::new(UInt64Array::from_iter_values(numbers)))
            }
            Self::Value(place, of) => {
                let values = of.evaluate(rows)?.into_array(rows.num_rows())?;
                place.values(&values, partitions)
            }
            Self::Aggregate(aggregate) => aggregate.evaluate(rows, partitions),
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

/// Whether nulls count as rows for `first_value` and `last_value`, which cannot be asked for: of nothing but a value between two
/// nulls, null is first and last where they do.
fn keeps_nulls(function: &WindowUDFExpr) -> bool {
    let values: ArrayRef = Arc::new(BooleanArray::from(vec![None, Some(true), None]));
    let value = function
        .create_evaluator()
        .and_then(|mut evaluator| evaluator.evaluate(&[values], &(0..3)));
    value.is_ok_and(|value| value.is_null())
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
