//! `first_by(value, day, tie)`: the value of a group's first row.

use std::cmp::Ordering;
use std::sync::{Arc, LazyLock};

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, PrimitiveArray, StringViewArray, UInt32Array,
    make_array,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Field, FieldRef, TimeUnit, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};
use datafusion::common::internal_err;
use datafusion::error::Result;
use datafusion::logical_expr::aggregate_doc_sections::DOC_SECTION_GENERAL;
use datafusion::logical_expr::function::{
    AccumulatorArgs, AggregateFunctionSimplification, StateFieldsArgs,
};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{
    Accumulator, AggregateUDFImpl, Documentation, EmitTo, GroupsAccumulator, Signature, Volatility,
};

use super::error::FunctionError;
use super::groups::{Groups, OneGroup, counted, for_each_counted, refuse_modifiers};
use super::texts::{GroupTexts, Vocabulary};

const NAME: &str = "first_by";
const SYNTAX: &str = "first_by(value, day) or first_by(value, day, tie)";

static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
    Documentation::builder(
        DOC_SECTION_GENERAL,
        "The value of the group's row with the least (day, tie), whatever the order of the rows. Rows that \
         agree on both are decided by the least value, so the result never depends on chance; texts compare by \
         their bytes, and a null tie or value comes after every text. Rows whose day is null are ignored. The value \
         of the first row is returned even when it is null. Without a tie 8 bytes a group are held for \
         dates, with one 24 and a tie's text when it is longer than 14 bytes.",
        SYNTAX,
    )
    .with_argument("value", "Text, of few different values such as channels.")
    .with_argument("day", "A date or a timestamp.")
    .with_argument("tie", "Text that decides between rows of one day, such as the order's id. May be left out.")
    .with_sql_example(
        r"```sql
select customer_id, first_by(channel, day, order_id) as first_channel
from (values ('a', 'web', date '2011-01-02', '1002'),
             ('a', 'store', date '2011-01-02', '1001'),
             ('a', 'phone', date '2011-03-04', '1000')) as orders (customer_id, channel, day, order_id)
group by customer_id;
+-------------+---------------+
| customer_id | first_channel |
+-------------+---------------+
| a           | store         |
+-------------+---------------+
```",
    )
    .build()
});

/// `first_by(value varchar, day date | timestamp [, tie varchar]) -> varchar`.
///
/// Independent of the order and the partitioning of the rows. At most 2^32 − 2 different values a partition.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct FirstBy {
    signature: Signature,
}

impl FirstBy {
    /// The function, ready to register.
    #[must_use]
    pub fn new() -> Self {
        Self {
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }
}

impl Default for FirstBy {
    fn default() -> Self {
        Self::new()
    }
}

/// Makes the accumulator for the type of the day argument, and hands it to `$wrap`.
macro_rules! by_day_type {
    ($day:expr, $with_tie:expr, $wrap:expr) => {
        match $day {
            DataType::Date32 => Ok($wrap(Firsts::<Date32Type>::new($day, $with_tie))),
            DataType::Timestamp(TimeUnit::Second, _) => {
                Ok($wrap(Firsts::<TimestampSecondType>::new($day, $with_tie)))
            }
            DataType::Timestamp(TimeUnit::Millisecond, _) => {
                Ok($wrap(Firsts::<TimestampMillisecondType>::new(
                    $day, $with_tie,
                )))
            }
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                Ok($wrap(Firsts::<TimestampMicrosecondType>::new(
                    $day, $with_tie,
                )))
            }
            DataType::Timestamp(TimeUnit::Nanosecond, _) => {
                Ok($wrap(Firsts::<TimestampNanosecondType>::new(
                    $day, $with_tie,
                )))
            }
            other => internal_err!("{NAME} was planned with {other}"),
        }
    };
}

impl AggregateUDFImpl for FirstBy {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        let (value, day, tie) = match arguments {
            [value, day] => (value, day, None),
            [value, day, tie] => (value, day, Some(tie)),
            _ => {
                return Err(
                    refused(format!("takes 2 or 3 arguments, not {}", arguments.len())).into(),
                );
            }
        };
        let mut types = vec![text_type("value", value)?, first_type(day)?];
        if let Some(tie) = tie {
            types.push(text_type("tie", tie)?);
        }
        Ok(types)
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8View)
    }

    fn accumulator(&self, call: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let (day, with_tie) = (call.expr_fields[1].data_type(), call.expr_fields.len() == 3);
        by_day_type!(day, with_tie, |firsts| Box::new(OneGroup::new(firsts))
            as Box<dyn Accumulator>)
    }

    fn state_fields(&self, call: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let names = ["value", "day", "tie"];
        Ok(call
            .input_fields
            .iter()
            .zip(names)
            .map(|(field, name)| {
                let name = format_state_name(call.name, name);
                Arc::new(Field::new(name, field.data_type().clone(), true))
            })
            .collect())
    }

    fn groups_accumulator_supported(&self, _call: AccumulatorArgs) -> bool {
        true
    }

    fn create_groups_accumulator(
        &self,
        call: AccumulatorArgs,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        let (day, with_tie) = (call.expr_fields[1].data_type(), call.expr_fields.len() == 3);
        by_day_type!(day, with_tie, |firsts| Box::new(firsts)
            as Box<dyn GroupsAccumulator>)
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

fn refused(problem: String) -> FunctionError {
    FunctionError::Arguments {
        function: NAME.into(),
        problem,
        syntax: SYNTAX.into(),
    }
}

fn text_type(argument: &str, given: &DataType) -> Result<DataType, FunctionError> {
    match given {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => {
            Ok(DataType::Utf8View)
        }
        DataType::Dictionary(_, words) => text_type(argument, words),
        other => Err(refused(format!(
            "the {argument} must be text, not {other}; cast it"
        ))),
    }
}

fn first_type(given: &DataType) -> Result<DataType, FunctionError> {
    match given {
        DataType::Timestamp(..) => Ok(given.clone()),
        DataType::Date32 | DataType::Date64 | DataType::Null => Ok(DataType::Date32),
        other => Err(refused(format!(
            "the day must be a date or a timestamp, not {other}"
        ))),
    }
}

/// The day argument: a date or a timestamp of any unit.
trait DayType: ArrowPrimitiveType + std::fmt::Debug {}
impl<T: ArrowPrimitiveType + std::fmt::Debug> DayType for T {}

/// A group's first row so far: 8 bytes for dates, 16 for timestamps.
#[derive(Debug, Clone, Copy)]
struct First<N> {
    day: N,
    value: u32,
}

/// Numbers of values that are none.
const NO_ROW: u32 = u32::MAX;
const NULL_VALUE: u32 = u32::MAX - 1;
/// So many more words than groups may be held before those that no group needs are dropped.
const SPARE_WORDS: usize = 1024;

#[derive(Debug)]
struct Firsts<T: DayType> {
    groups: Vec<First<T::Native>>,
    words: Vocabulary,
    ties: Option<GroupTexts>,
    day_type: DataType,
}

// Not derived: that would ask Arrow's type markers, which are never held, to be `Clone`.
impl<T: DayType> Clone for Firsts<T> {
    fn clone(&self) -> Self {
        Self {
            groups: self.groups.clone(),
            words: self.words.clone(),
            ties: self.ties.clone(),
            day_type: self.day_type.clone(),
        }
    }
}

impl<T: DayType> Firsts<T> {
    fn new(day_type: &DataType, with_tie: bool) -> Self {
        Self {
            groups: Vec::new(),
            words: Vocabulary::default(),
            ties: with_tie.then(GroupTexts::default),
            day_type: day_type.clone(),
        }
    }

    fn add(
        &mut self,
        columns: &[ArrayRef],
        indices: &[usize],
        filter: Option<&BooleanArray>,
    ) -> Result<(), FunctionError> {
        let values = columns[0].as_string_view();
        let days = columns[1].as_primitive::<T>();
        let ties = columns.get(2).map(|column| column.as_string_view());
        let counted = counted(days, filter);
        let days = days.values();
        for_each_counted(indices.len(), counted.as_ref(), |row| {
            let (group, day) = (indices[row], days[row]);
            let first = self.groups[group];
            if first.value == NO_ROW || day < first.day {
                return self.replace(
                    group,
                    day,
                    text(values, row),
                    ties.map(|ties| text(ties, row)),
                );
            }
            if day > first.day {
                return Ok(());
            }
            self.decide(
                group,
                day,
                text(values, row),
                ties.map(|ties| text(ties, row)),
            )
        })
    }

    /// Between a group's first row so far and another of the same day.
    fn decide(
        &mut self,
        group: usize,
        day: T::Native,
        value: Option<&str>,
        tie: Option<Option<&str>>,
    ) -> Result<(), FunctionError> {
        let by_tie = match (&self.ties, tie) {
            (Some(ties), Some(tie)) => nulls_last(tie.map(str::as_bytes), ties.get(group)),
            _ => Ordering::Equal,
        };
        let order = by_tie.then_with(|| {
            let held = match self.groups[group].value {
                NULL_VALUE => None,
                number => Some(self.words.text(number).as_bytes()),
            };
            nulls_last(value.map(str::as_bytes), held)
        });
        match order {
            Ordering::Less => self.replace(group, day, value, tie),
            _ => Ok(()),
        }
    }

    fn replace(
        &mut self,
        group: usize,
        day: T::Native,
        value: Option<&str>,
        tie: Option<Option<&str>>,
    ) -> Result<(), FunctionError> {
        let value = match value {
            None => NULL_VALUE,
            Some(value) => self
                .words
                .number(value, NULL_VALUE)
                .ok_or(FunctionError::TooMuch {
                    function: NAME,
                    limit: "4294967294 different values",
                })?,
        };
        self.groups[group] = First { day, value };
        if let (Some(ties), Some(tie)) = (&mut self.ties, tie) {
            ties.set(group, tie);
        }
        if self.words.len() > 2 * self.groups.len() + SPARE_WORDS {
            self.drop_unused_words()?;
        }
        Ok(())
    }

    /// Values that were replaced in every group would otherwise stay: with as many values as rows, all of them.
    fn drop_unused_words(&mut self) -> Result<(), FunctionError> {
        let old = std::mem::take(&mut self.words);
        for group in &mut self.groups {
            if group.value < NULL_VALUE {
                let number = self.words.number(old.text(group.value), NULL_VALUE);
                group.value = number.ok_or(FunctionError::State { function: NAME })?;
            }
        }
        Ok(())
    }

    fn take_groups(&mut self, emit_to: EmitTo) -> Vec<First<T::Native>> {
        emit_to.take_needed(&mut self.groups)
    }

    fn values(&mut self, groups: &[First<T::Native>]) -> Result<ArrayRef> {
        let numbers: UInt32Array = groups
            .iter()
            .map(|group| (group.value < NULL_VALUE).then_some(group.value))
            .collect();
        let column = self.words.column(&numbers)?;
        if self.groups.is_empty() {
            self.words = Vocabulary::default();
        }
        Ok(column)
    }
}

fn text(column: &StringViewArray, row: usize) -> Option<&str> {
    column.is_valid(row).then(|| column.value(row))
}

fn nulls_last(left: Option<&[u8]>, right: Option<&[u8]>) -> Ordering {
    match (left, right) {
        (Some(left), Some(right)) => left.cmp(right),
        (left, right) => left.is_none().cmp(&right.is_none()),
    }
}

impl<T: DayType> Groups for Firsts<T> {
    fn resize(&mut self, count: usize) {
        if count > self.groups.len() {
            self.groups.resize(
                count,
                First {
                    day: T::Native::default(),
                    value: NO_ROW,
                },
            );
        }
        if let Some(ties) = &mut self.ties {
            ties.resize(count);
        }
    }
}

impl<T: DayType> GroupsAccumulator for Firsts<T> {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.resize(total_num_groups);
        Ok(self.add(values, group_indices, opt_filter)?)
    }

    // A state is a row: the first one of those it stands for.
    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> Result<()> {
        self.update_batch(values, group_indices, None, total_num_groups)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let groups = self.take_groups(emit_to);
        if let Some(ties) = &mut self.ties {
            ties.forget(groups.len());
        }
        self.values(&groups)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let groups = self.take_groups(emit_to);
        let days: Vec<T::Native> = groups.iter().map(|group| group.day).collect();
        let nulls: NullBuffer = groups.iter().map(|group| group.value != NO_ROW).collect();
        let nulls = (nulls.null_count() > 0).then_some(nulls);
        let days = PrimitiveArray::<T>::new(days.into(), nulls);
        let mut columns = vec![
            self.values(&groups)?,
            Arc::new(days.with_data_type(self.day_type.clone())) as ArrayRef,
        ];
        columns.extend(self.ties.as_mut().map(|ties| ties.take(groups.len())));
        Ok(columns)
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        opt_filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let counted = counted(&values[1], opt_filter);
        let days = values[1].to_data().into_builder().nulls(counted).build()?;
        let mut columns = values.to_vec();
        columns[1] = make_array(days);
        Ok(columns)
    }

    fn size(&self) -> usize {
        self.groups.capacity() * size_of::<First<T::Native>>()
            + self.words.size()
            + self.ties.as_ref().map_or(0, GroupTexts::size)
    }
}
