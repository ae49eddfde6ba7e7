//! `sum_on_first_day(amount, day)`: what a group's rows on its earliest day add up to.

use std::sync::{Arc, LazyLock};

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Date32Array, Decimal128Array, Int64Array,
    PrimitiveArray,
};
use arrow::buffer::NullBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Date32Type, Decimal128Type, Field, FieldRef, Int64Type};
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

const NAME: &str = "sum_on_first_day";
const SYNTAX: &str = "sum_on_first_day(amount, day)";
/// The most digits that every BI tool reads.
const RESULT_PRECISION: u8 = 18;
const STATE_PRECISION: u8 = 38;

static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
    Documentation::builder(
        DOC_SECTION_GENERAL,
        "The sum of the amount over the rows that lie on the group's earliest day: the same as \
         `sum(amount) filter (where day = <the group's min(day)>)` in one pass. Rows without a day are ignored. A row \
         without an amount adds nothing but its day counts, so the result is null where no row of the \
         earliest day has an amount. The result is decimal(18, scale of the amount), or bigint for a \
         bigint amount; a sum that does not fit is an error.",
        SYNTAX,
    )
    .with_argument("amount", "A decimal or an integer. Not a double: its sum would depend on the order of the rows.")
    .with_argument("day", "A date.")
    .with_sql_example(
        r"```sql
select customer_id, sum_on_first_day(amount, day) as first_day_revenue
from (values ('a', cast(5.25 as decimal(18, 2)), date '2011-01-02'),
             ('a', cast(1.50 as decimal(18, 2)), date '2011-01-02'),
             ('a', cast(9.00 as decimal(18, 2)), date '2011-03-04')) as lines (customer_id, amount, day)
group by customer_id;
+-------------+-------------------+
| customer_id | first_day_revenue |
+-------------+-------------------+
| a           | 6.75              |
+-------------+-------------------+
```",
    )
    .build()
});

/// `sum_on_first_day(amount decimal(p, s), day date) -> decimal(18, s)`, `(bigint, date) -> bigint`.
///
/// 16 bytes a group. Independent of the order and the partitioning of the rows.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct SumOnFirstDay {
    signature: Signature,
}

impl SumOnFirstDay {
    /// The function, ready to register.
    #[must_use]
    pub fn new() -> Self {
        Self {
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }
}

impl Default for SumOnFirstDay {
    fn default() -> Self {
        Self::new()
    }
}

impl AggregateUDFImpl for SumOnFirstDay {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        let [amount, day] = arguments else {
            return Err(refused(format!("takes 2 arguments, not {}", arguments.len())).into());
        };
        Ok(vec![amount_type(amount)?, day_type(NAME, SYNTAX, day)?])
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match arguments.first() {
            Some(DataType::Decimal128(_, scale)) => {
                Ok(DataType::Decimal128(RESULT_PRECISION, *scale))
            }
            Some(DataType::Int64) => Ok(DataType::Int64),
            other => internal_err!("{NAME} was planned with {other:?}"),
        }
    }

    fn accumulator(&self, call: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(OneGroup::new(FirstDaySums::new(
            call.return_type(),
        )?)))
    }

    fn state_fields(&self, call: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        Ok(vec![
            Arc::new(Field::new(
                format_state_name(call.name, "day"),
                DataType::Date32,
                true,
            )),
            Arc::new(Field::new(
                format_state_name(call.name, "sum"),
                state_type(call.return_type())?,
                true,
            )),
        ])
    }

    fn groups_accumulator_supported(&self, _call: AccumulatorArgs) -> bool {
        true
    }

    fn create_groups_accumulator(
        &self,
        call: AccumulatorArgs,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(FirstDaySums::new(call.return_type())?))
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

fn amount_type(given: &DataType) -> Result<DataType, FunctionError> {
    match given {
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale) => {
            // A scale above 18 or below 0 has no decimal(18, scale) to be returned in.
            match u8::try_from(*scale) {
                Ok(digits) if digits <= RESULT_PRECISION => {
                    Ok(DataType::Decimal128(*precision, *scale))
                }
                _ => Err(refused(format!(
                    "the amount's scale must be 0 to {RESULT_PRECISION}, not {scale}; cast it"
                ))),
            }
        }
        DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32
        | DataType::Null => Ok(DataType::Int64),
        DataType::Float16 | DataType::Float32 | DataType::Float64 => Err(refused(format!(
            "a sum of {given} depends on the order of the rows; cast the amount to a decimal"
        ))),
        other => Err(refused(format!(
            "the amount must be a decimal or a bigint, not {other}"
        ))),
    }
}

/// The day argument's type, once coerced; a timestamp has no day without a zone.
pub(super) fn day_type(
    function: &'static str,
    syntax: &'static str,
    given: &DataType,
) -> Result<DataType, FunctionError> {
    match given {
        DataType::Date32 | DataType::Date64 | DataType::Null => Ok(DataType::Date32),
        DataType::Timestamp(..) => Err(FunctionError::Arguments {
            function: function.into(),
            problem: "the day must be a date, not a timestamp; local_date(instant, timezone) gives the day".to_owned(),
            syntax: syntax.into(),
        }),
        other => Err(FunctionError::Arguments {
            function: function.into(),
            problem: format!("the day must be a date, not {other}"),
            syntax: syntax.into(),
        }),
    }
}

fn state_type(result: &DataType) -> Result<DataType> {
    match result {
        DataType::Decimal128(_, scale) => Ok(DataType::Decimal128(STATE_PRECISION, *scale)),
        DataType::Int64 => Ok(DataType::Decimal128(STATE_PRECISION, 0)),
        other => internal_err!("{NAME} cannot return {other}"),
    }
}

/// A group's earliest day and the sum on it, in 16 bytes: a group is then one access to memory, and ten million
/// groups 160 MB.
///
/// The sum is 96 bits wide. Amounts of up to 18 digits would need some 10^10 rows on one day to leave that range.
#[derive(Debug, Clone, Copy)]
struct FirstDay {
    low: u64,
    high: i32,
    day: i32,
}

/// What a group knows of its sum; `NONE` in [`FirstDay::high`] tells that it is not a number.
const NONE: i32 = i32::MIN;
const NO_DAY: u64 = 0;
const NO_AMOUNT: u64 = 1;
const OVERFLOW: u64 = 2;
/// A sum past 96 bits, in a state column.
const OVERFLOW_STATE: i128 = i128::MAX;

impl FirstDay {
    const EMPTY: Self = Self {
        low: NO_DAY,
        high: NONE,
        day: 0,
    };

    fn has_day(self) -> bool {
        self.high != NONE || self.low != NO_DAY
    }

    fn overflowed(self) -> bool {
        self.high == NONE && self.low == OVERFLOW
    }

    fn sum(self) -> Option<i128> {
        (self.high != NONE).then(|| (i128::from(self.high) << 64) | i128::from(self.low))
    }

    fn set_sum(&mut self, sum: i128) {
        match i32::try_from(sum >> 64) {
            Ok(high) if high != NONE => {
                self.high = high;
                self.low = sum as u64;
            }
            _ => {
                self.high = NONE;
                self.low = OVERFLOW;
            }
        }
    }

    fn add(&mut self, day: i32, amount: Option<i128>) {
        if !self.has_day() || day < self.day {
            *self = Self {
                low: NO_AMOUNT,
                high: NONE,
                day,
            };
        } else if day > self.day {
            return;
        }
        if let Some(amount) = amount
            && !self.overflowed()
        {
            self.set_sum(self.sum().unwrap_or(0).saturating_add(amount));
        }
    }
}

#[derive(Debug, Clone)]
struct FirstDaySums {
    groups: Vec<FirstDay>,
    result_type: DataType,
    state_type: DataType,
}

impl FirstDaySums {
    fn new(result_type: &DataType) -> Result<Self> {
        Ok(Self {
            groups: Vec::new(),
            result_type: result_type.clone(),
            state_type: state_type(result_type)?,
        })
    }

    fn too_large(&self) -> FunctionError {
        let result_type = match &self.result_type {
            DataType::Decimal128(precision, scale) => format!("decimal({precision}, {scale})"),
            _ => "bigint".to_owned(),
        };
        FunctionError::SumTooLarge {
            function: NAME,
            result_type,
        }
    }

    fn add<T>(
        &mut self,
        amounts: &PrimitiveArray<T>,
        days: &Date32Array,
        groups: &[usize],
        filter: Option<&BooleanArray>,
    ) where
        T: arrow::datatypes::ArrowPrimitiveType<Native: Into<i128>>,
    {
        let counted = counted(days, filter);
        let (values, days) = (amounts.values(), days.values());
        let done: Result<(), std::convert::Infallible> = match amounts.nulls() {
            None => for_each_counted(groups.len(), counted.as_ref(), |row| {
                self.groups[groups[row]].add(days[row], Some(values[row].into()));
                Ok(())
            }),
            Some(known) => for_each_counted(groups.len(), counted.as_ref(), |row| {
                let amount = known.is_valid(row).then(|| values[row].into());
                self.groups[groups[row]].add(days[row], amount);
                Ok(())
            }),
        };
        let Ok(()) = done;
    }

    fn result<T: TryFrom<i128> + Default>(
        &self,
        groups: &[FirstDay],
        fits: impl Fn(i128) -> bool,
    ) -> Result<(Vec<T>, Option<NullBuffer>), FunctionError> {
        let mut sums = Vec::with_capacity(groups.len());
        for group in groups {
            let sum = group.sum().unwrap_or(0);
            match T::try_from(sum) {
                Ok(narrow) if fits(sum) && !group.overflowed() => sums.push(narrow),
                _ => return Err(self.too_large()),
            }
        }
        Ok((sums, known(groups, |group| group.sum().is_some())))
    }
}

fn known(groups: &[FirstDay], is_known: impl Fn(FirstDay) -> bool) -> Option<NullBuffer> {
    let nulls: NullBuffer = groups.iter().map(|group| is_known(*group)).collect();
    (nulls.null_count() > 0).then_some(nulls)
}

impl Groups for FirstDaySums {
    fn resize(&mut self, count: usize) {
        if count > self.groups.len() {
            self.groups.resize(count, FirstDay::EMPTY);
        }
    }
}

impl GroupsAccumulator for FirstDaySums {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.resize(total_num_groups);
        let days = values[1].as_primitive::<Date32Type>();
        match values[0].data_type() {
            DataType::Int64 => {
                self.add(
                    values[0].as_primitive::<Int64Type>(),
                    days,
                    group_indices,
                    opt_filter,
                );
            }
            _ => {
                let amounts = values[0].as_primitive::<Decimal128Type>();
                self.add(amounts, days, group_indices, opt_filter);
            }
        }
        Ok(())
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> Result<()> {
        self.resize(total_num_groups);
        let sums = values[1].as_primitive::<Decimal128Type>();
        self.add(
            sums,
            values[0].as_primitive::<Date32Type>(),
            group_indices,
            None,
        );
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let groups = emit_to.take_needed(&mut self.groups);
        if self.result_type == DataType::Int64 {
            let (sums, nulls) = self.result::<i64>(&groups, |_| true)?;
            return Ok(Arc::new(Int64Array::new(sums.into(), nulls)));
        }
        let limit = 10_i128.pow(u32::from(RESULT_PRECISION));
        let (sums, nulls) = self.result::<i128>(&groups, |sum| -limit < sum && sum < limit)?;
        let sums = Decimal128Array::new(sums.into(), nulls);
        Ok(Arc::new(sums.with_data_type(self.result_type.clone())))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let groups = emit_to.take_needed(&mut self.groups);
        let days: Vec<i32> = groups.iter().map(|group| group.day).collect();
        let sums: Vec<i128> = groups
            .iter()
            .map(|group| {
                if group.overflowed() {
                    OVERFLOW_STATE
                } else {
                    group.sum().unwrap_or(0)
                }
            })
            .collect();
        let with_sum = known(&groups, |group| group.sum().is_some() || group.overflowed());
        let sums = Decimal128Array::new(sums.into(), with_sum);
        Ok(vec![
            Arc::new(Date32Array::new(
                days.into(),
                known(&groups, FirstDay::has_day),
            )),
            Arc::new(sums.with_data_type(self.state_type.clone())),
        ])
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        opt_filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let days = values[1].as_primitive::<Date32Type>();
        let counted = counted(days, opt_filter);
        let sums: ArrayRef = match values[0].data_type() {
            DataType::Int64 => cast(&values[0], &self.state_type)?,
            _ => {
                let amounts = values[0].as_primitive::<Decimal128Type>().clone();
                Arc::new(amounts.with_data_type(self.state_type.clone()))
            }
        };
        Ok(vec![
            Arc::new(Date32Array::new(days.values().clone(), counted)),
            sums,
        ])
    }

    fn size(&self) -> usize {
        self.groups.capacity() * size_of::<FirstDay>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_takes_sixteen_bytes() {
        assert_eq!(size_of::<FirstDay>(), 16);
    }

    #[test]
    fn sums_of_either_sign_survive_the_two_halves() {
        for sum in [
            0,
            1,
            -1,
            i128::from(u64::MAX),
            -i128::from(u64::MAX) - 1,
            10_i128.pow(28),
        ] {
            let mut group = FirstDay::EMPTY;
            group.add(3, Some(sum));
            assert_eq!(group.sum(), Some(sum));
            group.add(3, Some(-sum));
            assert_eq!(group.sum(), Some(0));
        }
    }

    #[test]
    fn an_overflow_stays_through_a_state_until_an_earlier_day_comes() {
        let result = DataType::Decimal128(18, 2);
        let mut partial = FirstDaySums::new(&result).unwrap();
        let amounts: ArrayRef = Arc::new(
            Decimal128Array::from(vec![3 * 10_i128.pow(28); 3])
                .with_precision_and_scale(38, 2)
                .unwrap(),
        );
        let days: ArrayRef = Arc::new(Date32Array::from(vec![9, 9, 9]));
        partial
            .update_batch(&[amounts, days], &[0, 0, 0], None, 1)
            .unwrap();
        let state = partial.state(EmitTo::All).unwrap();
        assert_eq!(state[1].data_type(), &DataType::Decimal128(38, 2));

        let mut merged = FirstDaySums::new(&result).unwrap();
        merged.merge_batch(&state, &[0], 1).unwrap();
        assert_eq!(
            merged
                .clone()
                .evaluate(EmitTo::All)
                .unwrap_err()
                .to_string(),
            "Execution error: sum_on_first_day: a group's sum does not fit decimal(18, 2)"
        );
        let earlier: Vec<ArrayRef> = vec![
            Arc::new(Date32Array::from(vec![8])),
            Arc::new(Decimal128Array::from(vec![700]).with_data_type(state[1].data_type().clone())),
        ];
        merged.merge_batch(&earlier, &[0], 1).unwrap();
        let sums = merged.evaluate(EmitTo::All).unwrap();
        assert_eq!(
            sums.as_primitive::<Decimal128Type>().value_as_string(0),
            "7.00"
        );
    }
}
