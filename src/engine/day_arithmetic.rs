//! Dates and numbers of days.

use arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::error::Result;
use datafusion::logical_expr::expr::BinaryExpr;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{Expr, ExprSchemable, Operator, cast};
use datafusion::sql::sqlparser::ast::BinaryOperator;

/// Plans `date + days` and `date - days` as a sum of whole numbers. The engine makes an interval of the days and goes through
/// the calendar row by row: the same day, several times as slow. A day outside of what a date can hold is an error.
#[derive(Debug)]
pub(super) struct DayArithmetic;

impl ExprPlanner for DayArithmetic {
    fn plan_binary_op(
        &self,
        raw: RawBinaryExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawBinaryExpr>> {
        let types = (raw.left.get_type(schema), raw.right.get_type(schema));
        let operator = match (&raw.op, types) {
            (BinaryOperator::Plus, (Ok(left), Ok(right)))
                if is_date(&left) && right.is_integer() || left.is_integer() && is_date(&right) =>
            {
                Operator::Plus
            }
            (BinaryOperator::Minus, (Ok(left), Ok(right)))
                if is_date(&left) && right.is_integer() =>
            {
                Operator::Minus
            }
            _ => return Ok(PlannerResult::Original(raw)),
        };
        let days = Expr::BinaryExpr(BinaryExpr::new(
            Box::new(cast(raw.left, DataType::Int64)),
            operator,
            Box::new(cast(raw.right, DataType::Int64)),
        ));
        Ok(PlannerResult::Planned(cast(days, DataType::Date32)))
    }
}

fn is_date(data_type: &DataType) -> bool {
    *data_type == DataType::Date32
}

#[cfg(test)]
mod tests {
    use crate::engine::Session;

    async fn value(sql: &str) -> Result<String, String> {
        let session = Session::for_queries();
        let plan = session.plan_text(sql).await.map_err(|e| e.to_string())?;
        let rows = session.frame(plan).collect().await;
        let rows = rows.map_err(|error| error.to_string())?;
        let value = rows[0].column(0);
        Ok(arrow::util::display::array_value_to_string(value, 0).unwrap())
    }

    #[tokio::test]
    async fn days_are_counted_over_leap_days_and_ends_of_years() {
        for (sql, expected) in [
            ("date '2024-02-28' + n", "2024-03-01"),
            ("n + date '2023-12-30'", "2024-01-01"),
            ("date '2024-03-01' - n", "2024-02-28"),
            ("date '1970-01-02' - cast(n as smallint)", "1969-12-31"),
            ("date '2024-01-01' + cast(null as bigint)", ""),
            ("date '2024-03-01' - date '2024-02-28'", "2"),
            ("date '2024-01-31' + interval '1 month'", "2024-02-29"),
        ] {
            let sql = format!("select {sql} from (values (2)) as given (n)");
            assert_eq!(value(&sql).await.as_deref(), Ok(expected), "{sql}");
        }
    }

    #[tokio::test]
    async fn a_day_that_no_date_can_hold_is_an_error() {
        let sql = "select date '2024-01-01' + n from (values (9223372036854775807)) as given (n)";
        let error = value(sql).await.unwrap_err();
        assert!(error.contains("Can't cast value"), "{error}");
    }
}
