//! What the grouped aggregates share: which rows count, the plain accumulator, what a call may not say.

use arrow::array::{Array, ArrayRef, BooleanArray};
use arrow::buffer::NullBuffer;
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::function::AggregateFunctionSimplification;
use datafusion::logical_expr::{Accumulator, EmitTo, Expr, GroupsAccumulator};

use super::error::FunctionError;

/// A grouped accumulator that can also be told how many groups there are without being given a row.
pub(super) trait Groups: GroupsAccumulator + Clone + std::fmt::Debug + Sync {
    /// Makes room for groups `0..count`; those not seen before are empty.
    fn resize(&mut self, count: usize);
}

/// A grouped accumulator used for a single group: aggregation without `group by`, and window frames that only grow.
#[derive(Debug)]
pub(super) struct OneGroup<G> {
    groups: G,
    /// Zeros, one a row of the largest batch seen.
    indices: Vec<usize>,
}

impl<G: Groups> OneGroup<G> {
    /// Wraps an accumulator that has no groups yet.
    pub(super) fn new(mut groups: G) -> Self {
        groups.resize(1);
        Self {
            groups,
            indices: Vec::new(),
        }
    }

    fn indices_for(&mut self, columns: &[ArrayRef]) -> usize {
        let rows = columns.first().map_or(0, |column| column.len());
        if self.indices.len() < rows {
            self.indices.resize(rows, 0);
        }
        rows
    }
}

impl<G: Groups> Accumulator for OneGroup<G> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let rows = self.indices_for(values);
        self.groups
            .update_batch(values, &self.indices[..rows], None, 1)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let rows = self.indices_for(states);
        self.groups.merge_batch(states, &self.indices[..rows], 1)
    }

    // A growing window frame is evaluated after every row, so the state must outlive it: hence the copies.
    fn evaluate(&mut self) -> Result<ScalarValue> {
        ScalarValue::try_from_array(&self.groups.clone().evaluate(EmitTo::All)?, 0)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let columns = self.groups.clone().state(EmitTo::All)?;
        columns
            .iter()
            .map(|column| ScalarValue::try_from_array(column, 0))
            .collect()
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.groups.size() + self.indices.capacity() * size_of::<usize>()
    }
}

/// The rows that count: those where `column` is not null and the `filter` clause holds. `None` means all of them.
pub(super) fn counted(column: &dyn Array, filter: Option<&BooleanArray>) -> Option<NullBuffer> {
    let holds = filter.map(|filter| match filter.nulls() {
        Some(known) => NullBuffer::new(filter.values() & known.inner()),
        None => NullBuffer::new(filter.values().clone()),
    });
    NullBuffer::union(column.nulls(), holds.as_ref()).filter(|rows| rows.null_count() > 0)
}

/// Calls `each` with the index of every row that counts, in order, until it fails.
pub(super) fn for_each_counted<E>(
    rows: usize,
    counted: Option<&NullBuffer>,
    mut each: impl FnMut(usize) -> Result<(), E>,
) -> Result<(), E> {
    match counted {
        None => (0..rows).try_for_each(each),
        Some(counted) => counted.valid_indices().try_for_each(&mut each),
    }
}

/// Refuses `distinct` and `order by` in a call, when the query is optimised.
pub(super) fn refuse_modifiers(function: &'static str) -> AggregateFunctionSimplification {
    Box::new(move |call: AggregateFunction, _| {
        if call.params.distinct {
            return Err(FunctionError::Modifier {
                function,
                modifier: "distinct",
            }
            .into());
        }
        if !call.params.order_by.is_empty() {
            return Err(FunctionError::Modifier {
                function,
                modifier: "order by",
            }
            .into());
        }
        Ok(Expr::AggregateFunction(call))
    })
}
