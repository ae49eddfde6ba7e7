//! What a rule asks of a column, in the column's own type and with the values of parameters in it.

use std::collections::BTreeMap;

use chrono::{Datelike, NaiveDate};

use crate::plan::ParameterValue;
use crate::plan::parameters::DATES;
use crate::spec::SqlType;
use crate::spec::pipeline::Scalar;
use crate::spec::problem::did_you_mean;
use crate::spec::scheme::Condition;

use super::axis::{Column, Place, Point};

/// One end of a range.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bound {
    pub(super) point: Point,
    pub(super) is_inclusive: bool,
}

/// A condition on one column.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Test {
    Null,
    NotNull,
    Equals(Point),
    /// A value, not null, between two ends of which one may be missing.
    Between(Option<Bound>, Option<Bound>),
    AnyOf(Vec<Test>),
    AllOf(Vec<Test>),
}

impl Test {
    /// Adds every value at which the test changes.
    pub(super) fn bounds(&self, bounds: &mut Vec<Point>) {
        match self {
            Self::Null | Self::NotNull => {}
            Self::Equals(point) => bounds.push(point.clone()),
            Self::Between(low, high) => {
                bounds.extend(
                    [low, high]
                        .into_iter()
                        .flatten()
                        .map(|end| end.point.clone()),
                );
            }
            Self::AnyOf(tests) | Self::AllOf(tests) => {
                tests.iter().for_each(|test| test.bounds(bounds))
            }
        }
    }

    /// Whether it holds for the values at `place` among `bounds`, which hold its own.
    pub(super) fn holds(&self, place: Place, bounds: &[Point]) -> bool {
        let position = |point: &Point| {
            let index = bounds.iter().position(|bound| bound == point);
            index.map(|index| 2 * index + 1)
        };
        match (self, place) {
            (Self::Null, _) => place == Place::Null,
            (Self::NotNull, _) => place != Place::Null,
            (Self::AnyOf(tests), _) => tests.iter().any(|test| test.holds(place, bounds)),
            (Self::AllOf(tests), _) => tests.iter().all(|test| test.holds(place, bounds)),
            (Self::Equals(point), Place::Among(at)) => position(point) == Some(at),
            (Self::Between(low, high), Place::Among(at)) => {
                let beyond = |end: &Bound, past: fn(usize, usize) -> bool| {
                    position(&end.point)
                        .is_some_and(|bound| past(at, bound) || at == bound && end.is_inclusive)
                };
                low.as_ref()
                    .is_none_or(|end| beyond(end, |at, bound| at > bound))
                    && high
                        .as_ref()
                        .is_none_or(|end| beyond(end, |at, bound| at < bound))
            }
            _ => false,
        }
    }
}

/// Why a condition cannot be read, and what to do.
#[derive(Debug)]
pub(super) struct Misfit {
    pub(super) message: String,
    pub(super) help: String,
}

/// Reads conditions on one column.
pub(super) struct Reading<'a> {
    pub(super) column: &'a Column,
    pub(super) parameters: &'a BTreeMap<String, ParameterValue>,
}

