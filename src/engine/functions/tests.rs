//! Every function, through SQL: its documented example, and the same result however the rows are cut.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Date32Array, Decimal128Array, Int64Array, RecordBatch, StringArray,
};
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use arrow::util::pretty::pretty_format_batches;
use datafusion::datasource::MemTable;
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng, seq::SliceRandom};

use super::{aggregate, documented, scalar};

/// A session with the functions and nothing else of the project.
pub(super) fn context_with(config: SessionConfig, memory: Option<usize>) -> SessionContext {
    let mut runtime = RuntimeEnvBuilder::new();
    if let Some(memory) = memory {
        runtime = runtime.with_memory_pool(Arc::new(FairSpillPool::new(memory)));
    }
    let context = SessionContext::new_with_config_rt(config, runtime.build_arc().unwrap());
    for function in scalar() {
        context.register_udf(function.as_ref().clone());
    }
    for function in aggregate() {
        context.register_udaf(function.as_ref().clone());
    }
    context
}

pub(super) fn context() -> SessionContext {
    context_with(SessionConfig::new().with_target_partitions(2), None)
}

pub(super) async fn table(context: &SessionContext, sql: &str) -> String {
    let batches = context.sql(sql).await.unwrap().collect().await.unwrap();
    pretty_format_batches(&batches).unwrap().to_string()
}

pub(super) async fn error(context: &SessionContext, sql: &str) -> String {
    let failed = match context.sql(sql).await {
        Ok(frame) => frame.collect().await.map(|_| ()),
        Err(error) => Err(error),
    };
    failed.unwrap_err().to_string()
}

#[test]
fn names_are_unique() {
    let names: Vec<String> = documented().into_iter().map(|(name, _)| name).collect();
    let different: BTreeSet<&String> = names.iter().collect();
    assert_eq!(different.len(), names.len(), "{names:?}");
}

#[tokio::test]
async fn every_function_is_documented_and_its_example_gives_what_it_shows() {
    let context = context();
    for (name, documentation) in documented() {
        let documentation = documentation.unwrap_or_else(|| panic!("{name} is not documented"));
        assert!(
            documentation
                .syntax_example
                .starts_with(&format!("{name}(")),
            "{name}"
        );
        assert!(
            !documentation.arguments.unwrap_or_default().is_empty(),
            "{name}"
        );
        let example = documentation
            .sql_example
            .unwrap_or_else(|| panic!("{name}: no example"));
        let example = example
            .trim_start_matches("```sql\n")
            .trim_end_matches("\n```")
            .to_owned();
        let (sql, shown) = example.split_once(";\n").unwrap();
        assert_eq!(table(&context, sql).await, shown, "{name}");
    }
}

/// Orders of the test: customer, channel, amount in hundredths, day, id. Nulls in every column but the first.
type Order = (
    i64,
    Option<&'static str>,
    Option<i64>,
    Option<i32>,
    Option<String>,
);

const CHANNELS: [Option<&str>; 5] = [
    Some("web"),
    Some("store"),
    Some("phone"),
    Some("a marketplace abroad"),
    None,
];

fn orders(customers: i64, rows: usize, seed: u64) -> Vec<Order> {
    let mut random = StdRng::seed_from_u64(seed);
    (0..rows)
        .map(|row| {
            let customer = random.random_range(0..customers);
            let id = match row % 3 {
                0 => format!("{:05}", random.random_range(0..20_000)),
                1 => format!(
                    "an identifier past fourteen bytes {}",
                    random.random_range(0..9)
                ),
                _ => "same".to_owned(),
            };
            (
                customer,
                CHANNELS[random.random_range(0..CHANNELS.len())],
                random
                    .random_bool(0.9)
                    .then(|| random.random_range(-500..10_000)),
                random
                    .random_bool(0.95)
                    .then(|| random.random_range(14_000..14_300)),
                random.random_bool(0.9).then_some(id),
            )
        })
        .collect()
}

