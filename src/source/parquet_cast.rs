//! From the types that Parquet files have to the declared ones, losing nothing.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, TimestampMicrosecondArray};
use arrow::compute::kernels::cmp::distinct;
use arrow::compute::{CastOptions, cast_with_options, nullif};
use arrow::datatypes::{DataType, Float64Type, TimeUnit, TimestampMicrosecondType};
use arrow::error::ArrowError;
use chrono::{LocalResult, TimeZone};
use chrono_tz::Tz;

use super::cell::Column;
use crate::engine::types::{UTC, arrow_type};
use crate::spec::SqlType;

/// Whether values of one type are values of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fit {
    /// Every value is.
    Always,
    /// It depends on the value: rows whose value is not are set aside.
    Sometimes,
    /// The types mean different things.
    Never,
}

/// Whether a file's column can be read as declared.
pub(crate) fn fit(found: &DataType, column: &Column) -> Fit {
    use DataType as T;
    if let T::Dictionary(_, values) = found {
        return fit(values, column);
    }
    match column.sql_type {
        SqlType::Varchar => match found {
            T::Utf8 | T::LargeUtf8 | T::Utf8View => Fit::Always,
            T::Binary | T::LargeBinary | T::BinaryView => Fit::Sometimes,
            found if found.is_integer() => Fit::Always,
            _ => Fit::Never,
        },
        SqlType::Bigint => match found {
            T::UInt64 => Fit::Sometimes,
            found if found.is_integer() => Fit::Always,
            T::Decimal32(_, 0) | T::Decimal64(_, 0) | T::Decimal128(_, 0) | T::Decimal256(_, 0) => {
                Fit::Sometimes
            }
            _ => Fit::Never,
        },
        // Infinities and NaN are no values.
        SqlType::Double => match found {
            T::Float16 | T::Float32 | T::Float64 | T::Int64 | T::UInt64 => Fit::Sometimes,
            found if found.is_integer() => Fit::Always,
            _ => Fit::Never,
        },
        SqlType::Boolean => {
            if *found == T::Boolean {
                Fit::Always
            } else {
                Fit::Never
            }
        }
        SqlType::Date => match found {
            T::Date32 => Fit::Always,
            T::Date64 => Fit::Sometimes,
            _ => Fit::Never,
        },
        SqlType::Timestamp => match found {
            T::Timestamp(TimeUnit::Microsecond, Some(_)) => Fit::Always,
            T::Timestamp(TimeUnit::Microsecond, None) if column.zone().is_none() => Fit::Always,
            T::Timestamp(..) | T::Date32 => Fit::Sometimes,
            _ => Fit::Never,
        },
        SqlType::Decimal { precision, scale } => match found {
            T::Decimal32(p, s) | T::Decimal64(p, s) | T::Decimal128(p, s) | T::Decimal256(p, s) => {
                let whole = |precision: u8, scale: i8| i16::from(precision) - i16::from(scale);
                let always = *s <= scale && whole(*p, *s) <= whole(precision, scale);
                if always { Fit::Always } else { Fit::Sometimes }
            }
            found if found.is_integer() => Fit::Sometimes,
            _ => Fit::Never,
        },
    }
}

/// The values in the declared type; null where one does not fit.
pub(crate) fn cast(values: &ArrayRef, column: &Column) -> Result<ArrayRef, ArrowError> {
    let values = match values.data_type() {
        DataType::Dictionary(_, plain) => &safely(values, plain)?,
        _ => values,
    };
    let target = arrow_type(column.sql_type);
    match column.sql_type {
        SqlType::Varchar => match values.data_type() {
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView => {
                let binary = safely(values, &DataType::Binary)?;
                safely(&safely(&binary, &DataType::Utf8)?, &target)
            }
            _ => safely(values, &target),
        },
        SqlType::Timestamp => timestamps(values, column.zone()),
        SqlType::Double => match values.data_type() {
            DataType::Float16 | DataType::Float32 | DataType::Float64 => {
                let doubles = safely(values, &target)?;
                let doubles = doubles.as_primitive::<Float64Type>();
                let finite = doubles
                    .iter()
                    .map(|value| value.filter(|value| value.is_finite()));
                Ok(Arc::new(finite.collect::<Float64Array>()))
            }
            _ => there_and_back(values, &target),
        },
        _ if fit(values.data_type(), column) == Fit::Always => safely(values, &target),
        _ => there_and_back(values, &target),
    }
}

fn safely(values: &ArrayRef, to: &DataType) -> Result<ArrayRef, ArrowError> {
    if values.data_type() == to {
        return Ok(Arc::clone(values));
    }
    cast_with_options(
        values,
        to,
        &CastOptions {
            safe: true,
            ..CastOptions::default()
        },
    )
}

/// Casts and keeps what comes back unchanged.
fn there_and_back(values: &ArrayRef, to: &DataType) -> Result<ArrayRef, ArrowError> {
    let there = safely(values, to)?;
    let back = safely(&there, values.data_type())?;
    nullif(&there, &distinct(values, &back)?)
}

fn timestamps(values: &ArrayRef, zone: Option<Tz>) -> Result<ArrayRef, ArrowError> {
    let (micros, is_local) = match values.data_type() {
        DataType::Timestamp(_, offset) => {
            let to = DataType::Timestamp(TimeUnit::Microsecond, offset.clone());
            (there_and_back(values, &to)?, offset.is_none())
        }
        _ => (
            safely(values, &DataType::Timestamp(TimeUnit::Microsecond, None))?,
            true,
        ),
    };
    let micros = micros.as_primitive::<TimestampMicrosecondType>();
    let instants: TimestampMicrosecondArray = match zone.filter(|_| is_local) {
        None => micros.clone(),
        Some(zone) => micros.iter().map(|local| to_utc(local?, zone)).collect(),
    };
    Ok(Arc::new(instants.with_timezone(UTC)))
}

/// As for text: the earlier of two instants, nothing for a time that clocks skipped.
fn to_utc(local: i64, zone: Tz) -> Option<i64> {
    let local = chrono::DateTime::from_timestamp_micros(local)?.naive_utc();
    match zone.from_local_datetime(&local) {
        LocalResult::Single(at) | LocalResult::Ambiguous(at, _) => Some(at.timestamp_micros()),
        LocalResult::None => None,
    }
}
