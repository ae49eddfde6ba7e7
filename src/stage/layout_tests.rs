use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::TableReference;
use datafusion::physical_plan::displayable;
use datafusion::sql::parser::DFParser;
use tempfile::TempDir;

use super::{Keep, SqlStage, Stage, StageContext};
use crate::engine::{Session, SessionOptions};
use crate::score::Pool;
use crate::stage::Spool;

/// A hundred customers whose names are of all lengths that the engine holds in different ways, and nobody, with 1 to 50 days.
const DAYS: &str = "select case when n % 101 < 100 then repeat('c', cast(n % 101 % 20 as bigint)) || cast(n % 101 as text) end as customer_id,
    n % 50 as day, n as amount from (select unnest(generate_series(1, 5000)) as n)";

pub(super) fn context(folder: &TempDir, threads: usize) -> StageContext {
    let options = SessionOptions {
        threads,
        memory_limit: 1 << 30,
        spill_directory: folder.path().to_owned(),
    };
    StageContext {
        session: Session::for_run(&options).unwrap(),
        pool: Pool::new(threads).unwrap(),
        spool: Spool::new(folder.path()),
        costly: Arc::new(BTreeSet::new()),
        rows: Arc::default(),
    }
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("customer_id", DataType::Utf8View, true),
        Field::new("day", DataType::Int64, true),
        Field::new("amount", DataType::Int64, true),
    ]))
}

/// Writes the rows of `sql` down as the table `name`.
async fn write(context: &StageContext, name: &str, sql: &str, together_by: Option<&str>) {
    let statement = DFParser::parse_sql(sql).unwrap().pop_front().unwrap();
    let stage = SqlStage::new(
        name.to_owned(),
        Vec::new(),
        schema(),
        statement,
        Keep::Always,
    )
    .together_by(together_by.map(str::to_owned));
    let made = stage.run(context).await.unwrap();
    assert_eq!(made.written.map(|written| written.rows), Some(5000));
    let name = TableReference::bare(name);
    context.session.register(&name, made.table).unwrap();
}

/// How `sql` is executed, and its rows in their order.
async fn executed(context: &StageContext, sql: &str) -> (String, String) {
    let plan = context.session.plan_text(sql).await.unwrap();
    let physical = context.session.frame(plan.clone());
    let physical = physical.create_physical_plan().await.unwrap();
    let shown = displayable(physical.as_ref()).indent(false).to_string();
    let rows = context.session.frame(plan).collect().await.unwrap();
    let rows = arrow::util::pretty::pretty_format_batches(&rows).unwrap();
    (shown, rows.to_string())
}

const QUESTIONS: [&str; 4] = [
    "select customer_id, count(*) as days, sum(amount) as amount from T group by customer_id order by customer_id",
    "select customer_id, day, sum(amount) as amount from T group by customer_id, day order by customer_id, day",
    "select O.customer_id, O.amount, most.amount as most
        from (select customer_id, max(amount) as amount from T group by customer_id) as most
        join O on most.customer_id = O.customer_id order by O.amount",
    "select customer_id, amount, lag(amount) over (partition by customer_id order by amount) as before from T order by amount",
];

#[tokio::test]
async fn rows_that_lie_together_are_not_moved_and_answer_alike() {
    let folder = TempDir::new().unwrap();
    let context = context(&folder, 3);
    write(&context, "apart", DAYS, None).await;
    write(&context, "together", DAYS, Some("customer_id")).await;
    write(&context, "others", DAYS, Some("customer_id")).await;
    for question in QUESTIONS {
        let of = |table, other| question.replace('T', table).replace('O', other);
        let (moved, expected) = executed(&context, &of("apart", "apart")).await;
        let (lies, rows) = executed(&context, &of("together", "others")).await;
        assert!(moved.contains("RepartitionExec"), "{moved}");
        assert!(!lies.contains("RepartitionExec"), "{lies}");
        assert_eq!(rows, expected, "{question}");
    }
}

#[tokio::test]
async fn rows_that_are_written_in_an_order_are_not_sorted_again() {
    let folder = TempDir::new().unwrap();
    let context = context(&folder, 2);
    // The windows have the engine sort.
    let ordered = format!(
        "select customer_id, lag(amount) over (partition by customer_id order by amount) as day, amount from ({DAYS})"
    );
    write(&context, "ordered", &ordered, Some("customer_id")).await;
    let question = "select customer_id, amount, lag(amount) over (partition by customer_id order by amount) as before from ordered";
    let (lies, _) = executed(&context, question).await;
    assert!(!lies.contains("SortExec"), "{lies}");
    assert!(lies.contains("ShortWindowsExec"), "{lies}");
    let (_, rows) = executed(&context, &format!("{question} order by amount")).await;
    write(&context, "unordered", DAYS, None).await;
    let question = question.replace("ordered", "unordered");
    let (sorts, expected) = executed(&context, &format!("{question} order by amount")).await;
    assert!(sorts.contains("SortExec"), "{sorts}");
    assert_eq!(rows, expected);
}
