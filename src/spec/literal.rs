//! Values as contracts write them: numbers, kept to the last digit, texts and days.

use std::fmt;

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::de::{self, Deserialize, Deserializer, Visitor};

use super::types::SqlType;

/// A number or a text; of dates and timestamps a text tells a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Literal {
    /// A number.
    Number(Number),
    /// A text.
    Text(String),
}

/// A number with so many digits as it was written with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Number {
    /// The number in units of its last digit.
    units: i128,
    /// How many digits stand behind the point, the last of which is not 0.
    scale: u8,
}

impl Literal {
    /// The day that a text tells in ISO 8601.
    pub fn day(&self) -> Option<NaiveDate> {
        let Self::Text(text) = self else {
            return None;
        };
        let day: NaiveDate = text.parse().ok()?;
        // What is parsed may be written in other ways.
        (day.to_string() == *text).then_some(day)
    }

    /// The value as a column of a type has it: what the environment gives is text, whatever it tells.
    #[must_use]
    pub fn of_type(self, sql_type: SqlType) -> Self {
        let is_number = matches!(
            sql_type,
            SqlType::Bigint | SqlType::Double | SqlType::Decimal { .. }
        );
        match self {
            Self::Text(text) if is_number => {
                Number::read(&text).map_or(Self::Text(text), Self::Number)
            }
            known => known,
        }
    }

    /// Whether a column of a type can be held to it: whole numbers to one that is whole, decimals to one with no more digits behind
    /// the point than they have, dates and timestamps to a day, text to a text.
    pub fn fits(&self, sql_type: SqlType) -> bool {
        match (sql_type, self) {
            (SqlType::Bigint, Self::Number(number)) => number.whole().is_some(),
            (SqlType::Double, Self::Number(_)) | (SqlType::Varchar, Self::Text(_)) => true,
            (SqlType::Decimal { scale, .. }, Self::Number(number)) => {
                number.units_at(scale.unsigned_abs()).is_some()
            }
            (SqlType::Date | SqlType::Timestamp, _) => self.day().is_some(),
            _ => false,
        }
    }

    /// Whether it comes after another of its kind.
    pub fn is_above(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Number(number), Self::Number(other)) => number.is_above(*other),
            _ => self.day() > other.day(),
        }
    }
}

impl Number {
    /// In units of the last of `scale` digits behind the point; none where it has more digits, or is too large.
    pub fn units_at(self, scale: u8) -> Option<i128> {
        let more = scale.checked_sub(self.scale)?;
        10_i128.checked_pow(more.into())?.checked_mul(self.units)
    }

    /// A whole number of 64 bits, if it is one.
    pub fn whole(self) -> Option<i64> {
        i64::try_from(self.units_at(0)?).ok()
    }

    /// The nearest 64-bit float.
    pub fn real(self) -> f64 {
        self.to_string().parse().unwrap_or(f64::NAN)
    }

    /// Whether digits stand behind its point.
    pub const fn has_decimals(self) -> bool {
        self.scale > 0
    }

    fn is_above(self, other: Self) -> bool {
        let scale = self.scale.max(other.scale);
        match (self.units_at(scale), other.units_at(scale)) {
            (Some(units), Some(others)) => units > others,
            _ => self.real() > other.real(),
        }
    }

    /// The number whose shortest text `value` is; none where it has more digits than a float keeps.
    fn of_real(value: f64) -> Option<Self> {
        // Never with an exponent.
        let number = Self::read(&value.to_string())?;
        let digits = number.units.to_string();
        let digits = digits.trim_start_matches('-').trim_end_matches('0');
        (digits.len() <= f64::DIGITS as usize).then_some(number)
    }

    /// A number as people write it: digits, a point between some of them, a sign.
    fn read(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let digits = whole.strip_prefix('-').unwrap_or(whole);
        let is_number =
            |digits: &str| !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
        if !is_number(digits) || !is_number(fraction) {
            return None;
        }
        let fraction = fraction.trim_end_matches('0');
        Some(Self {
            units: format!("{whole}{fraction}").parse().ok()?,
            scale: u8::try_from(fraction.len()).ok()?,
        })
    }
}

