//! The column types that every BI tool reads, and how engine types become them.

use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};

use crate::spec::types::SqlType;

/// A column whose type some BI tool would refuse.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column {column} has type {found}, which BI tools cannot read: {remedy}")]
pub struct Unpublishable {
    /// The column.
    pub column: String,
    /// Its type in the engine.
    pub found: DataType,
    /// What to do in the SQL.
    pub remedy: &'static str,
}

/// The Arrow type in which a declared type is published.
pub fn arrow_type(sql: SqlType) -> DataType {
    match sql {
        SqlType::Varchar => DataType::Utf8,
        SqlType::Bigint => DataType::Int64,
        SqlType::Double => DataType::Float64,
        SqlType::Boolean => DataType::Boolean,
        SqlType::Date => DataType::Date32,
        SqlType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some(Arc::from("UTC"))),
        SqlType::Decimal { precision, scale } => DataType::Decimal128(precision, scale),
    }
}

/// The type as which a column of the engine is published. Only widenings that lose nothing are made
/// by themselves: any text to varchar, smaller signed integers to bigint, smaller floats to double,
/// timestamps of seconds to microseconds to microseconds in UTC (one without a zone is taken as
/// UTC, as everywhere in cvm), decimals of any width with a precision up to 18.
///
/// # Errors
/// [`Unpublishable`], naming the column and what to write in the SQL, for every other type:
/// unsigned, nested, dictionary, nanosecond, binary, time of day, interval, wider decimals and the
/// type of a bare null.
pub fn published_type(column: &str, engine: &DataType) -> Result<SqlType, Unpublishable> {
    let remedy = match engine {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => return Ok(SqlType::Varchar),
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => {
            return Ok(SqlType::Bigint);
        }
        DataType::Float16 | DataType::Float32 | DataType::Float64 => return Ok(SqlType::Double),
        DataType::Boolean => return Ok(SqlType::Boolean),
        DataType::Date32 => return Ok(SqlType::Date),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => "cast it to timestamp(6)",
        DataType::Timestamp(..) => return Ok(SqlType::Timestamp),
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => {
            if *precision <= 18 && (0..=*precision as i8).contains(scale) {
                return Ok(SqlType::Decimal {
                    precision: *precision,
                    scale: *scale,
                });
            }
            "cast it to a decimal of precision at most 18, such as decimal(18,4)"
        }
        DataType::UInt8 | DataType::UInt16 | DataType::UInt32 | DataType::UInt64 => {
            "cast it to bigint"
        }
        DataType::Dictionary(..) | DataType::RunEndEncoded(..) => {
            "cast it to varchar, or to the type of its values"
        }
        DataType::Date64 => "cast it to date",
        DataType::Null => "give the null a type, such as cast(null as varchar)",
        DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_) => {
            "publish it as varchar, for instance with encode(…, 'hex')"
        }
        DataType::Time32(_)
        | DataType::Time64(_)
        | DataType::Duration(_)
        | DataType::Interval(_) => {
            "publish it as a timestamp, or as a bigint number of seconds or days"
        }
        DataType::List(_)
        | DataType::ListView(_)
        | DataType::LargeList(_)
        | DataType::LargeListView(_)
        | DataType::FixedSizeList(..)
        | DataType::Struct(_)
        | DataType::Map(..)
        | DataType::Union(..) => "publish its parts as columns of their own",
    };
    Err(Unpublishable {
        column: column.to_owned(),
        found: engine.clone(),
        remedy,
    })
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::Field;

    use super::*;

    #[test]
    fn every_declarable_type_is_published_as_itself() {
        for name in [
            "varchar",
            "bigint",
            "double",
            "boolean",
            "date",
            "timestamp",
            "decimal(18,4)",
            "decimal(9,0)",
        ] {
            let declared: SqlType = name.parse().expect(name);
            assert_eq!(published_type("c", &arrow_type(declared)), Ok(declared));
        }
    }

    #[test]
    fn lossless_widenings_are_made() {
        let cases = [
            (DataType::Utf8View, "varchar"),
            (DataType::LargeUtf8, "varchar"),
            (DataType::Int32, "bigint"),
            (DataType::Float32, "double"),
            (DataType::Timestamp(TimeUnit::Second, None), "timestamp"),
            (
                DataType::Timestamp(TimeUnit::Microsecond, Some("Europe/London".into())),
                "timestamp",
            ),
            (DataType::Decimal256(18, 2), "decimal(18,2)"),
        ];
        for (engine, published) in cases {
            assert_eq!(
                published_type("c", &engine).map(|t| t.to_string()),
                Ok(published.to_owned())
            );
        }
    }

    #[test]
    fn types_that_bi_tools_refuse_are_refused_with_a_remedy() {
        let item = Arc::new(Field::new("item", DataType::Int64, true));
        let cases = [
            (DataType::UInt64, "cast it to bigint"),
            (
                DataType::Timestamp(TimeUnit::Nanosecond, None),
                "cast it to timestamp(6)",
            ),
            (
                DataType::Decimal128(28, 4),
                "cast it to a decimal of precision at most 18, such as decimal(18,4)",
            ),
            (
                DataType::Decimal128(4, -2),
                "cast it to a decimal of precision at most 18, such as decimal(18,4)",
            ),
            (
                DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
                "cast it to varchar, or to the type of its values",
            ),
            (
                DataType::List(item),
                "publish its parts as columns of their own",
            ),
            (
                DataType::Null,
                "give the null a type, such as cast(null as varchar)",
            ),
        ];
        for (engine, remedy) in cases {
            let expected = Unpublishable {
                column: "score".to_owned(),
                found: engine.clone(),
                remedy,
            };
            assert_eq!(published_type("score", &engine), Err(expected));
        }
    }
}
