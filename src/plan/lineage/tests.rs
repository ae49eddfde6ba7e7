//! Lineage of small queries, by hand.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::TableReference;

use super::{TableLineage, of};
use crate::engine::Session;

/// The lineage of `sql` over `t(id, a, b, day)` and `u(id, c)`.
async fn lineage(sql: &str) -> TableLineage {
    let session = Session::for_planning();
    let table = |columns: &[(&str, DataType)]| {
        let fields = columns.iter();
        let fields = fields.map(|(name, kind)| Field::new(*name, kind.clone(), true));
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    };
    let whole = DataType::Int64;
    for (name, schema) in [
        (
            "t",
            table(&[
                ("id", whole.clone()),
                ("a", whole.clone()),
                ("b", whole.clone()),
                ("day", DataType::Date32),
            ]),
        ),
        ("u", table(&[("id", whole.clone()), ("c", whole)])),
    ] {
        session
            .declare(&TableReference::bare(name), schema)
            .expect("a table");
    }
    of(&session.plan_text(sql).await.expect("a query"))
}

/// `column: origin, origin; …` of a query.
async fn told(sql: &str) -> String {
    let lineage = lineage(sql).await;
    let columns = lineage.columns.iter().map(|(name, origins)| {
        let origins: Vec<String> = origins.iter().map(ToString::to_string).collect();
        format!("{name}: {}", origins.join(", "))
    });
    columns.collect::<Vec<_>>().join("; ")
}

#[tokio::test]
async fn expressions_and_aliases() {
    assert_eq!(
        told("select x.a + x.b as s, a as z, 1 as one from t as x").await,
        "s: t.a, t.b; z: t.a; one: "
    );
    assert_eq!(
        told("select case when a > 0 then b else 0 end as v from t where day is not null").await,
        "v: t.a, t.b"
    );
}

#[tokio::test]
async fn joins_tell_values_and_not_keys() {
    assert_eq!(
        told("select t.a, u.c from t join u on t.id = u.id").await,
        "a: t.a; c: u.c"
    );
    assert_eq!(
        told("select id, coalesce(a, c) as v from t full join u using (id)").await,
        "id: t.id; v: t.a, u.c"
    );
    assert_eq!(
        told("select a from t where id in (select id from u)").await,
        "a: t.a"
    );
}

#[tokio::test]
async fn aggregates() {
    assert_eq!(
        told("select id, sum(a) as s, count(*) as n, sum(1) as o from t group by id").await,
        "id: t.id; s: t.a; n: rows of t; o: rows of t"
    );
    assert_eq!(
        told("select max(a) filter (where b > 0) as m, count(distinct day) as d from t").await,
        "m: t.a, t.b; d: t.day"
    );
    assert_eq!(
        told("select id, day, sum(a) as s from t group by rollup (id, day)").await,
        "id: t.id; day: t.day; s: t.a"
    );
    // Rows of a left join are those of the left table.
    assert_eq!(
        told("select count(*) as n from t left join u on t.id = u.id").await,
        "n: rows of t"
    );
    assert_eq!(
        told("select count(*) as n from t, u").await,
        "n: rows of t, rows of u"
    );
}

#[tokio::test]
async fn windows_tell_partition_and_order() {
    assert_eq!(
        told("select id, sum(a) over (partition by id order by day) as s, row_number() over () as r from t").await,
        "id: t.id; s: t.a, t.day, t.id; r: rows of t"
    );
    assert_eq!(
        told("select a from t qualify rank() over (order by b) = 1").await,
        "a: t.a"
    );
}

#[tokio::test]
async fn unions_are_by_position() {
    assert_eq!(
        told("select id, a as v from t union all select id, c from u").await,
        "id: t.id, u.id; v: t.a, u.c"
    );
    assert_eq!(told("select distinct a from t").await, "a: t.a");
    assert_eq!(
        told("select distinct on (id) id, b from t order by id, day").await,
        "id: t.id; b: t.b"
    );
}

#[tokio::test]
async fn common_table_expressions_are_seen_through() {
    assert_eq!(
        told(
            "with x as (select id, a * b as p from t), \
             y as (select id, sum(p) as q from x group by id), \
             final as (select y.id, y.q, u.c from y left join u on y.id = u.id) \
             select * from final"
        )
        .await,
        "id: t.id; q: t.a, t.b; c: u.c"
    );
}

#[tokio::test]
async fn subqueries() {
    assert_eq!(
        told("select a, (select max(c) from u) as m from t").await,
        "a: t.a; m: u.c"
    );
    assert_eq!(
        told("select (select max(u.c + t.b) from u where u.id = t.id) as m from t").await,
        "m: t.b, u.c"
    );
    assert_eq!(
        told("select exists (select 1 from u where u.id = t.id) as e from t").await,
        "e: rows of u"
    );
}

#[tokio::test]
async fn recursion_comes_to_an_end() {
    assert_eq!(
        told(
            "with recursive r as (select id, a as x, a as y from t \
             union all select id, y, x + 1 from r where x < 9) select id, x, y from r"
        )
        .await,
        "id: t.id; x: t.a; y: t.a"
    );
}

#[tokio::test]
async fn values_and_constants_have_no_origin() {
    assert_eq!(
        told("select v.k, date '2020-01-01' as day from (values (1), (2)) as v(k)").await,
        "k: ; day: "
    );
}
