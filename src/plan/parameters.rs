//! Named values in SQL, bound as typed literals in the parsed statement, never as text.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use chrono::NaiveDate;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    self, DataType, Expr, TypedString, Value, ValueWithSpan, visit_expressions,
    visit_expressions_mut,
};
use datafusion::sql::sqlparser::tokenizer::Span;

use crate::score::FitContext;
use crate::spec::SqlType;
use crate::spec::pipeline::Scalar;

/// The parameters whose values a run gives.
pub const DATES: [&str; 2] = ["as_of", "holdout_start"];

/// The dates of a run: `$as_of`, the exclusive end of what it sees, and `$holdout_start`, the first day that models are
/// not fitted to when they are validated; the same where nothing is held out.
pub fn dates(days: &FitContext) -> BTreeMap<String, ParameterValue> {
    [days.as_of, days.holdout_start]
        .into_iter()
        .zip(DATES)
        .map(|(date, name)| (name.to_owned(), ParameterValue::Date(date)))
        .collect()
}

/// A value with its SQL type.
#[derive(Debug, Clone, PartialEq)]
pub enum ParameterValue {
    /// `bigint`
    Bigint(i64),
    /// `double`
    Double(f64),
    /// `boolean`
    Boolean(bool),
    /// `varchar`
    Varchar(String),
    /// `date`
    Date(NaiveDate),
    /// `decimal(p,s)`, as written
    Decimal(String, u8, i8),
}

impl ParameterValue {
    /// `scalar` as a value of the declared type; none where it is no such value.
    pub fn parse(scalar: &Scalar, sql_type: SqlType) -> Option<Self> {
        match (sql_type, scalar) {
            (SqlType::Bigint, Scalar::Integer(value)) => Some(Self::Bigint(*value)),
            (SqlType::Double, Scalar::Integer(value)) => Some(Self::Double(*value as f64)),
            (SqlType::Double, Scalar::Number(value)) => Some(Self::Double(*value)),
            (SqlType::Boolean, Scalar::Boolean(value)) => Some(Self::Boolean(*value)),
            (SqlType::Varchar, Scalar::Text(value)) => Some(Self::Varchar(value.clone())),
            (SqlType::Date, Scalar::Text(value)) => NaiveDate::parse_from_str(value, "%Y-%m-%d")
                .ok()
                .map(Self::Date),
            (SqlType::Decimal { precision, scale }, Scalar::Integer(_) | Scalar::Number(_)) => {
                Some(Self::Decimal(scalar.to_string(), precision, scale))
            }
            _ => None,
        }
    }

    fn expression(&self) -> Expr {
        let literal = |value| {
            Expr::Value(ValueWithSpan {
                value,
                span: Span::empty(),
            })
        };
        let number = |text: String| literal(Value::Number(text, false));
        let cast = |text: String, data_type| Expr::Cast {
            kind: ast::CastKind::Cast,
            expr: Box::new(literal(Value::SingleQuotedString(text))),
            data_type,
            array: false,
            format: None,
        };
        match self {
            Self::Bigint(value) if *value >= 0 => number(value.to_string()),
            Self::Bigint(value) => cast(value.to_string(), DataType::BigInt(None)),
            Self::Double(value) => cast(
                value.to_string(),
                DataType::Double(ast::ExactNumberInfo::None),
            ),
            Self::Boolean(value) => literal(Value::Boolean(*value)),
            Self::Varchar(value) => literal(Value::SingleQuotedString(value.clone())),
            Self::Date(value) => Expr::TypedString(TypedString {
                data_type: DataType::Date,
                value: ValueWithSpan {
                    value: Value::SingleQuotedString(value.to_string()),
                    span: Span::empty(),
                },
                uses_odbc_syntax: false,
            }),
            Self::Decimal(text, precision, scale) => cast(
                text.clone(),
                DataType::Decimal(ast::ExactNumberInfo::PrecisionAndScale(
                    u64::from(*precision),
                    i64::from(*scale),
                )),
            ),
        }
    }
}

impl std::fmt::Display for ParameterValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bigint(value) => write!(f, "{value}"),
            Self::Double(value) => write!(f, "{value}"),
            Self::Boolean(value) => write!(f, "{value}"),
            Self::Varchar(value) => f.write_str(value),
            Self::Date(value) => write!(f, "{value}"),
            Self::Decimal(text, ..) => f.write_str(text),
        }
    }
}

/// Replaces every `$name` by its value; returns the names that have none.
pub fn bind(statement: &mut Statement, values: &BTreeMap<String, ParameterValue>) -> Vec<String> {
    let mut unknown = Vec::new();
    let Statement::Statement(inner) = statement else {
        return unknown;
    };
    let _: ControlFlow<()> = visit_expressions_mut(inner.as_mut(), |expression| {
        let Expr::Value(ValueWithSpan {
            value: Value::Placeholder(name),
            ..
        }) = expression
        else {
            return ControlFlow::Continue(());
        };
        let bare = name.trim_start_matches('$');
        match values.get(bare) {
            Some(value) => *expression = value.expression(),
            None => unknown.push(bare.to_owned()),
        }
        ControlFlow::Continue(())
    });
    unknown
}

/// The parameters that a statement reads.
pub fn names(statement: &Statement) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    if let Statement::Statement(inner) = statement {
        let _: ControlFlow<()> = visit_expressions(inner.as_ref(), |expression| {
            if let Expr::Value(ValueWithSpan {
                value: Value::Placeholder(name),
                ..
            }) = expression
            {
                names.insert(name.trim_start_matches('$').to_owned());
            }
            ControlFlow::Continue(())
        });
    }
    names
}