impl Reading<'_> {
    pub(super) fn test(&self, condition: &Condition) -> Result<Test, Misfit> {
        if self.column.sql_type == SqlType::Timestamp {
            return Err(Misfit {
                message: format!(
                    "`{}` is a timestamp, which rules cannot look at",
                    self.column.name
                ),
                help: "give the table a column of dates or of days since, and look at that"
                    .to_owned(),
            });
        }
        match condition {
            Condition::Null => Ok(Test::Null),
            Condition::AnyOf(conditions) => {
                let tests = conditions.iter().map(|condition| self.test(condition));
                Ok(Test::AnyOf(tests.collect::<Result<_, _>>()?))
            }
            Condition::Is(Scalar::Text(text)) => self.text(text.trim()),
            Condition::Is(scalar) => Ok(Test::Equals(self.scalar(scalar)?)),
        }
    }

    fn text(&self, text: &str) -> Result<Test, Misfit> {
        if text == "not null" {
            return Ok(Test::NotNull);
        }
        if matches!(self.column.sql_type, SqlType::Varchar | SqlType::Boolean) {
            return self.operand(text).map(Test::Equals);
        }
        if text.contains(" and ") {
            let tests = text.split(" and ").map(|part| self.text(part.trim()));
            return Ok(Test::AllOf(tests.collect::<Result<_, _>>()?));
        }
        if let Some((low, high)) = text.split_once("..") {
            let end = |text| self.end(text, true);
            return Ok(Test::Between(Some(end(low)?), Some(end(high)?)));
        }
        let (operator, operand) =
            text.split_at(text.find(|c| !"<>=".contains(c)).unwrap_or(text.len()));
        match operator {
            "<" => Ok(Test::Between(None, Some(self.end(operand, false)?))),
            "<=" => Ok(Test::Between(None, Some(self.end(operand, true)?))),
            ">" => Ok(Test::Between(Some(self.end(operand, false)?), None)),
            ">=" => Ok(Test::Between(Some(self.end(operand, true)?), None)),
            "=" | "" => self.operand(operand.trim()).map(Test::Equals),
            _ => Err(self.misfit(text)),
        }
    }

    fn end(&self, text: &str, is_inclusive: bool) -> Result<Bound, Misfit> {
        let point = self.operand(text.trim())?;
        Ok(Bound {
            point,
            is_inclusive,
        })
    }

    /// A value as text or a parameter's, or for numbers the sum of several.
    fn operand(&self, text: &str) -> Result<Point, Misfit> {
        let is_number = matches!(
            self.column.sql_type,
            SqlType::Bigint | SqlType::Double | SqlType::Decimal { .. }
        );
        if !is_number {
            return self.term(text);
        }
        let mut terms = text.split(" + ").map(|term| self.term(term.trim()));
        let first = terms.next().unwrap_or_else(|| Err(self.misfit(text)))?;
        terms.try_fold(first, |sum, term| match (sum, term?) {
            (Point::Whole(a), Point::Whole(b)) if self.fits(a + b) => Ok(Point::Whole(a + b)),
            (Point::Real(a), Point::Real(b)) => {
                real(sum_as_written(a, b)).ok_or_else(|| self.misfit(text))
            }
            _ => Err(self.misfit(text)),
        })
    }

    fn term(&self, text: &str) -> Result<Point, Misfit> {
        let Some(name) = text.strip_prefix('$') else {
            let scalar = match self.column.sql_type {
                SqlType::Varchar | SqlType::Date => Some(Scalar::Text(text.to_owned())),
                SqlType::Double => text.parse().ok().map(Scalar::Number),
                _ => return self.number(text).ok_or_else(|| self.misfit(text)),
            };
            return scalar.map_or_else(|| Err(self.misfit(text)), |scalar| self.scalar(&scalar));
        };
        if DATES.contains(&name) {
            return Err(Misfit {
                message: format!("`${name}` is known only when the pipeline runs"),
                help: "nothing can be proven of it: give the table a column of days since, and look at that"
                    .to_owned(),
            });
        }
        let Some(value) = self.parameters.get(name) else {
            let names = self.parameters.keys().map(String::as_str);
            return Err(Misfit {
                message: format!("there is no parameter `${name}`"),
                help: did_you_mean(name, names),
            });
        };
        self.parameter(value).ok_or_else(|| Misfit {
            message: format!(
                "`${name}` is {value}, which is no {} as `{}` is",
                self.column.sql_type, self.column.name
            ),
            help: "declare the parameter with the column's type, or look at another column"
                .to_owned(),
        })
    }

    fn parameter(&self, value: &ParameterValue) -> Option<Point> {
        match (self.column.sql_type, value) {
            (SqlType::Varchar, ParameterValue::Varchar(text)) => Some(Point::Text(text.clone())),
            (SqlType::Boolean, ParameterValue::Boolean(value)) => Some(Point::Boolean(*value)),
            (SqlType::Date, ParameterValue::Date(date)) => Some(days(*date)),
            (SqlType::Double, ParameterValue::Double(value)) => real(*value),
            (SqlType::Double, ParameterValue::Bigint(value)) => real(*value as f64),
            (SqlType::Bigint, ParameterValue::Bigint(value)) => Some(Point::Whole((*value).into())),
            (
                SqlType::Decimal { .. },
                ParameterValue::Bigint(_) | ParameterValue::Double(_) | ParameterValue::Decimal(..),
            ) => self.number(&value.to_string()),
            _ => None,
        }
    }

    fn scalar(&self, scalar: &Scalar) -> Result<Point, Misfit> {
        let point = match (self.column.sql_type, scalar) {
            (SqlType::Boolean, Scalar::Boolean(value)) => Some(Point::Boolean(*value)),
            (SqlType::Varchar, Scalar::Text(text)) => Some(Point::Text(text.clone())),
            (SqlType::Date, Scalar::Text(text)) => {
                NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().map(days)
            }
            (SqlType::Double, Scalar::Integer(value)) => real(*value as f64),
            (SqlType::Double, Scalar::Number(value)) => real(*value),
            (SqlType::Bigint | SqlType::Decimal { .. }, Scalar::Integer(_) | Scalar::Number(_)) => {
                self.number(&scalar.to_string())
            }
            _ => None,
        };
        point.ok_or_else(|| self.misfit(&scalar.to_string()))
    }

    /// A whole number or decimal, exactly; none where the column cannot hold it.
    fn number(&self, text: &str) -> Option<Point> {
        let scale = match self.column.sql_type {
            SqlType::Bigint => 0,
            SqlType::Decimal { scale, .. } => usize::from(scale.unsigned_abs()),
            _ => return None,
        };
        let (sign, digits) = match text.strip_prefix('-') {
            Some(digits) => (-1, digits),
            None => (1, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let fraction = fraction.trim_end_matches('0');
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || fraction.len() > scale || !is_number(whole) || !is_number(fraction) {
            return None;
        }
        let units: i128 = format!("{whole}{fraction:0<scale$}").parse().ok()?;
        let units = sign * units;
        self.fits(units).then_some(Point::Whole(units))
    }

    /// Whether the column's type holds the whole number, or the decimal of so many units.
    fn fits(&self, units: i128) -> bool {
        let most = match self.column.sql_type {
            SqlType::Decimal { precision, .. } => 10_i128.pow(precision.into()) - 1,
            _ => i64::MAX.into(),
        };
        units.abs() <= most
    }

    fn misfit(&self, written: &str) -> Misfit {
        let Column { name, sql_type, .. } = self.column;
        let help = match sql_type {
            SqlType::Varchar => "write a text, null, \"not null\" or a list of them",
            SqlType::Boolean => "write true, false, null or \"not null\"",
            SqlType::Date => {
                "write a day as in \"< 2024-03-01\", a range \"2024-01-01..2024-03-31\", null or \"not null\""
            }
            _ => {
                "write a number of this type, a comparison as in \"< 3\", a range \"2..4\", a parameter \"$name\", null or \"not null\""
            }
        };
        Misfit {
            message: format!("`{name}` is {sql_type}, to which `{written}` is no condition"),
            help: help.to_owned(),
        }
    }
}

fn real(value: f64) -> Option<Point> {
    // Adding zero makes negative zero, which sorts below zero, zero.
    value.is_finite().then_some(Point::Real(value + 0.0))
}

/// The double next to the sum of two numbers as they are written: 0.1 + 0.2 is 0.3.
fn sum_as_written(a: f64, b: f64) -> f64 {
    let (left, right) = (a.to_string(), b.to_string());
    let digits = |text: &str| {
        text.split_once('.')
            .map_or(0, |(_, fraction)| fraction.len())
    };
    let scale = digits(&left).max(digits(&right));
    let units = |text: &str| -> Option<i128> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        format!("{whole}{fraction:0<scale$}").parse().ok()
    };
    let sum = units(&left)
        .zip(units(&right))
        .and_then(|(left, right)| left.checked_add(right));
    // As many digits as there are belong to a number that no person wrote.
    sum.and_then(|sum| format!("{sum}e-{scale}").parse().ok())
        .unwrap_or(a + b)
}

fn days(date: NaiveDate) -> Point {
    let epoch = NaiveDate::default();
    Point::Whole((date.num_days_from_ce() - epoch.num_days_from_ce()).into())
}
