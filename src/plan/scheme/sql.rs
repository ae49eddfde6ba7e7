//! The query that classifies customers. Names of tables and columns stand in its text, values enter the parsed
//! statement as typed literals.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::engine::types::quoted;
use crate::plan::ParameterValue;
use crate::spec::SqlType;

use super::axis::{Column, Point, text_of};
use super::condition::Test;

/// A query as text with a placeholder for each value, and the values.
#[derive(Debug, Default)]
pub(super) struct Query {
    pub(super) text: String,
    pub(super) values: BTreeMap<String, ParameterValue>,
}

/// What a rule asks, column by column, and the segment that it gives.
pub(super) struct Branch<'a> {
    pub(super) segment: &'a str,
    pub(super) tests: Vec<(&'a Column, &'a Test)>,
}

impl Query {
    /// Adds a scheme of rules over `input`.
    pub(super) fn add_rules(&mut self, scheme: &str, input: &str, branches: &[Branch<'_>]) {
        self.begin();
        let scheme = self.text_value(scheme);
        let _ = write!(
            self.text,
            "select customer_id, as_of_date, {scheme} as scheme, case"
        );
        for branch in branches {
            let tests: Vec<String> = branch
                .tests
                .iter()
                .map(|(column, test)| self.condition(column, test))
                .collect();
            let condition = match tests.as_slice() {
                [] => "true".to_owned(),
                tests => tests.join(" and "),
            };
            let segment = self.text_value(branch.segment);
            let _ = write!(self.text, " when {condition} then {segment}");
        }
        let _ = write!(self.text, " end as segment from {}", quoted(input));
    }

    /// Adds a scheme that is a table; who has no segment in it is left out.
    pub(super) fn add_table(&mut self, scheme: &str, table: &str, segment: &str, is_dated: bool) {
        self.begin();
        let scheme = self.text_value(scheme);
        let date = if is_dated { "as_of_date" } else { "$as_of" };
        let (table, segment) = (quoted(table), quoted(segment));
        let _ = write!(
            self.text,
            "select customer_id, {date} as as_of_date, {scheme} as scheme, {segment} as segment \
             from {table} where {segment} is not null"
        );
    }

    /// Without any scheme there are no rows.
    pub(super) fn finish(&mut self) {
        if self.text.is_empty() {
            self.text = "select cast(null as varchar) as customer_id, $as_of as as_of_date, \
                         cast(null as varchar) as scheme, cast(null as varchar) as segment \
                         where false"
                .to_owned();
        }
    }

    fn begin(&mut self) {
        if !self.text.is_empty() {
            self.text.push_str(" union all ");
        }
    }

    fn condition(&mut self, column: &Column, test: &Test) -> String {
        let name = quoted(&column.name);
        match test {
            Test::Null => format!("{name} is null"),
            Test::NotNull => format!("{name} is not null"),
            Test::Equals(point) => format!("{name} = {}", self.point(column, point)),
            Test::Between(low, high) => {
                let mut parts = Vec::new();
                if let Some(end) = low {
                    let operator = if end.is_inclusive { ">=" } else { ">" };
                    let value = self.point(column, &end.point);
                    parts.push(format!("{name} {operator} {value}"));
                }
                if let Some(end) = high {
                    let operator = if end.is_inclusive { "<=" } else { "<" };
                    let value = self.point(column, &end.point);
                    parts.push(format!("{name} {operator} {value}"));
                }
                parts.join(" and ")
            }
            Test::AnyOf(tests) => {
                let tests: Vec<String> = tests
                    .iter()
                    .map(|test| format!("({})", self.condition(column, test)))
                    .collect();
                match tests.as_slice() {
                    [] => "false".to_owned(),
                    tests => format!("({})", tests.join(" or ")),
                }
            }
            Test::AllOf(tests) => {
                let tests = tests.iter().map(|test| self.condition(column, test));
                tests.collect::<Vec<_>>().join(" and ")
            }
        }
    }

    fn point(&mut self, column: &Column, point: &Point) -> String {
        let value = match (point, column.sql_type) {
            (Point::Text(text), _) => ParameterValue::Varchar(text.clone()),
            (Point::Boolean(value), _) => ParameterValue::Boolean(*value),
            (Point::Real(value), _) => ParameterValue::Double(*value),
            (Point::Whole(_), SqlType::Decimal { precision, scale }) => {
                ParameterValue::Decimal(text_of(point, column.sql_type), precision, scale)
            }
            (Point::Whole(days), SqlType::Date) => {
                let date = i32::try_from(*days)
                    .ok()
                    .and_then(chrono::NaiveDate::from_epoch_days);
                ParameterValue::Date(date.unwrap_or_default())
            }
            // A bigint's bounds were read as such.
            (Point::Whole(value), _) => {
                ParameterValue::Bigint(i64::try_from(*value).unwrap_or_default())
            }
        };
        self.value(value)
    }

    fn text_value(&mut self, text: &str) -> String {
        self.value(ParameterValue::Varchar(text.to_owned()))
    }

    fn value(&mut self, value: ParameterValue) -> String {
        let known = self.values.iter().find(|(_, known)| **known == value);
        if let Some((name, _)) = known {
            return format!("${name}");
        }
        let name = format!("scheme_value_{}", self.values.len());
        self.values.insert(name.clone(), value);
        format!("${name}")
    }
}
