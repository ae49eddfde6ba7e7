//! The checks of a plan, and what of them is published.

use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};

use crate::engine::text_of;
use crate::spec::check::RowCount;

/// How many rows share what a row of a check of `unique` tells, and how many a table has.
pub(super) const ROWS: &str = "rows";
/// The day of the newest row, and the first day that would do.
pub(super) const NEWEST: &str = "newest";
pub(super) const ENOUGH: &str = "new_enough";
/// A sum, and what it should be.
pub(super) const TOTAL: &str = "total";
pub(super) const EXPECTED: &str = "expected";

/// What a check asks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum CheckKind {
    /// A query of `sql/checks`.
    Sql,
    /// A condition on each row.
    Condition,
    /// No two rows share the values of columns.
    Unique,
    /// The values of a column are another table's.
    Relationship,
    /// The newest row is new enough.
    Freshness,
    /// As many rows as there may be. The query gives their number, which a run holds to the bounds.
    RowCount(RowCount),
    /// A sum is the sum of others.
    Reconciliation,
    /// The columns of a row hold what the contract of a table promises.
    Contract,
}

impl CheckKind {
    /// The name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sql => "sql",
            Self::Condition => "condition",
            Self::Unique => "unique",
            Self::Relationship => "relationship",
            Self::Freshness => "freshness",
            Self::RowCount(_) => "row_count",
            Self::Reconciliation => "reconciliation",
            Self::Contract => "contract",
        }
    }

    /// How many rows break a check whose query gave `found`: of values that rows share it gives one row each, with their number.
    pub fn rows_broken(self, found: &RecordBatch) -> u64 {
        let shared = found.column_by_name(ROWS);
        let shared = shared.and_then(|rows| rows.as_primitive_opt::<Int64Type>());
        match (self, shared) {
            (Self::Unique, Some(shared)) => {
                let shared = shared.iter().flatten();
                shared.map(|rows| u64::try_from(rows).unwrap_or(0)).sum()
            }
            _ => found.num_rows() as u64,
        }
    }

    /// What a check of a table's newest row or of a sum found: `found` is what its query gave, which is nothing where the check holds.
    pub fn told(self, found: Option<&RecordBatch>) -> String {
        let amiss = found.and_then(|found| amiss(self, found));
        let otherwise = match (self, found) {
            (Self::Freshness, None) => "the newest row is new enough",
            (Self::Freshness, Some(_)) => "the newest row is too old",
            (Self::Reconciliation, None) => "the sums agree",
            (Self::Reconciliation, Some(_)) => "the sums differ",
            (_, None) => "it holds",
            (_, Some(_)) => "it is broken",
        };
        amiss.unwrap_or_else(|| otherwise.to_owned())
    }
}

/// What a check of a table as a whole found amiss, of which its query gave `found`; nothing of other checks.
fn amiss(kind: CheckKind, found: &RecordBatch) -> Option<String> {
    let cell = |name: &str| {
        let column = found.column_by_name(name)?;
        (!column.is_empty() && column.is_valid(0)).then(|| text_of(column.as_ref(), 0))
    };
    match kind {
        CheckKind::Freshness => {
            let enough = cell(ENOUGH)?;
            Some(match cell(NEWEST) {
                Some(newest) => {
                    format!("the newest row is too old: it is of {newest}, and {enough} would do")
                }
                None => {
                    format!("there is no row before the as-of day, and one of {enough} would do")
                }
            })
        }
        CheckKind::Reconciliation => {
            let (total, expected) = (cell(TOTAL)?, cell(EXPECTED)?);
            Some(format!("the sums differ: {total} is not {expected}"))
        }
        _ => None,
    }
}

/// A check that a run makes: the stage of its name gives the rows that break it.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedCheck {
    /// The name of its stage: that of its file, or `<table>__<check>`.
    pub name: String,
    /// The table whose contract or source file declares it, or that a query of `sql/checks` says it is about.
    pub table: Option<String>,
    /// What it asks.
    pub kind: CheckKind,
    /// The share of the table's rows that may break it.
    pub max_share: Option<f64>,
}

/// The columns of the table of what every check found.
pub fn check_results_schema() -> SchemaRef {
    let field = |name: &str, data_type, nullable| Field::new(name, data_type, nullable);
    Arc::new(Schema::new(vec![
        field("as_of_date", DataType::Date32, false),
        field("check_name", DataType::Utf8, false),
        field("table_name", DataType::Utf8, true),
        field("kind", DataType::Utf8, false),
        field("severity", DataType::Utf8, false),
        field("has_passed", DataType::Boolean, false),
        field("rows_broken", DataType::Int64, true),
        field("rows_checked", DataType::Int64, true),
        field("detail", DataType::Utf8, false),
    ]))
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, Date32Array, Int64Array, StringArray};

    use super::*;

    #[test]
    fn all_rows_that_share_a_value_break_a_check_of_it() {
        let schema = Schema::new(vec![
            Field::new("order_id", DataType::Utf8, true),
            Field::new("rows", DataType::Int64, true),
        ]);
        let values = StringArray::from(vec!["a", "b"]);
        let rows = Int64Array::from(vec![49, 2]);
        let columns: Vec<ArrayRef> = vec![Arc::new(values), Arc::new(rows)];
        let found = RecordBatch::try_new(Arc::new(schema), columns).unwrap();
        assert_eq!(CheckKind::Unique.rows_broken(&found), 51);
        assert_eq!(CheckKind::Unique.rows_broken(&found.slice(1, 1)), 2);
        // Of any other check each row that is given is one that breaks it, whatever its columns are called.
        assert_eq!(CheckKind::Sql.rows_broken(&found), 2);
    }

    #[test]
    fn what_was_found_is_told_beside_what_would_do() {
        let days = |newest: Option<i32>| {
            let newest: ArrayRef = Arc::new(Date32Array::from(vec![newest]));
            let enough: ArrayRef = Arc::new(Date32Array::from(vec![20_000]));
            RecordBatch::try_from_iter([("newest", newest), ("new_enough", enough)]).unwrap()
        };
        assert_eq!(
            CheckKind::Freshness.told(Some(&days(Some(19_990)))),
            "the newest row is too old: it is of 2024-09-24, and 2024-10-04 would do"
        );
        assert_eq!(
            CheckKind::Freshness.told(Some(&days(None))),
            "there is no row before the as-of day, and one of 2024-10-04 would do"
        );
        assert_eq!(
            CheckKind::Freshness.told(None),
            "the newest row is new enough"
        );
        let text = |text: &str| -> ArrayRef { Arc::new(StringArray::from(vec![text])) };
        let sums = [
            ("total", text("10.5000")),
            ("expected", text("12.0000")),
            ("difference", text("-1.5000")),
        ];
        let sums = RecordBatch::try_from_iter(sums).unwrap();
        assert_eq!(
            CheckKind::Reconciliation.told(Some(&sums)),
            "the sums differ: 10.5000 is not 12.0000"
        );
        assert_eq!(CheckKind::Reconciliation.told(None), "the sums agree");
    }
}