impl From<i64> for Literal {
    fn from(value: i64) -> Self {
        Self::Number(Number {
            units: value.into(),
            scale: 0,
        })
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scale = usize::from(self.scale);
        let digits = format!("{:0width$}", self.units.unsigned_abs(), width = scale + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        let sign = if self.units < 0 { "-" } else { "" };
        let point = if self.scale > 0 { "." } else { "" };
        write!(f, "{sign}{whole}{point}{fraction}")
    }
}

impl<'de> Deserialize<'de> for Literal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct LiteralVisitor;
        impl Visitor<'_> for LiteralVisitor {
            type Value = Literal;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number or a text")
            }
            fn visit_i64<E>(self, value: i64) -> Result<Literal, E> {
                Ok(value.into())
            }
            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Literal, E> {
                Number::of_real(value)
                    .map(Literal::Number)
                    .ok_or_else(|| E::custom(format!("{value} has too many digits")))
            }
            fn visit_str<E>(self, value: &str) -> Result<Literal, E> {
                Ok(Literal::Text(value.to_owned()))
            }
        }
        deserializer.deserialize_any(LiteralVisitor)
    }
}

impl JsonSchema for Literal {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Literal".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": ["number", "string"],
            "description": "A number or a text; of dates and timestamps a day, as in 2024-12-31"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(value: f64) -> Number {
        Number::of_real(value).unwrap()
    }

    #[test]
    fn numbers_are_kept_as_they_are_written() {
        for text in ["0.5", "-0.05", "12.25", "0.1", "100", "-7", "0.0001"] {
            let value: f64 = text.parse().unwrap();
            assert_eq!(number(value).to_string(), text);
            assert_eq!(number(value).real().to_bits(), value.to_bits());
        }
        assert_eq!(Number::of_real(1_234_567_890_123_456.7), None);
        assert_eq!(number(1e18).to_string(), "1000000000000000000");
        assert_eq!(number(0.1).units_at(4), Some(1_000));
        assert_eq!(number(-0.05).units_at(1), None);
        assert_eq!(number(3.0).whole(), Some(3));
        assert_eq!(number(3.5).whole(), None);
        for value in [f64::NAN, f64::INFINITY, 1e300, 1e-300] {
            assert_eq!(Number::of_real(value), None, "{value}");
        }
    }

    #[test]
    fn values_have_an_order() {
        let of = |value: f64| Literal::Number(number(value));
        let day = |text: &str| Literal::Text(text.to_owned());
        assert!(of(0.5).is_above(&of(0.25)));
        assert!(of(-0.25).is_above(&of(-1.0)));
        assert!(!of(1.0).is_above(&1_i64.into()));
        assert!(day("2024-10-01").is_above(&day("2024-09-30")));
        assert!(!day("2024-10-01").is_above(&day("2024-10-01")));
    }

    #[test]
    fn a_column_is_held_to_what_it_could_hold() {
        let decimal = SqlType::Decimal {
            precision: 18,
            scale: 2,
        };
        let half = Literal::Number(number(0.5));
        let text = |text: &str| Literal::Text(text.to_owned());
        assert!(half.fits(SqlType::Double) && half.fits(decimal));
        assert!(!half.fits(SqlType::Bigint) && !half.fits(SqlType::Varchar));
        assert!(!Literal::Number(number(0.005)).fits(decimal));
        assert!(Literal::from(3_i64).fits(SqlType::Bigint));
        assert!(text("2024-02-29").fits(SqlType::Date));
        for no_day in [
            "2023-02-29",
            "2024-2-9",
            "29.02.2024",
            "2024-02-29T00:00:00",
        ] {
            assert!(!text(no_day).fits(SqlType::Timestamp), "{no_day}");
        }
        assert!(text("a").fits(SqlType::Varchar) && !text("1").fits(SqlType::Bigint));
        assert!(!text("true").fits(SqlType::Boolean));
    }

    #[test]
    fn a_text_is_a_number_where_a_number_is_wanted() {
        let decimal = SqlType::Decimal {
            precision: 18,
            scale: 2,
        };
        let of_type = |text: &str, sql_type| Literal::Text(text.to_owned()).of_type(sql_type);
        for (text, value) in [("0", 0.0), ("-12.50", -12.5), ("007", 7.0)] {
            assert_eq!(of_type(text, decimal), Literal::Number(number(value)));
        }
        for (text, sql_type) in [
            ("", decimal),
            ("-", decimal),
            ("1.", decimal),
            (".5", decimal),
            ("1e3", decimal),
            ("often", SqlType::Double),
            ("7", SqlType::Varchar),
        ] {
            assert_eq!(of_type(text, sql_type), Literal::Text(text.to_owned()));
        }
    }
}
