//! Which values of a column its contract accepts.

use std::collections::BTreeSet;
use std::fmt;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Date32Array, Datum, Decimal128Array, Float64Array,
    Int64Array, Scalar, StringArray, StringViewArray, TimestampMicrosecondArray,
};
use arrow::compute::kernels::cmp::{gt, lt};
use arrow::compute::kernels::numeric::add_wrapping;
use arrow::datatypes::{DataType, Decimal128Type, Float64Type, Int64Type, TimeUnit};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::spec::literal::{Literal, Number};
use crate::spec::table::ContractColumn;

const MICROSECONDS_A_DAY: i64 = 86_400_000_000;

/// The values that a column may hold. A null is none of them, and always accepted: whether it may be null says `required`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ValueLimits {
    /// The smallest number, or the first day.
    pub minimum: Option<Literal>,
    /// The largest number, or the last day; what is not a number (NaN) is larger than all.
    pub maximum: Option<Literal>,
    /// The only texts; none means any.
    pub accepted_values: Option<BTreeSet<String>>,
    /// The only numbers; none means any.
    pub accepted_numbers: Option<Vec<Number>>,
}

impl ValueLimits {
    /// What the contract of a column accepts.
    pub fn of(column: &ContractColumn) -> Self {
        let (mut texts, mut numbers) = (BTreeSet::new(), Vec::new());
        for accepted in column.accepted_values.iter().flatten() {
            match &accepted.value {
                Literal::Text(text) => {
                    texts.insert(text.clone());
                }
                Literal::Number(number) => numbers.push(*number),
            }
        }
        Self {
            minimum: column.minimum.clone(),
            maximum: column.maximum.clone(),
            accepted_values: (!texts.is_empty()).then_some(texts),
            accepted_numbers: (!numbers.is_empty()).then_some(numbers),
        }
    }

    /// The first row of a column that holds another value. Numbers bind numbers, days dates and timestamps, texts texts; of other
    /// columns every value is accepted.
    ///
    /// # Errors
    /// When the engine cannot compare its numbers.
    pub fn first_outside(&self, column: &ArrayRef) -> Result<Option<usize>, ArrowError> {
        if let Some(accepted) = &self.accepted_values {
            let is_other = |text: Option<&str>| text.is_some_and(|text| !accepted.contains(text));
            if let Some(texts) = column.as_any().downcast_ref::<StringArray>() {
                return Ok(texts.iter().position(is_other));
            }
            if let Some(texts) = column.as_any().downcast_ref::<StringViewArray>() {
                return Ok(texts.iter().position(is_other));
            }
        }
        let below = self.minimum.as_ref();
        let below = below.map(|bound| bounded(column, bound, lt, 0));
        let above = self.maximum.as_ref();
        let above = above.map(|bound| bounded(column, bound, gt, MICROSECONDS_A_DAY - 1));
        let rows = [below, above].into_iter().flatten().flatten();
        let rows = rows.collect::<Result<Vec<Option<usize>>, ArrowError>>()?;
        let numbers = self.accepted_numbers.as_ref();
        let other = numbers.and_then(|numbers| other_number(column, numbers));
        Ok(rows.into_iter().flatten().chain(other).min())
    }
}

/// A value as people read it.
pub fn text_of(column: &dyn Array, row: usize) -> String {
    let options = FormatOptions::default().with_null("null");
    ArrayFormatter::try_new(column, &options).map_or_else(
        |_| "?".to_owned(),
        |formatter| formatter.value(row).to_string(),
    )
}

impl fmt::Display for ValueLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(accepted) = &self.accepted_values {
            let quoted: Vec<String> = accepted.iter().map(|text| format!("'{text}'")).collect();
            return write!(f, "one of {}", quoted.join(", "));
        }
        if let Some(accepted) = &self.accepted_numbers {
            let numbers: Vec<String> = accepted.iter().map(Number::to_string).collect();
            return write!(f, "one of {}", numbers.join(", "));
        }
        match (&self.minimum, &self.maximum) {
            (Some(minimum), Some(maximum)) => {
                write!(f, "at least {minimum} and at most {maximum}")
            }
            (Some(minimum), None) => write!(f, "at least {minimum}"),
            (None, Some(maximum)) => write!(f, "at most {maximum}"),
            (None, None) => f.write_str("any"),
        }
    }
}

