//! The values of one column, cut at every bound that a rule names: within a cell all values meet the same rules.

use std::cmp::Ordering;

use chrono::NaiveDate;

use crate::spec::table::ContractColumn;
use crate::spec::{Literal, SqlType};

use super::condition::Test;

/// A value of a column. Whole numbers, decimals (in units of their last digit) and dates (in days) are all `Whole`.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Point {
    Whole(i128),
    Real(f64),
    Text(String),
    Boolean(bool),
}

impl Point {
    /// The order of two values of one column.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Whole(a), Self::Whole(b)) => a.cmp(b),
            (Self::Real(a), Self::Real(b)) => a.total_cmp(b),
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            (Self::Boolean(a), Self::Boolean(b)) => a.cmp(b),
            _ => Ordering::Equal,
        }
    }
}

/// A column that rules look at.
#[derive(Debug, Clone)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) sql_type: SqlType,
    pub(super) is_required: bool,
    /// The smallest and the largest value: the contract's, or else the type's where it has ends.
    pub(super) minimum: Option<Point>,
    pub(super) maximum: Option<Point>,
    /// Whether the contract tells them.
    has_minimum: bool,
    has_maximum: bool,
}

impl Column {
    pub(super) fn of(name: &str, contract: &ContractColumn) -> Self {
        let (lowest, highest) = match contract.sql_type {
            SqlType::Bigint => (Some(i64::MIN.into()), Some(i64::MAX.into())),
            SqlType::Date => (Some(i32::MIN.into()), Some(i32::MAX.into())),
            SqlType::Decimal { precision, .. } => {
                let most = 10_i128.pow(precision.into()) - 1;
                (Some(-most), Some(most))
            }
            _ => (None, None),
        };
        let bound = |declared: Option<&Literal>, otherwise: Option<i128>| {
            let number = match declared {
                Some(Literal::Number(number)) => Some(*number),
                _ => None,
            };
            let units = match contract.sql_type {
                SqlType::Double => return number.map(|number| Point::Real(number.real())),
                SqlType::Decimal { scale, .. } => {
                    number.and_then(|number| number.units_at(scale.unsigned_abs()))
                }
                SqlType::Bigint => number.and_then(|number| number.units_at(0)),
                SqlType::Date => declared
                    .and_then(Literal::day)
                    .map(|day| i128::from(day.to_epoch_days())),
                _ => None,
            };
            units.or(otherwise).map(Point::Whole)
        };
        Self {
            name: name.to_owned(),
            sql_type: contract.sql_type,
            is_required: contract.required,
            minimum: bound(contract.minimum.as_ref(), lowest),
            maximum: bound(contract.maximum.as_ref(), highest),
            has_minimum: contract.minimum.is_some(),
            has_maximum: contract.maximum.is_some(),
        }
    }

    /// Whether the value is an end of the type that nobody wrote.
    fn is_end_of_type(&self, point: &Point) -> bool {
        !self.has_minimum && self.minimum.as_ref() == Some(point)
            || !self.has_maximum && self.maximum.as_ref() == Some(point)
    }

    /// "orders = 2"
    fn show(&self, point: &Point) -> String {
        let name = &self.name;
        match (point, self.sql_type) {
            (Point::Text(text), _) => format!("{name} = '{text}'"),
            (point, sql_type) => format!("{name} = {}", text_of(point, sql_type)),
        }
    }
}

/// A value as it is written in a rule.
pub(super) fn text_of(point: &Point, sql_type: SqlType) -> String {
    match (point, sql_type) {
        (Point::Whole(days), SqlType::Date) => i32::try_from(*days)
            .ok()
            .and_then(NaiveDate::from_epoch_days)
            .map_or_else(|| days.to_string(), |date| date.to_string()),
        (Point::Whole(units), SqlType::Decimal { scale, .. }) => decimal(*units, scale),
        (Point::Whole(value), _) => value.to_string(),
        (Point::Real(value), _) => value.to_string(),
        (Point::Boolean(value), _) => value.to_string(),
        (Point::Text(text), _) => text.clone(),
    }
}

/// `units` of the last of `scale` digits, without trailing zeros.
fn decimal(units: i128, scale: i8) -> String {
    let one = 10_u128.pow(scale.unsigned_abs().into());
    let (whole, rest) = (units.unsigned_abs() / one, units.unsigned_abs() % one);
    let sign = if units < 0 { "-" } else { "" };
    if rest == 0 {
        return format!("{sign}{whole}");
    }
    let digits = format!("{rest:0width$}", width = usize::from(scale.unsigned_abs()));
    format!("{sign}{whole}.{}", digits.trim_end_matches('0'))
}

