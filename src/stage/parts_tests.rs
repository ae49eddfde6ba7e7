use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::catalog::TableProvider;
use datafusion::common::TableReference;
use datafusion::datasource::MemTable;
use datafusion::sql::parser::DFParser;
use tempfile::TempDir;

use super::layout_tests::context;
use super::{Keep, RawSlice, SqlStage, Stage, StageContext};

/// Lines of orders, whose order may go over several days. Nobody knows the customer of some, and some have no amount.
const LINES: &str = "select cast(n % 97 as text) as order_id, case when n % 13 > 0 then cast(n % 31 as text) end as customer_id,
    cast('2024-01-01' as date) + cast(n / 500 as int) as day, to_timestamp_micros(n * 7919 % 1000003) as at,
    case when n % 7 > 0 then cast(n % 1009 as decimal(18, 4)) / 100 end as amount, n % 5 - 2 as units, n % 3 = 0 as is_gift
    from (select unnest(generate_series(1, 3000)) as n)";

/// Statements whose groups can be put together; those of the last are none.
const STATEMENTS: [&str; 5] = [
    "select order_id, count(*) as lines, count(customer_id) as known, cast(sum(amount) as decimal(18, 4)) as amount, sum(units) as units
        from shop.lines group by order_id",
    "with lines as (select *, amount * units as paid from shop.lines where units > -2),
        final as (
            select upper(order_id) || '!' as order_id, day, min(customer_id) as first, max(at) as last,
                bool_and(is_gift) as all_gifts, bool_or(is_gift) as any_gift, sum(paid) filter (where is_gift) as gifts,
                count(*) filter (where units = 1) as single
            from lines group by upper(order_id) || '!', day having count(*) > 1
        )
        select *, coalesce(gifts, 0) / single as share from final where single > 0",
    "select customer_id, first_value(order_id order by at desc, order_id) as latest, last_value(amount order by at, units) as amount,
            first_value(is_gift order by day desc nulls last, at) as was_gift
        from shop.lines group by customer_id",
    "select customer_id, first_by(order_id, day) as first, first_by(order_id, at, order_id) as first_at, sum_on_first_day(amount, day) as paid,
            sum_on_first_day(units, day) filter (where is_gift) as units
        from shop.lines group by customer_id",
    "select order_id, sum(units) as units from shop.lines where amount > 1000000 group by order_id",
];

/// How many groups each has.
const GROUPS: [usize; 5] = [97, 582, 32, 32, 0];

/// The rows of `shop.lines`, which the session knows from here on.
async fn lines(context: &StageContext) -> (SchemaRef, Vec<RecordBatch>) {
    let plan = context.session.plan_text(LINES).await.unwrap();
    let batches = context.session.frame(plan).collect().await.unwrap();
    let schema = batches[0].schema();
    register(context, table(&schema, batches.clone()));
    (schema, batches)
}

fn register(context: &StageContext, lines: Arc<dyn TableProvider>) {
    let name = TableReference::partial("shop", "lines");
    context.session.register(&name, lines).unwrap();
}

fn table(schema: &SchemaRef, batches: Vec<RecordBatch>) -> Arc<dyn TableProvider> {
    Arc::new(MemTable::try_new(Arc::clone(schema), vec![batches]).unwrap())
}

/// The rows in slices of 700, and a slice without any.
fn slices(schema: &SchemaRef, batches: &[RecordBatch]) -> Vec<RawSlice> {
    let all = arrow::compute::concat_batches(schema, batches).unwrap();
    let starts = (0..all.num_rows()).step_by(700);
    let slices = starts.map(|start| vec![all.slice(start, 700.min(all.num_rows() - start))]);
    let slices = slices.chain([Vec::new()]).enumerate();
    let slice = |(index, rows)| RawSlice {
        index,
        rows: table(schema, rows),
    };
    slices.map(slice).collect()
}

/// The rows of `sql`, in an order of their own, made as a whole or in parts.
async fn rows(
    name: &str,
    sql: &str,
    parts: Option<Vec<RawSlice>>,
    context: &StageContext,
) -> String {
    let plan = context.session.plan_text(sql).await.unwrap();
    let schema = Arc::new(plan.schema().as_arrow().clone());
    let statement = DFParser::parse_sql(sql).unwrap().pop_front().unwrap();
    let stage = SqlStage::new(name.to_owned(), Vec::new(), schema, statement, Keep::Always);
    let stage = match parts {
        Some(parts) => stage.in_parts(parts),
        None => stage,
    };
    let made = stage.run(context).await.unwrap();
    let reference = TableReference::bare(name);
    context.session.register(&reference, made.table).unwrap();
    let sorted = format!("select * from {name} order by 1, 2");
    let plan = context.session.plan_text(&sorted).await.unwrap();
    let batches = context.session.frame(plan).collect().await.unwrap();
    let types = batches
        .first()
        .map(|batch| format!("{:?}", batch.schema().fields()));
    let shown = arrow::util::pretty::pretty_format_batches(&batches).unwrap();
    format!("{types:?}\n{shown}")
}

#[tokio::test]
async fn groups_put_together_of_parts_are_those_of_the_whole() {
    let folder = TempDir::new().unwrap();
    let context = context(&folder, 2);
    let (schema, batches) = lines(&context).await;
    for (nth, sql) in STATEMENTS.iter().enumerate() {
        let whole = rows(&format!("whole_{nth}"), sql, None, &context).await;
        let name = format!("parted_{nth}");
        let parted = rows(&name, sql, Some(slices(&schema, &batches)), &context).await;
        assert_eq!(parted, whole, "{sql}");
        // Beside a line of types, those that frame the rows and one of names.
        let groups = whole.lines().count().saturating_sub(5);
        assert_eq!(groups, GROUPS[nth], "{whole}");
    }
}

#[tokio::test]
async fn parts_that_lie_in_their_files_are_not_worked_out() {
    let folder = TempDir::new().unwrap();
    let first = context(&folder, 2);
    let (schema, batches) = lines(&first).await;
    let whole = rows("t", STATEMENTS[0], None, &first).await;
    // Each in a session of its own, because the engine remembers what it saw of a file.
    let again = async |slices: Vec<RawSlice>| {
        let context = context(&folder, 2);
        register(&context, table(&schema, Vec::new()));
        rows("t", STATEMENTS[0], Some(slices), &context).await
    };
    assert_eq!(again(slices(&schema, &batches)).await, whole);
    assert_eq!(again(Vec::new()).await, whole);
    let changed = RawSlice {
        index: 0,
        rows: table(&schema, Vec::new()),
    };
    assert_ne!(again(vec![changed]).await, whole);
}