type Comparison = fn(&dyn Datum, &dyn Datum) -> Result<BooleanArray, ArrowError>;

/// The first row whose number, day or moment compares so with `bound`, of a day with the moment `into_day` microseconds after it
/// begins; `None` where the column holds nothing of the kind.
fn bounded(
    column: &ArrayRef,
    bound: &Literal,
    compares: Comparison,
    into_day: i64,
) -> Option<Result<Option<usize>, ArrowError>> {
    let found = match (column.data_type(), bound) {
        (DataType::Int64, Literal::Number(bound)) => {
            compares(column, &Int64Array::new_scalar(bound.whole()?))
        }
        (DataType::Float64, Literal::Number(bound)) => {
            // In Arrow's order -0.0 comes before 0.0; a sum of both is 0.0.
            let zero = Float64Array::new_scalar(0.0);
            add_wrapping(column, &zero)
                .and_then(|column| compares(&column, &Float64Array::new_scalar(bound.real())))
        }
        (DataType::Decimal128(precision, scale), Literal::Number(bound)) => {
            let units = bound.units_at(scale.unsigned_abs())?;
            let scalar =
                Decimal128Array::from(vec![units]).with_precision_and_scale(*precision, *scale);
            scalar.and_then(|scalar| compares(column, &Scalar::new(scalar)))
        }
        (DataType::Date32, bound) => {
            let day = bound.day()?.to_epoch_days();
            compares(column, &Date32Array::new_scalar(day))
        }
        (DataType::Timestamp(TimeUnit::Microsecond, zone), bound) => {
            let day = i64::from(bound.day()?.to_epoch_days());
            let moment = vec![day * MICROSECONDS_A_DAY + into_day];
            let moment = TimestampMicrosecondArray::from(moment).with_timezone_opt(zone.clone());
            compares(column, &Scalar::new(moment))
        }
        _ => return None,
    };
    Some(found.map(|found| found.iter().position(|outside| outside == Some(true))))
}