fn batch(orders: &[Order]) -> RecordBatch {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(
            orders
                .iter()
                .map(|order| Some(order.0))
                .collect::<Int64Array>(),
        ),
        Arc::new(orders.iter().map(|order| order.1).collect::<StringArray>()),
        Arc::new(
            orders
                .iter()
                .map(|order| order.2.map(i128::from))
                .collect::<Decimal128Array>()
                .with_precision_and_scale(18, 2)
                .unwrap(),
        ),
        Arc::new(orders.iter().map(|order| order.3).collect::<Date32Array>()),
        Arc::new(
            orders
                .iter()
                .map(|order| order.4.as_deref())
                .collect::<StringArray>(),
        ),
    ];
    let names = ["customer_id", "channel", "amount", "day", "order_id"];
    let fields: Vec<Field> = names
        .iter()
        .zip(&columns)
        .map(|(name, column)| Field::new(*name, column.data_type().clone(), true))
        .collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

fn register(context: &SessionContext, orders: &[Order], partitions: usize) {
    let schema = batch(&[]).schema();
    let rows = orders.len().div_ceil(partitions).max(1);
    let data = orders
        .chunks(rows)
        .map(|part| part.chunks(500).map(batch).collect())
        .collect();
    context
        .register_table("orders", Arc::new(MemTable::try_new(schema, data).unwrap()))
        .unwrap();
}

const SUMMARY: &str = "select customer_id, count_distinct_days(day) as days,
           sum_on_first_day(amount, day) as first_amount,
           first_by(channel, day, order_id) as first_channel,
           first_by(channel, day) as least_channel
    from orders group by customer_id order by customer_id";

/// The summary by definition: what the documentation says, done the slow way.
fn summary_by_definition(orders: &[Order]) -> Vec<String> {
    let mut groups: BTreeMap<i64, Vec<&Order>> = BTreeMap::new();
    for order in orders {
        groups.entry(order.0).or_default().push(order);
    }
    let after = |text: Option<&str>| (text.is_none(), text.map(str::to_owned));
    groups
        .into_iter()
        .map(|(customer, orders)| {
            let dated: Vec<&&Order> = orders.iter().filter(|order| order.3.is_some()).collect();
            let days: BTreeSet<Option<i32>> = dated.iter().map(|order| order.3).collect();
            let first = days.first().copied().flatten();
            let amounts: Vec<i64> = dated
                .iter()
                .filter(|order| order.3 == first)
                .filter_map(|order| order.2)
                .collect();
            let sum = (!amounts.is_empty()).then(|| amounts.iter().sum::<i64>());
            let by_id = dated
                .iter()
                .min_by_key(|order| (order.3, after(order.4.as_deref()), after(order.1)))
                .and_then(|order| order.1);
            let by_value = dated
                .iter()
                .min_by_key(|order| (order.3, after(order.1)))
                .and_then(|order| order.1);
            format!("{customer} {} {sum:?} {by_id:?} {by_value:?}", days.len())
        })
        .collect()
}

async fn summary(context: &SessionContext) -> Vec<String> {
    let batches = context.sql(SUMMARY).await.unwrap().collect().await.unwrap();
    let mut rows = Vec::new();
    for batch in batches {
        let sums = batch
            .column(2)
            .as_primitive::<arrow::datatypes::Decimal128Type>();
        assert_eq!(sums.data_type(), &DataType::Decimal128(18, 2));
        for row in 0..batch.num_rows() {
            let sum = sums.iter().nth(row).unwrap();
            let texts: Vec<Option<&str>> = [3, 4]
                .iter()
                .map(|column| {
                    batch
                        .column(*column)
                        .as_string_view()
                        .iter()
                        .nth(row)
                        .unwrap()
                })
                .collect();
            rows.push(format!(
                "{} {} {sum:?} {:?} {:?}",
                batch.column(0).as_primitive::<Int64Type>().value(row),
                batch.column(1).as_primitive::<Int64Type>().value(row),
                texts[0],
                texts[1],
            ));
        }
    }
    rows
}

#[tokio::test]
async fn any_order_partitioning_and_batch_size_give_the_result_by_definition() {
    let mut rows = orders(700, 12_000, 1);
    let expected = summary_by_definition(&rows);
    assert_eq!(expected.len(), 700);
    for (partitions, batch_size, sorted) in [
        (1, 8192, true),
        (1, 100, false),
        (2, 8192, false),
        (5, 64, false),
        (3, 1000, true),
    ] {
        if sorted {
            rows.sort_by_key(|order| (order.0, order.3));
        } else {
            rows.shuffle(&mut StdRng::seed_from_u64(partitions as u64));
        }
        let config = SessionConfig::new()
            .with_target_partitions(partitions)
            .with_batch_size(batch_size);
        let context = context_with(config, None);
        register(&context, &rows, partitions);
        assert_eq!(
            summary(&context).await,
            expected,
            "{partitions} {batch_size} {sorted}"
        );
    }
}

