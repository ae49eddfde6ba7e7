use arrow::datatypes::{DataType, Field};
use datafusion::common::TableReference;

use super::*;
use crate::engine::Session;

/// Why the groups of `sql` cannot be put together.
async fn refused(sql: &str) -> String {
    let session = Session::for_planning();
    let fields = vec![
        Field::new("id", DataType::Utf8View, true),
        Field::new("day", DataType::Date32, true),
        Field::new("amount", DataType::Decimal128(18, 2), true),
        Field::new("weight", DataType::Float64, true),
    ];
    let schema = Arc::new(Schema::new(fields));
    for table in ["t", "u"] {
        let table = TableReference::bare(table);
        session.declare(&table, Arc::clone(&schema)).unwrap();
    }
    let plan = session.plan_text(sql).await.unwrap();
    Parted::of(&plan).unwrap_err().to_string()
}

#[tokio::test]
async fn groups_whose_parts_do_not_make_the_whole_are_refused() {
    let of = |aggregate: &str| format!("select id, {aggregate} as x from t group by id");
    let cases = [
        (of("sum(weight)"), "`sum` of doubles depends on the order of the rows: cast them to a decimal"),
        (of("max(weight)"), "`max` of doubles depends on the order of the rows: cast them to a decimal"),
        (of("count(distinct day)"), "`count` counts each value once, and a value may be in several parts"),
        (of("first_value(day)"), "`first_value` has no order, and may be of any row"),
        (
            of("first_value(day order by amount) filter (where weight > 1)"),
            "`first_value` leaves rows out: leave them out with `where`",
        ),
        (
            of("last_value(day order by amount) ignore nulls"),
            "`last_value` leaves rows out: leave them out with `where`",
        ),
        (
            of("median(amount)"),
            "`median` cannot be put together of parts as count, sum, min, max, bool_and, bool_or, first_value and last_value with \
             an order, first_by, sum_on_first_day can",
        ),
        ("select count(*) as x from t".to_owned(), "it groups by nothing"),
        (
            "select id, day, count(*) as x from t group by rollup (id, day)".to_owned(),
            "it groups by several sets of columns",
        ),
        ("select id, day from t".to_owned(), "it groups nothing"),
        (
            "select t.id, count(*) as x from t join u on t.id = u.id group by t.id".to_owned(),
            "beside projections and filters, its rows go through Inner Join",
        ),
        (
            "select id, count(*) as x from t where id in (select id from u) group by id".to_owned(),
            "beside projections and filters, its rows go through Subquery",
        ),
        (
            of("count(*) filter (where day >= (select max(day) from t))"),
            "beside projections and filters, its rows go through Subquery",
        ),
        (
            "select id, count(*) as x from (select id from t union all select id from u) group by id".to_owned(),
            "beside projections and filters, its rows go through Union",
        ),
        (
            "select id, x, row_number() over (order by x) as n from (select id, count(*) as x from t group by id)".to_owned(),
            "beside projections and filters, its groups go through WindowAggr",
        ),
    ];
    for (sql, why) in cases {
        assert_eq!(refused(&sql).await, why, "{sql}");
    }
}
