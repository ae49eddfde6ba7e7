//! `count_distinct_days(day)`: on how many days a group has rows.

use std::sync::{Arc, LazyLock};

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Date32Array, Int64Array, LargeBinaryArray,
};
use arrow::buffer::{Buffer, OffsetBuffer};
use arrow::datatypes::{DataType, Date32Type, Field, FieldRef};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::aggregate_doc_sections::DOC_SECTION_GENERAL;
use datafusion::logical_expr::function::{
    AccumulatorArgs, AggregateFunctionSimplification, StateFieldsArgs,
};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{
    Accumulator, AggregateUDFImpl, Documentation, EmitTo, GroupsAccumulator, Signature, Volatility,
};

use super::day_sets::{ArenaFull, DaySets, MergeError};
use super::error::FunctionError;
use super::groups::{Groups, OneGroup, counted, for_each_counted, refuse_modifiers};
use super::sum_on_first_day::day_type;

const NAME: &str = "count_distinct_days";
const SYNTAX: &str = "count_distinct_days(day)";

static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
    Documentation::builder(
        DOC_SECTION_GENERAL,
        "The number of different days of a group: the same as `count(distinct day)`, made for millions of groups \
         with few days each. Nulls are ignored; a group without a day counts 0.",
        SYNTAX,
    )
    .with_argument("day", "A date.")
    .with_sql_example(
        r"```sql
select customer_id, count_distinct_days(day) as order_days
from (values ('a', date '2011-01-02'),
             ('a', date '2011-01-02'),
             ('a', date '2011-03-04')) as orders (customer_id, day)
group by customer_id;
+-------------+------------+
| customer_id | order_days |
+-------------+------------+
| a           | 2          |
+-------------+------------+
```",
    )
    .build()
});

/// `count_distinct_days(day date) -> bigint`, never null.
///
/// Exact. 16 bytes a group for up to ten or so days, then a byte or two a day.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct CountDistinctDays {
    signature: Signature,
}

impl CountDistinctDays {
    /// The function, ready to register.
    #[must_use]
    pub fn new() -> Self {
        Self {
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }
}

impl Default for CountDistinctDays {
    fn default() -> Self {
        Self::new()
    }
}

impl AggregateUDFImpl for CountDistinctDays {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        let [day] = arguments else {
            return Err(FunctionError::Arguments {
                function: NAME.into(),
                problem: format!("takes 1 argument, not {}", arguments.len()),
                syntax: SYNTAX.into(),
            }
            .into());
        };
        Ok(vec![day_type(NAME, SYNTAX, day)?])
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn is_nullable(&self) -> bool {
        false
    }

    fn default_value(&self, _result: &DataType) -> Result<ScalarValue> {
        Ok(ScalarValue::Int64(Some(0)))
    }

    fn accumulator(&self, _call: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(OneGroup::new(DistinctDays::new())))
    }

    fn state_fields(&self, call: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        Ok(vec![
            Arc::new(Field::new(
                format_state_name(call.name, "latest"),
                DataType::Date32,
                true,
            )),
            Arc::new(Field::new(
                format_state_name(call.name, "gaps"),
                DataType::LargeBinary,
                true,
            )),
        ])
    }

    fn groups_accumulator_supported(&self, _call: AccumulatorArgs) -> bool {
        true
    }

    fn create_groups_accumulator(
        &self,
        _call: AccumulatorArgs,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(DistinctDays::new()))
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn simplify(&self) -> Option<AggregateFunctionSimplification> {
        Some(refuse_modifiers(NAME))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&DOCUMENTATION)
    }
}

#[derive(Debug, Clone)]
struct DistinctDays {
    groups: usize,
    days: DaySets,
}

impl DistinctDays {
    fn new() -> Self {
        Self {
            groups: 0,
            days: DaySets::new(),
        }
    }

    fn emitted(&mut self, emit_to: EmitTo) -> usize {
        let count = match emit_to {
            EmitTo::All => self.groups,
            EmitTo::First(count) => count.min(self.groups),
        };
        self.groups -= count;
        count
    }
}

impl From<ArenaFull> for FunctionError {
    fn from(_: ArenaFull) -> Self {
        Self::TooMuch {
            function: NAME,
            limit: "64 GiB of days",
        }
    }
}

impl From<MergeError> for FunctionError {
    fn from(error: MergeError) -> Self {
        match error {
            MergeError::Full => ArenaFull.into(),
            MergeError::Unreadable => Self::State { function: NAME },
        }
    }
}

impl Groups for DistinctDays {
    fn resize(&mut self, count: usize) {
        self.groups = self.groups.max(count);
        self.days.resize(count);
    }
}

impl GroupsAccumulator for DistinctDays {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.resize(total_num_groups);
        let column = values[0].as_primitive::<Date32Type>();
        let counted = counted(column, opt_filter);
        let days = column.values();
        for_each_counted(group_indices.len(), counted.as_ref(), |row| {
            self.days.insert(group_indices[row], days[row])
        })
        .map_err(|full| FunctionError::from(full).into())
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> Result<()> {
        self.resize(total_num_groups);
        let latest = values[0].as_primitive::<Date32Type>();
        let gaps = values[1].as_binary::<i64>();
        for_each_counted(group_indices.len(), latest.nulls(), |row| {
            self.days
                .merge(group_indices[row], latest.value(row), gaps.value(row))
        })
        .map_err(|error| FunctionError::from(error).into())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let count = self.emitted(emit_to);
        Ok(Arc::new(Int64Array::from(self.days.take_counts(count))))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let count = self.emitted(emit_to);
        let (latest, gaps) = self.days.take_states(count);
        Ok(vec![Arc::new(latest), Arc::new(gaps)])
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        opt_filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let days = values[0].as_primitive::<Date32Type>();
        let counted = counted(days, opt_filter);
        let no_gaps = OffsetBuffer::new_zeroed(days.len());
        Ok(vec![
            Arc::new(Date32Array::new(days.values().clone(), counted)),
            Arc::new(LargeBinaryArray::new(no_gaps, Buffer::default(), None)),
        ])
    }

    fn size(&self) -> usize {
        self.days.size()
    }
}
