//! One cell: text in, a typed value or the reason why not out.

use crate::spec::SqlType;
use crate::spec::source::RawColumn;

use super::number::{self, Separators};
use super::time::TimeFormat;

/// A cell's text longer than this is cut in reasons; the whole row stands beside them anyway.
const SHOWN: usize = 80;

/// A parsed cell. Text stays where it is: [`Value::Text`] says only that the cell is taken as it stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Value {
    /// No value.
    Null,
    /// The cell's own text.
    Text,
    /// A bigint, an unscaled decimal or microseconds since 1970.
    Whole(i64),
    /// A double.
    Double(f64),
    /// A boolean.
    Bool(bool),
    /// Days since 1970.
    Days(i32),
}

/// A declared column, ready to parse cells.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    /// The name in the file and in SQL.
    pub(crate) name: String,
    /// The declared type.
    pub(crate) sql_type: SqlType,
    /// Whether a row without a value is set aside.
    pub(crate) required: bool,
    separators: Separators,
    time: Option<TimeFormat>,
}

impl Column {
    /// Checks a declaration.
    ///
    /// # Errors
    /// Says what in the declaration cannot work: a format or zone that is none, or one on a type that has none.
    pub(crate) fn new(name: &str, declared: &RawColumn) -> Result<Self, String> {
        let is_time = matches!(declared.sql_type, SqlType::Date | SqlType::Timestamp);
        let is_number = matches!(
            declared.sql_type,
            SqlType::Bigint | SqlType::Double | SqlType::Decimal { .. }
        );
        let refuse = |what: &str| {
            Err(format!(
                "column `{name}`: a {} has no {what}",
                declared.sql_type
            ))
        };
        if declared.format.is_some() && !is_time {
            return refuse("format");
        }
        if declared.timezone.is_some() && declared.sql_type != SqlType::Timestamp {
            return refuse("timezone");
        }
        let separators = Separators {
            decimal: declared.decimal_separator.filter(|c| *c != '.'),
            thousands: declared.thousands_separator,
        };
        if (declared.decimal_separator.is_some() || separators.thousands.is_some()) && !is_number {
            return refuse("separators");
        }
        if separators.thousands == Some(separators.decimal.unwrap_or('.')) {
            return Err(format!(
                "column `{name}`: the decimal and the thousands separator are the same"
            ));
        }
        let time = match is_time {
            false => None,
            true => Some(
                TimeFormat::new(declared.format.as_deref(), declared.timezone.as_deref())
                    .map_err(|reason| format!("column `{name}`: {reason}"))?,
            ),
        };
        let sql_type = declared.sql_type;
        Ok(Self {
            name: name.to_owned(),
            sql_type,
            required: declared.required,
            separators,
            time,
        })
    }

    /// The value of a cell that is not null.
    ///
    /// Blanks around numbers, days, instants and booleans mean nothing; text is taken as it stands. Booleans are
    /// true/false, t/f, yes/no, y/n and 1/0 in any case.
    pub(crate) fn parse(&self, text: &str) -> Result<Value, String> {
        match (self.sql_type, &self.time) {
            (SqlType::Varchar, _) => Ok(Value::Text),
            (SqlType::Bigint, _) => number::bigint(text, self.separators).map(Value::Whole),
            (SqlType::Double, _) => number::double(text, self.separators).map(Value::Double),
            (SqlType::Decimal { precision, scale }, _) => {
                number::decimal(text, precision, scale, self.separators).map(Value::Whole)
            }
            (SqlType::Boolean, _) => boolean(text).map(Value::Bool),
            (SqlType::Date, Some(time)) => time.date(text).map(Value::Days),
            (SqlType::Timestamp, Some(time)) => time.timestamp(text).map(Value::Whole),
            (SqlType::Date | SqlType::Timestamp, None) => Err("has no format".to_owned()),
        }
    }

    /// The zone in which times without an offset are told.
    pub(crate) fn zone(&self) -> Option<chrono_tz::Tz> {
        self.time.as_ref().and_then(TimeFormat::zone)
    }
}

fn boolean(text: &str) -> Result<bool, String> {
    let trimmed = text.trim_ascii();
    let is = |words: &[&str]| words.iter().any(|word| trimmed.eq_ignore_ascii_case(word));
    if is(&["true", "1", "t", "yes", "y"]) {
        Ok(true)
    } else if is(&["false", "0", "f", "no", "n"]) {
        Ok(false)
    } else {
        Err(format!("{} is not a boolean", shown(text)))
    }
}

/// A cell's text, quoted and cut for a message.
pub(crate) fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        None => format!("`{text}`"),
        Some((at, _)) => format!("`{}…`", text.get(..at).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(sql_type: &str) -> RawColumn {
        RawColumn::of(sql_type.parse().unwrap())
    }

    #[test]
    fn booleans() {
        let parsed = Column::new("b", &column("boolean")).unwrap();
        assert_eq!(parsed.parse("TRUE"), Ok(Value::Bool(true)));
        assert_eq!(parsed.parse(" n "), Ok(Value::Bool(false)));
        assert_eq!(parsed.parse("2"), Err("`2` is not a boolean".to_owned()));
    }

    #[test]
    fn text_is_taken_as_it_stands() {
        assert_eq!(
            Column::new("v", &column("varchar")).unwrap().parse(" a "),
            Ok(Value::Text)
        );
    }

    #[test]
    fn declarations_that_cannot_work_are_refused() {
        let refused = |declared: RawColumn| Column::new("x", &declared).unwrap_err();
        assert_eq!(
            refused(RawColumn {
                format: Some("%Y".into()),
                ..column("bigint")
            }),
            "column `x`: a bigint has no format"
        );
        assert_eq!(
            refused(RawColumn {
                timezone: Some("UTC".into()),
                ..column("date")
            }),
            "column `x`: a date has no timezone"
        );
        assert_eq!(
            refused(RawColumn {
                thousands_separator: Some('.'),
                ..column("double")
            }),
            "column `x`: the decimal and the thousands separator are the same"
        );
        assert_eq!(
            refused(RawColumn {
                decimal_separator: Some(','),
                ..column("varchar")
            }),
            "column `x`: a varchar has no separators"
        );
    }

    #[test]
    fn long_cells_are_cut_in_messages() {
        assert_eq!(shown(&"é".repeat(81)), format!("`{}…`", "é".repeat(80)));
    }
}