/// The first row that holds none of the numbers; `None` too where the column holds no numbers.
fn other_number(column: &ArrayRef, accepted: &[Number]) -> Option<usize> {
    match column.data_type() {
        DataType::Int64 => {
            let accepted: Vec<i64> = accepted.iter().filter_map(|it| it.whole()).collect();
            let mut values = column.as_primitive::<Int64Type>().iter();
            values.position(|value| value.is_some_and(|value| !accepted.contains(&value)))
        }
        DataType::Float64 => {
            let accepted: Vec<f64> = accepted.iter().map(|it| it.real()).collect();
            let mut values = column.as_primitive::<Float64Type>().iter();
            values.position(|value| value.is_some_and(|value| !accepted.contains(&value)))
        }
        DataType::Decimal128(_, scale) => {
            let scale = scale.unsigned_abs();
            let accepted = accepted.iter().filter_map(|it| it.units_at(scale));
            let accepted: Vec<i128> = accepted.collect();
            let mut values = column.as_primitive::<Decimal128Type>().iter();
            values.position(|value| value.is_some_and(|value| !accepted.contains(&value)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn outside(limits: &ValueLimits, column: impl Array + 'static) -> Option<usize> {
        let column: ArrayRef = Arc::new(column);
        limits.first_outside(&column).unwrap()
    }

    #[test]
    fn numbers_are_held_to_both_ends_which_are_within() {
        let limits = ValueLimits {
            minimum: Some(0_i64.into()),
            maximum: Some(1_i64.into()),
            ..ValueLimits::default()
        };
        let whole = |values: [Option<i64>; 4]| outside(&limits, Int64Array::from(values.to_vec()));
        assert_eq!(whole([Some(0), None, Some(1), Some(1)]), None);
        assert_eq!(whole([Some(0), None, Some(2), Some(-1)]), Some(2));
        assert_eq!(whole([Some(0), Some(-1), Some(2), None]), Some(1));
        let real = |value| outside(&limits, Float64Array::from(vec![0.5, value]));
        assert_eq!(real(1.0), None);
        assert_eq!(real(1.0 + f64::EPSILON), Some(1));
        assert_eq!(real(-0.0), None);
        assert_eq!(real(-f64::MIN_POSITIVE), Some(1));
        assert_eq!(real(f64::NAN), Some(1));
        let decimal = |units| {
            let units = Decimal128Array::from(vec![10_000, units]);
            outside(&limits, units.with_precision_and_scale(18, 4).unwrap())
        };
        assert_eq!(decimal(0), None);
        assert_eq!(decimal(10_001), Some(1));
        assert_eq!(decimal(-1), Some(1));
    }

    /// The limits of a column that is declared so.
    fn limits_of(declared: &str) -> ValueLimits {
        let text = format!("{declared}\ndescription: A column.");
        let path = "column.yml".to_owned();
        let file = Arc::new(crate::spec::SourceText { path, text });
        let column: ContractColumn =
            crate::spec::yaml::decode(&file, &|_| None).unwrap_or_else(|found| panic!("{found:?}"));
        ValueLimits::of(&column)
    }

    #[test]
    fn numbers_with_decimals_bind_to_the_last_digit() {
        let limits = limits_of("type: double\nminimum: 0.5\nmaximum: 0.7");
        let real = |value| outside(&limits, Float64Array::from(vec![0.5, value]));
        assert_eq!(real(0.7), None);
        assert_eq!(real(0.7 + f64::EPSILON), Some(1));
        assert_eq!(real(0.5 - f64::EPSILON), Some(1));
        let decimal = |units| {
            let units = Decimal128Array::from(vec![7_000, units]);
            outside(&limits, units.with_precision_and_scale(18, 4).unwrap())
        };
        assert_eq!(decimal(5_000), None);
        assert_eq!(decimal(4_999), Some(1));
        assert_eq!(decimal(7_001), Some(1));
        assert_eq!(limits.to_string(), "at least 0.5 and at most 0.7");
    }

    #[test]
    fn days_bind_dates_and_the_moments_within_them() {
        let limits = limits_of("type: date\nminimum: 1970-01-02\nmaximum: 1970-01-03");
        let date = |day| outside(&limits, Date32Array::from(vec![Some(1), None, Some(day)]));
        assert_eq!([date(0), date(2), date(3)], [Some(2), None, Some(2)]);
        let moment = |moment| {
            let moments = TimestampMicrosecondArray::from(vec![MICROSECONDS_A_DAY, moment]);
            outside(&limits, moments.with_timezone("UTC"))
        };
        assert_eq!(moment(MICROSECONDS_A_DAY - 1), Some(1));
        assert_eq!(moment(3 * MICROSECONDS_A_DAY - 1), None);
        assert_eq!(moment(3 * MICROSECONDS_A_DAY), Some(1));
    }

    #[test]
    fn numbers_are_held_to_the_accepted_ones() {
        let limits = limits_of("type: bigint\naccepted_values: [2, 10]");
        let whole = |value| outside(&limits, Int64Array::from(vec![Some(10), None, Some(value)]));
        assert_eq!([whole(2), whole(3)], [None, Some(2)]);
        assert_eq!(limits.to_string(), "one of 2, 10");
        let limits = limits_of("type: decimal(18,2)\naccepted_values: [0.5, 1]");
        let decimal = |units| {
            let units = Decimal128Array::from(vec![50, units]);
            outside(&limits, units.with_precision_and_scale(18, 2).unwrap())
        };
        assert_eq!([decimal(100), decimal(51)], [None, Some(1)]);
        let real = |value| outside(&limits, Float64Array::from(vec![1.0, value]));
        assert_eq!([real(0.5), real(0.25)], [None, Some(1)]);
    }

    #[test]
    fn texts_are_held_to_the_accepted_values() {
        let limits = ValueLimits {
            accepted_values: Some(["high", "low"].map(str::to_owned).into()),
            ..ValueLimits::default()
        };
        let texts =
            |values: [Option<&str>; 3]| outside(&limits, StringArray::from(values.to_vec()));
        assert_eq!(texts([Some("low"), None, Some("high")]), None);
        assert_eq!(texts([Some("low"), None, Some("High")]), Some(2));
        let views = StringViewArray::from(vec![Some("low"), None, Some("High")]);
        assert_eq!(outside(&limits, views), Some(2));
        assert_eq!(limits.to_string(), "one of 'high', 'low'");
    }

    #[test]
    fn without_limits_every_value_is_accepted() {
        let limits = ValueLimits::default();
        assert_eq!(
            outside(&limits, Int64Array::from(vec![i64::MIN, i64::MAX])),
            None
        );
        assert_eq!(
            outside(&limits, BooleanArray::from(vec![true, false])),
            None
        );
    }
}