#[tokio::test]
async fn skipping_partial_aggregation_gives_the_same() {
    let rows = orders(5_000, 12_000, 2);
    let config = SessionConfig::new()
        .with_target_partitions(3)
        .set_usize(
            "datafusion.execution.skip_partial_aggregation_probe_rows_threshold",
            1,
        )
        .set_str(
            "datafusion.execution.skip_partial_aggregation_probe_ratio_threshold",
            "0.01",
        );
    let context = context_with(config, None);
    register(&context, &rows, 3);
    assert_eq!(summary(&context).await, summary_by_definition(&rows));
    let plan = table(&context, &format!("explain analyze {SUMMARY}")).await;
    let skipped = plan.split("skipped_aggregation_rows=").nth(1).unwrap();
    assert!(!skipped.starts_with('0'), "nothing was skipped: {plan}");
}

#[tokio::test]
async fn spilling_gives_the_same() {
    let rows = orders(4_000, 16_000, 3);
    let config = SessionConfig::new()
        .with_target_partitions(2)
        .with_batch_size(512);
    let context = context_with(config, Some(400_000));
    register(&context, &rows, 2);
    // Without `order by`, whose sort would want memory of its own.
    let sql = SUMMARY.rsplit_once(" order by").unwrap().0;
    let plan = table(&context, &format!("explain analyze {sql}")).await;
    let spilled = plan.lines().any(|line| {
        line.contains("mode=Final")
            && line
                .split("spill_count=")
                .nth(1)
                .is_some_and(|count| !count.starts_with('0'))
    });
    assert!(spilled, "nothing was spilled: {plan}");
    let total = "select sum(days), sum(first_amount), count(first_channel) from";
    let spilling = table(&context, &format!("{total} ({sql})")).await;
    let roomy = context_with(SessionConfig::new(), None);
    register(&roomy, &rows, 1);
    assert_eq!(spilling, table(&roomy, &format!("{total} ({sql})")).await);
}

#[tokio::test]
async fn grouping_sorted_input_emits_groups_as_they_end() {
    let mut rows = orders(300, 9_000, 4);
    rows.sort_by_key(|order| (order.0, order.3));
    let context = context_with(SessionConfig::new().with_target_partitions(1), None);
    let schema = batch(&[]).schema();
    let data = vec![rows.chunks(100).map(batch).collect()];
    let sorted = datafusion::prelude::col("customer_id").sort(true, false);
    let table = MemTable::try_new(schema, data)
        .unwrap()
        .with_sort_order(vec![vec![sorted]]);
    context.register_table("orders", Arc::new(table)).unwrap();
    let plan = self::table(&context, &format!("explain {SUMMARY}")).await;
    assert!(plan.contains("ordering_mode=Sorted"), "{plan}");
    assert_eq!(summary(&context).await, summary_by_definition(&rows));
}

#[tokio::test]
async fn a_growing_window_frame_counts_up() {
    let sql = "select day, count_distinct_days(day) over (order by row) as days,
               sum_on_first_day(amount, day) over (order by row) as sum
        from (values (1, date '2020-01-02', 5), (2, date '2020-01-02', 6), (3, date '2020-01-01', 7))
             as orders (row, day, amount) order by row";
    assert_eq!(
        table(&context(), sql).await,
        "+------------+------+-----+\n\
         | day        | days | sum |\n\
         +------------+------+-----+\n\
         | 2020-01-02 | 1    | 5   |\n\
         | 2020-01-02 | 1    | 11  |\n\
         | 2020-01-01 | 2    | 7   |\n\
         +------------+------+-----+"
    );
}

#[tokio::test]
async fn an_unknown_zone_is_refused_before_data_is_read() {
    let sql = "explain select local_date(t, 'Europe/Londn') from (values (now())) as v (t)";
    let message = error(&context(), sql).await;
    assert!(
        message.contains(
            "local_date: \"Europe/Londn\" is not a time zone of the IANA database; did you mean Europe/London?"
        ),
        "{message}"
    );
}
