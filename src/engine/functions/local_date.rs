//! `local_date(instant, timezone)`: the calendar day of an instant in a time zone.

use std::sync::{Arc, LazyLock};

use arrow::array::{Array, ArrayRef, AsArray, Date32Array, PrimitiveArray, StringArray};
use arrow::datatypes::{
    ArrowTimestampType, DataType, Date32Type, Field, FieldRef, TimeUnit, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};
use chrono::{DateTime, Offset, TimeZone};
use chrono_tz::Tz;
use datafusion::common::{ScalarValue, internal_err};
use datafusion::error::Result;
use datafusion::logical_expr::scalar_doc_sections::DOC_SECTION_DATETIME;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature,
    Volatility,
};

use super::error::FunctionError;

const NAME: &str = "local_date";
const SYNTAX: &str = "local_date(instant, timezone)";
const SECONDS_A_DAY: i64 = 86_400;

static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
    Documentation::builder(
        DOC_SECTION_DATETIME,
        "The calendar day of an instant in a time zone of the IANA database. A timestamp without a zone is taken as \
         UTC, whatever zone a timestamp carries does not change the instant, and a date is returned as it is. \
         Null when either argument is null; an unknown zone is an error. Daylight saving rules are known up to the \
         year 2100; after it the last offset stays.",
        SYNTAX,
    )
    .with_argument("instant", "A timestamp of any unit, or a date.")
    .with_argument("timezone", "The zone's name, such as 'Europe/London' or 'UTC'. Usually a literal.")
    .with_sql_example(
        r"```sql
select local_date(timestamp '2011-06-30T23:30:00', 'Europe/London') as order_date;
+------------+
| order_date |
+------------+
| 2011-07-01 |
+------------+
```",
    )
    .build()
});

/// `local_date(instant, timezone) -> date`.
///
/// With the zone 'UTC' it is one integer division a row, with another zone a search among the zone's offsets.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct LocalDate {
    signature: Signature,
}

impl LocalDate {
    /// The function, ready to register.
    #[must_use]
    pub fn new() -> Self {
        Self {
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }
}

impl Default for LocalDate {
    fn default() -> Self {
        Self::new()
    }
}

impl ScalarUDFImpl for LocalDate {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        let refused = |problem| FunctionError::Arguments {
            function: NAME.into(),
            problem,
            syntax: SYNTAX.into(),
        };
        let [instant, zone] = arguments else {
            return Err(refused(format!("takes 2 arguments, not {}", arguments.len())).into());
        };
        let instant = match instant {
            DataType::Timestamp(..) | DataType::Date32 => instant.clone(),
            DataType::Date64 => DataType::Date32,
            DataType::Null => DataType::Timestamp(TimeUnit::Microsecond, None),
            other => {
                return Err(refused(format!(
                    "the instant must be a timestamp or a date, not {other}"
                ))
                .into());
            }
        };
        match zone {
            DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8 | DataType::Null => {
                Ok(vec![instant, DataType::Utf8])
            }
            other => Err(refused(format!("the timezone must be text, not {other}")).into()),
        }
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Date32)
    }

    /// Also refuses an unknown zone that is written out in the query, before any data is read.
    fn return_field_from_args(&self, arguments: ReturnFieldArgs) -> Result<FieldRef> {
        if let Some(Some(ScalarValue::Utf8(Some(zone)))) = arguments.scalar_arguments.get(1) {
            zone_named(zone)?;
        }
        let nullable = arguments.arg_fields.iter().any(|field| field.is_nullable());
        Ok(Arc::new(Field::new(NAME, DataType::Date32, nullable)))
    }

    fn invoke_with_args(&self, call: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = call.number_rows;
        let [instant, zone] = call.args.as_slice() else {
            return internal_err!("{NAME} was called with {} arguments", call.args.len());
        };
        let scalar = matches!(
            (instant, zone),
            (ColumnarValue::Scalar(_), ColumnarValue::Scalar(_))
        );
        let instants = instant.to_array(if scalar { 1 } else { rows })?;
        let dates = match zone {
            ColumnarValue::Scalar(ScalarValue::Utf8(Some(zone))) => {
                dates_in_one_zone(&instants, zone_named(zone)?)?
            }
            ColumnarValue::Scalar(_) => Date32Array::new_null(instants.len()),
            ColumnarValue::Array(zones) => dates_by_row(&instants, zones.as_string::<i32>())?,
        };
        if scalar {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(
                &dates, 0,
            )?));
        }
        Ok(ColumnarValue::Array(Arc::new(dates)))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&DOCUMENTATION)
    }
}

fn zone_named(name: &str) -> Result<Tz, FunctionError> {
    name.parse().map_err(|_| {
        let folded = name.to_ascii_lowercase();
        let similar = chrono_tz::TZ_VARIANTS
            .iter()
            .map(|zone| {
                (
                    strsim::normalized_levenshtein(&zone.name().to_ascii_lowercase(), &folded),
                    zone,
                )
            })
            .max_by(|left, right| left.0.total_cmp(&right.0))
            .filter(|(likeness, _)| *likeness > 0.6)
            .map(|(_, zone)| zone.name().to_owned());
        FunctionError::UnknownZone {
            function: NAME,
            zone: name.to_owned(),
            similar,
        }
    })
}

/// Days since 1970-01-01 of an instant `seconds` after 1970-01-01T00:00:00Z.
fn day_of(seconds: i64, zone: Tz) -> i32 {
    let offset = match zone {
        Tz::UTC => 0,
        // Instants outside chrono's range of years have no known offset; neither have they a day that matters.
        _ => DateTime::from_timestamp(seconds, 0).map_or(0, |instant| {
            zone.offset_from_utc_datetime(&instant.naive_utc())
                .fix()
                .local_minus_utc()
        }),
    };
    whole_day(seconds.saturating_add(i64::from(offset)))
}

fn whole_day(seconds: i64) -> i32 {
    let day = seconds.div_euclid(SECONDS_A_DAY);
    i32::try_from(day).unwrap_or(if day < 0 { i32::MIN } else { i32::MAX })
}

/// Calls `$each` with the timestamps as their primitive array, and with how many of their units make a second.
macro_rules! by_unit {
    ($instants:expr, $each:ident $(, $argument:expr)*) => {
        match $instants.data_type() {
            DataType::Date32 => Ok($instants.as_primitive::<Date32Type>().clone()),
            DataType::Timestamp(TimeUnit::Second, _) => {
                $each($instants.as_primitive::<TimestampSecondType>(), 1 $(, $argument)*)
            }
            DataType::Timestamp(TimeUnit::Millisecond, _) => {
                $each($instants.as_primitive::<TimestampMillisecondType>(), 1_000 $(, $argument)*)
            }
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                $each($instants.as_primitive::<TimestampMicrosecondType>(), 1_000_000 $(, $argument)*)
            }
            DataType::Timestamp(TimeUnit::Nanosecond, _) => {
                $each($instants.as_primitive::<TimestampNanosecondType>(), 1_000_000_000 $(, $argument)*)
            }
            other => internal_err!("{NAME} was called with {other}"),
        }
    };
}

fn dates_in_one_zone(instants: &ArrayRef, zone: Tz) -> Result<Date32Array> {
    by_unit!(instants, each_in_one_zone, zone)
}

fn each_in_one_zone<T: ArrowTimestampType>(
    instants: &PrimitiveArray<T>,
    a_second: i64,
    zone: Tz,
) -> Result<Date32Array> {
    Ok(match zone {
        Tz::UTC => instants.unary(|instant| whole_day(instant.div_euclid(a_second))),
        _ => instants.unary(|instant| day_of(instant.div_euclid(a_second), zone)),
    })
}

fn dates_by_row(instants: &ArrayRef, zones: &StringArray) -> Result<Date32Array> {
    if instants.data_type() == &DataType::Date32 {
        // The days stay as they are, but a null or unknown zone is still what it is.
        let days = instants.as_primitive::<Date32Type>();
        return days_where_zone_known(days, zones);
    }
    by_unit!(instants, each_by_row, zones)
}

fn days_where_zone_known(days: &Date32Array, zones: &StringArray) -> Result<Date32Array> {
    let mut known = LastZone::default();
    days.iter()
        .zip(zones)
        .map(|(day, zone)| Ok(zone.map(|zone| known.named(zone)).transpose()?.and(day)))
        .collect()
}

fn each_by_row<T: ArrowTimestampType>(
    instants: &PrimitiveArray<T>,
    a_second: i64,
    zones: &StringArray,
) -> Result<Date32Array> {
    let mut known = LastZone::default();
    instants
        .iter()
        .zip(zones)
        .map(|(instant, zone)| {
            let zone = zone.map(|zone| known.named(zone)).transpose()?;
            Ok(instant
                .zip(zone)
                .map(|(instant, zone)| day_of(instant.div_euclid(a_second), zone)))
        })
        .collect()
}

/// The zone looked up last: a column of zones mostly repeats itself.
#[derive(Default)]
struct LastZone {
    name: String,
    zone: Option<Tz>,
}

impl LastZone {
    fn named(&mut self, name: &str) -> Result<Tz, FunctionError> {
        match self.zone {
            Some(zone) if self.name == name => Ok(zone),
            _ => {
                let zone = zone_named(name)?;
                name.clone_into(&mut self.name);
                self.zone = Some(zone);
                Ok(zone)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The day by chrono's own conversion of the instant to local time.
    fn day_by_chrono(seconds: i64, zone: Tz) -> i32 {
        let local = DateTime::from_timestamp(seconds, 0)
            .unwrap()
            .with_timezone(&zone);
        let epoch = DateTime::UNIX_EPOCH.date_naive();
        i32::try_from(local.date_naive().signed_duration_since(epoch).num_days()).unwrap()
    }

    #[test]
    fn every_zone_agrees_with_chrono_around_midnights_of_a_century() {
        for zone in chrono_tz::TZ_VARIANTS {
            for quarter in 0..400 {
                // Every 91 days from 1950, at an hour that wanders through the day.
                let seconds = (quarter * 91 - 7_305) * SECONDS_A_DAY + (quarter % 48) * 1_800;
                assert_eq!(
                    day_of(seconds, zone),
                    day_by_chrono(seconds, zone),
                    "{zone} {seconds}"
                );
            }
        }
    }

    #[test]
    fn instants_past_the_range_of_dates_give_the_last_day_there_is() {
        assert_eq!(whole_day(i64::MAX), i32::MAX);
        assert_eq!(whole_day(i64::MIN), i32::MIN);
        assert_eq!(day_of(i64::MAX, Tz::Europe__London), i32::MAX);
    }
}
