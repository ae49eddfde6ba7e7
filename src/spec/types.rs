//! The column types a user can declare: exactly those that every BI tool reads.

use std::fmt;
use std::str::FromStr;

use serde::de::{self, Deserialize, Deserializer};

/// A declared column type, written as in SQL: `varchar`, `bigint`, `double`, `boolean`, `date`,
/// `timestamp` (UTC, microseconds) or `decimal(precision, scale)` with precision at most 18.
///
/// There is deliberately no unsigned, nested or nanosecond type: BI tools refuse them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SqlType {
    /// UTF-8 text.
    Varchar,
    /// 64-bit signed integer.
    Bigint,
    /// 64-bit float.
    Double,
    /// True or false.
    Boolean,
    /// A calendar day.
    Date,
    /// An instant, UTC, in microseconds.
    Timestamp,
    /// An exact decimal with `precision` digits, `scale` of them behind the point.
    Decimal {
        /// Digits in all, 1 to 18.
        precision: u8,
        /// Digits behind the point, 0 to `precision`.
        scale: i8,
    },
}

/// A type name that is none of [`SqlType`]'s.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no column type; use varchar, bigint, double, boolean, date, timestamp or \
     decimal(precision, scale) with precision at most 18"
)]
pub struct UnknownType(String);

impl FromStr for SqlType {
    type Err = UnknownType;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unknown = || UnknownType(text.to_owned());
        let lower = text.trim().to_ascii_lowercase();
        match lower.as_str() {
            "varchar" | "string" | "text" => return Ok(Self::Varchar),
            "bigint" | "integer" | "int" => return Ok(Self::Bigint),
            "double" | "float" => return Ok(Self::Double),
            "boolean" | "bool" => return Ok(Self::Boolean),
            "date" => return Ok(Self::Date),
            "timestamp" => return Ok(Self::Timestamp),
            _ => {}
        }
        let inner = lower
            .strip_prefix("decimal(")
            .and_then(|rest| rest.strip_suffix(')'))
            .ok_or_else(unknown)?;
        let (precision, scale) = inner.split_once(',').unwrap_or((inner, "0"));
        let precision: u8 = precision.trim().parse().map_err(|_| unknown())?;
        let scale: i8 = scale.trim().parse().map_err(|_| unknown())?;
        let in_range = (1..=18).contains(&precision) && (0..=precision as i8).contains(&scale);
        in_range
            .then_some(Self::Decimal { precision, scale })
            .ok_or_else(unknown)
    }
}

impl fmt::Display for SqlType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Varchar => f.write_str("varchar"),
            Self::Bigint => f.write_str("bigint"),
            Self::Double => f.write_str("double"),
            Self::Boolean => f.write_str("boolean"),
            Self::Date => f.write_str("date"),
            Self::Timestamp => f.write_str("timestamp"),
            Self::Decimal { precision, scale } => write!(f, "decimal({precision},{scale})"),
        }
    }
}

impl<'de> Deserialize<'de> for SqlType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

impl schemars::JsonSchema for SqlType {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SqlType".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "varchar, bigint, double, boolean, date, timestamp or decimal(precision, scale)",
            "pattern": r"^(?i)(varchar|string|text|bigint|int|integer|double|float|boolean|bool|date|timestamp|decimal\(\s*\d+\s*(,\s*\d+\s*)?\))$"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_read_as_they_print() {
        for name in [
            "varchar",
            "bigint",
            "double",
            "boolean",
            "date",
            "timestamp",
            "decimal(18,4)",
        ] {
            let parsed: SqlType = name.parse().expect(name);
            assert_eq!(parsed.to_string(), name);
        }
    }

    #[test]
    fn decimals_wider_than_bi_tools_read_are_refused() {
        for name in [
            "decimal(19,2)",
            "decimal(4,5)",
            "decimal(0,0)",
            "decimal",
            "uint",
        ] {
            assert!(name.parse::<SqlType>().is_err(), "{name} must be refused");
        }
    }
}
