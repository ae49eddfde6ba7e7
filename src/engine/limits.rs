//! Which values of a column its contract accepts.

use std::collections::BTreeSet;
use std::fmt;

use arrow::array::{
    Array, ArrayRef, BooleanArray, Datum, Decimal128Array, Float64Array, Int64Array, StringArray,
    StringViewArray,
};
use arrow::compute::kernels::cmp::{gt, lt};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::spec::table::ContractColumn;

/// The values that a column may hold. A null is none of them, and always accepted: whether it may be null says `required`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ValueLimits {
    /// The smallest number.
    pub minimum: Option<i64>,
    /// The largest number; what is not a number (NaN) is larger than all.
    pub maximum: Option<i64>,
    /// The only texts; none means any.
    pub accepted_values: Option<BTreeSet<String>>,
}

impl ValueLimits {
    /// What the contract of a column accepts.
    pub fn of(column: &ContractColumn) -> Self {
        let accepted = column.accepted_values.as_ref();
        Self {
            minimum: column.minimum,
            maximum: column.maximum,
            accepted_values: accepted
                .map(|values| values.iter().map(|value| value.value.clone()).collect()),
        }
    }

    /// The first row of a column that holds another value. Limits of numbers bind numbers, accepted values texts; of other
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
        let below = self.minimum.map(|bound| bounded(column, bound, lt));
        let above = self.maximum.map(|bound| bounded(column, bound, gt));
        let rows = [below, above].into_iter().flatten().flatten();
        Ok(rows
            .collect::<Result<Vec<_>, _>>()?
            .into_iter()
            .flatten()
            .min())
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
        match (self.minimum, self.maximum, &self.accepted_values) {
            (_, _, Some(accepted)) => {
                let quoted: Vec<_> = accepted.iter().map(|text| format!("'{text}'")).collect();
                write!(f, "one of {}", quoted.join(", "))
            }
            (Some(minimum), Some(maximum), None) => {
                write!(f, "at least {minimum} and at most {maximum}")
            }
            (Some(minimum), None, None) => write!(f, "at least {minimum}"),
            (None, Some(maximum), None) => write!(f, "at most {maximum}"),
            (None, None, None) => f.write_str("any"),
        }
    }
}

type Comparison = fn(&dyn Datum, &dyn Datum) -> Result<BooleanArray, ArrowError>;

/// The first row whose number compares so with `bound`; `None` where the column holds no numbers.
fn bounded(
    column: &ArrayRef,
    bound: i64,
    compares: Comparison,
) -> Option<Result<Option<usize>, ArrowError>> {
    let found = match column.data_type() {
        DataType::Int64 => compares(column, &Int64Array::new_scalar(bound)),
        DataType::Float64 => compares(column, &Float64Array::new_scalar(bound as f64)),
        DataType::Decimal128(precision, scale) => {
            let units = i128::from(bound) * 10_i128.pow(scale.unsigned_abs().into());
            let scalar =
                Decimal128Array::from(vec![units]).with_precision_and_scale(*precision, *scale);
            scalar.and_then(|scalar| compares(column, &arrow::array::Scalar::new(scalar)))
        }
        _ => return None,
    };
    Some(found.map(|found| found.iter().position(|outside| outside == Some(true))))
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
            minimum: Some(0),
            maximum: Some(1),
            accepted_values: None,
        };
        let whole = |values: [Option<i64>; 4]| outside(&limits, Int64Array::from(values.to_vec()));
        assert_eq!(whole([Some(0), None, Some(1), Some(1)]), None);
        assert_eq!(whole([Some(0), None, Some(2), Some(-1)]), Some(2));
        assert_eq!(whole([Some(0), Some(-1), Some(2), None]), Some(1));
        let real = |value| outside(&limits, Float64Array::from(vec![0.5, value]));
        assert_eq!(real(1.0), None);
        assert_eq!(real(1.0 + f64::EPSILON), Some(1));
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