/// Where a value lies among the sorted bounds of an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Null,
    /// 2i + 1 is the bound of index i itself, 2i what lies below it and above the one before.
    Among(usize),
    /// A text that no rule names.
    AnyOther,
}

/// A set of rules, one bit each.
pub(super) type Rules = Vec<u64>;

/// One of the cells of an axis: a value of it, and the rules whose condition on this column it meets.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    pub(super) shown: String,
    pub(super) rules: Rules,
}

/// The cells of a column. Values that meet the same rules are in one.
#[derive(Debug)]
pub(super) struct Axis {
    pub(super) column: String,
    pub(super) cells: Vec<Cell>,
}

impl Axis {
    /// Cuts `column` at the bounds of `tests`: one a rule, none where the rule does not look at the column.
    pub(super) fn cut(column: &Column, tests: &[Option<&Test>]) -> Self {
        let mut bounds: Vec<Point> = Vec::new();
        for test in tests.iter().flatten() {
            test.bounds(&mut bounds);
        }
        bounds.extend(column.minimum.clone());
        bounds.extend(column.maximum.clone());
        if column.sql_type == SqlType::Boolean {
            bounds.extend([Point::Boolean(false), Point::Boolean(true)]);
        }
        bounds.sort_by(Point::order);
        bounds.dedup();
        let mut cells: Vec<Cell> = Vec::new();
        for (place, shown) in places(column, &bounds) {
            let mut rules = vec![0; tests.len().div_ceil(64)];
            for (index, test) in tests.iter().enumerate() {
                if test.is_none_or(|test| test.holds(place, &bounds))
                    && let Some(word) = rules.get_mut(index / 64)
                {
                    *word |= 1_u64 << (index % 64);
                }
            }
            // Null is a case of its own to people, even where it meets what others meet.
            if place == Place::Null || !cells.iter().any(|cell| cell.rules == rules) {
                cells.push(Cell { shown, rules });
            }
        }
        Self {
            column: column.name.clone(),
            cells,
        }
    }
}

/// Every place that a value can have, each with one such value for people. Ends of the type come after what lies
/// between them, so that they speak only for themselves.
fn places(column: &Column, bounds: &[Point]) -> Vec<(Place, String)> {
    let mut places = Vec::new();
    let mut ends = Vec::new();
    let position = |bound: &Option<Point>| {
        let bound = bound.as_ref()?;
        let index = bounds.iter().position(|other| other == bound)?;
        Some(2 * index + 1)
    };
    let lowest = position(&column.minimum).unwrap_or(0);
    let highest = position(&column.maximum).unwrap_or(2 * bounds.len());
    let is_ordered = !matches!(column.sql_type, SqlType::Varchar | SqlType::Boolean);
    for index in lowest..=highest {
        let place = Place::Among(index);
        if index % 2 == 0 {
            let between = is_ordered.then(|| between(column, bounds, index / 2));
            places.extend(between.flatten().map(|shown| (place, shown)));
        } else if let Some(bound) = bounds.get(index / 2) {
            let is_end = column.is_end_of_type(bound);
            let list = if is_end { &mut ends } else { &mut places };
            list.push((place, column.show(bound)));
        }
    }
    places.append(&mut ends);
    if column.sql_type == SqlType::Varchar {
        let other = if bounds.is_empty() {
            "is not null"
        } else {
            "is any other text"
        };
        places.push((Place::AnyOther, format!("{} {other}", column.name)));
    }
    if !column.is_required {
        places.push((Place::Null, format!("{} is null", column.name)));
    }
    places
}

/// A value below the bound of index `upper` and above the one before it, where there is one.
fn between(column: &Column, bounds: &[Point], upper: usize) -> Option<String> {
    let below = upper.checked_sub(1).and_then(|lower| bounds.get(lower));
    let above = bounds.get(upper);
    let anything = || Some(format!("{} is not null", column.name));
    let point = match (below, above) {
        (Some(Point::Whole(low)), Some(Point::Whole(high))) if high - low < 2 => return None,
        (Some(below @ Point::Whole(low)), Some(above @ Point::Whole(high))) => {
            match (column.is_end_of_type(below), column.is_end_of_type(above)) {
                (true, true) => return anything(),
                (true, false) => Point::Whole(high - 1),
                (false, _) => Point::Whole(low + 1),
            }
        }
        (Some(Point::Real(low)), Some(Point::Real(high))) => {
            Point::Real(f64::midpoint(*low, *high))
        }
        (Some(Point::Real(low)), None) => Point::Real(low + 1.0),
        (None, Some(Point::Real(high))) => Point::Real(high - 1.0),
        _ => return anything(),
    };
    Some(column.show(&point))
}
