//! Declared column types and Arrow's, in both directions.

use arrow::datatypes::{DataType, TimeUnit};

use crate::spec::SqlType;

/// The zone of every timestamp inside cvm.
pub const UTC: &str = "UTC";

/// The Arrow type that columns of a declared type have in memory.
pub fn arrow_type(sql_type: SqlType) -> DataType {
    match sql_type {
        SqlType::Varchar => DataType::Utf8View,
        SqlType::Bigint => DataType::Int64,
        SqlType::Double => DataType::Float64,
        SqlType::Boolean => DataType::Boolean,
        SqlType::Date => DataType::Date32,
        SqlType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into())),
        SqlType::Decimal { precision, scale } => DataType::Decimal128(precision, scale),
    }
}

/// The declared type that an Arrow type stands for; none where no declared type means the same.
///
/// The three ways in which Arrow holds text count as one. There is none for decimals of more than
/// 18 digits, unsigned and narrow integers, and timestamps that are not UTC microseconds: BI tools
/// refuse them, so SQL has to cast.
pub fn sql_type(data_type: &DataType) -> Option<SqlType> {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Some(SqlType::Varchar),
        DataType::Int64 => Some(SqlType::Bigint),
        DataType::Float64 => Some(SqlType::Double),
        DataType::Boolean => Some(SqlType::Boolean),
        DataType::Date32 => Some(SqlType::Date),
        DataType::Timestamp(TimeUnit::Microsecond, Some(zone)) if &**zone == UTC => {
            Some(SqlType::Timestamp)
        }
        DataType::Decimal128(precision @ 1..=18, scale)
            if (0..=18).contains(scale) && *scale <= precision.cast_signed() =>
        {
            Some(SqlType::Decimal {
                precision: *precision,
                scale: *scale,
            })
        }
        _ => None,
    }
}

/// Whether a column that SQL made can stand for a declared type: it has the type, or is an instant in another unit,
/// as SQL's own `timestamp` (nanoseconds, no zone) is, which becomes UTC microseconds at the end of its stage.
pub fn stands_for(data_type: &DataType, declared: SqlType) -> bool {
    let instant = match data_type {
        DataType::Timestamp(_, None) => true,
        DataType::Timestamp(_, Some(zone)) => matches!(&**zone, UTC | "+00:00"),
        _ => false,
    };
    sql_type(data_type) == Some(declared) || instant && declared == SqlType::Timestamp
}

/// `name` as SQL takes any name: in quotes.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_declared_type_comes_back() {
        let decimal = SqlType::Decimal {
            precision: 18,
            scale: 4,
        };
        for declared in [
            SqlType::Varchar,
            SqlType::Bigint,
            SqlType::Double,
            SqlType::Boolean,
            SqlType::Date,
            SqlType::Timestamp,
            decimal,
        ] {
            assert_eq!(sql_type(&arrow_type(declared)), Some(declared));
        }
    }

    #[test]
    fn what_bi_tools_refuse_has_no_declared_type() {
        for refused in [
            DataType::UInt64,
            DataType::Int32,
            DataType::Decimal128(19, 2),
            DataType::Decimal128(10, -2),
            DataType::Timestamp(TimeUnit::Nanosecond, Some(UTC.into())),
            DataType::Timestamp(TimeUnit::Microsecond, None),
        ] {
            assert_eq!(sql_type(&refused), None, "{refused}");
        }
    }

    #[test]
    fn the_timestamp_of_sql_stands_for_an_instant() {
        let sql = DataType::Timestamp(TimeUnit::Nanosecond, None);
        assert!(stands_for(&sql, SqlType::Timestamp));
        assert!(!stands_for(&sql, SqlType::Date));
        let elsewhere = DataType::Timestamp(TimeUnit::Microsecond, Some("Europe/London".into()));
        assert!(!stands_for(&elsewhere, SqlType::Timestamp));
    }

    #[test]
    fn text_is_one_type() {
        for text in [DataType::Utf8, DataType::LargeUtf8, DataType::Utf8View] {
            assert_eq!(sql_type(&text), Some(SqlType::Varchar));
        }
    }
}
