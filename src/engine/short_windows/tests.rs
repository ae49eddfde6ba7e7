use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::physical_plan::collect_partitioned;
use datafusion::prelude::{SessionConfig, SessionContext};

use super::*;

/// What is taken of any column.
const TAKEN: [&str; 9] = [
    "lag(X) over days",
    "lag(X, 3) over days",
    "lead(X) over days",
    "lead(X, 2, null) over days",
    "first_value(X) over days",
    "last_value(X) over days",
    "count(X) over days",
    "min(X) over days",
    "max(X) over days",
];

/// What is taken beside it, be it of no column, of another frame or order, or too large.
const TAKEN_TOO: [&str; 11] = [
    "row_number() over days, count(*) over days",
    "bool_or(yes) over days, bool_and(yes) over days, bool_or(l) over days, bool_and(l) over days",
    "sum(v) over days, sum(money) over days, sum(v * 2 + n) over days",
    "sum(9223372036854775000 + n) over days",
    "sum(cast('99999999999999999999999999999999999999' as decimal(38, 0))) over days",
    "row_number() over (partition by k order by l, n)",
    "first_value(v) over (partition by k, l order by n)",
    "first_value(v) over (partition by k, l order by n groups between unbounded preceding and current row)",
    "first_value(v) over (partition by k, l order by n range between unbounded preceding and current row)",
    "lag(v, 2) over (partition by l, k order by n)",
    "lead(null) over days",
];

/// What is taken although the engine would hold all rows for it.
const TAKEN_TO_THE_END: [&str; 8] = [
    "count(*) over whole, count(v) over whole, sum(v) over whole, sum(money) over whole, sum(v * 2 + n) over whole",
    "min(v) over whole, max(at) over whole, min(viewed) over whole, max(text) over whole, min(half) over whole",
    "bool_or(yes) over whole, bool_and(yes) over whole",
    "lag(v) over days, sum(v) over (partition by k, l order by n rows between unbounded preceding and unbounded following)",
    "first_value(v) over (partition by k, l order by n rows between unbounded preceding and unbounded following),
        last_value(v) over (partition by k, l order by n rows between unbounded preceding and unbounded following)",
    "first_value(v) over (partition by k, l order by n rows between current row and unbounded following),
        last_value(v) over (partition by k, l order by n range between current row and unbounded following)",
    "sum(v) over (partition by k, l order by n rows between current row and unbounded following),
        sum(money) over (partition by k, l order by n rows between current row and unbounded following),
        count(v) over (partition by k, l order by n rows between current row and unbounded following)",
    "min(v) over (partition by k, l order by n rows between current row and unbounded following),
        max(text) over (partition by k, l order by n rows between current row and unbounded following)",
];

/// What the engine holds all rows for.
const LEFT_TO_THE_END: [&str; 6] = [
    "avg(v) over whole",
    "count(*) over whole, sum(half) over whole",
    "sum(v) filter (where n % 3 = 0) over whole",
    "count(distinct v) over whole",
    "min(half) over (partition by k, l order by n rows between current row and unbounded following)",
    "ntile(3) over days",
];

/// What the engine keeps, alone or beside what is taken.
const LEFT: [&str; 21] = [
    "lag(v, 1, 0) over days",
    "lag(v, 0) over days",
    "lag(v, -1) over days",
    "lead(v, -2) over days",
    "lag(v) ignore nulls over days",
    "lag(v, 2) ignore nulls over days",
    "lead(v) ignore nulls over days",
    "first_value(v) ignore nulls over days",
    "last_value(v) ignore nulls over days",
    "sum(half) over days",
    "avg(v) over days",
    "sum(v) filter (where n % 3 = 0) over days",
    "count(distinct v) over days",
    "count(v, n) over days",
    "rank() over days",
    "nth_value(v, 2) over days",
    "sum(v) over (partition by k, l order by v)",
    "last_value(v) over (partition by k, l order by v)",
    "sum(v) over (partition by k, l order by n rows between 2 preceding and current row)",
    "sum(v) over (partition by k, l order by n rows between unbounded preceding and 1 following)",
    "row_number() over days, lag(v) over days, avg(v) over days",
];

/// Partitions of one to forty rows, on two streams, in batches of three rows; some keys and values are null.
async fn context() -> SessionContext {
    let config = SessionConfig::new()
        .with_target_partitions(2)
        .with_batch_size(3);
    let state = SessionStateBuilder::new()
        .with_config(config)
        .with_default_features()
        .build();
    let context = SessionContext::new_with_state(state);
    let sql = "create table numbers as
        select k, l, n, v, v % 3 = 0 as yes, cast(v as double) / 2 as half, cast(v as decimal(18, 4)) as money,
            cast(v as date) as day, cast(v as timestamp) as at, arrow_cast('the text of ' || v, 'Utf8View') as viewed,
            arrow_cast('the text of ' || v, 'Utf8') as text
        from (
            select case when n % 41 > 0 then cast(n % 41 % 7 as text) end as k, n % 2 = 0 as l, n,
                case when n % 5 > 0 then n * 37 % 11 - 5 end as v
            from (select unnest(generate_series(1, 400)) as n)
        )";
    context.sql(sql).await.unwrap().collect().await.unwrap();
    context
}

/// The engine's plan of `windows`, of which `days` goes by the numbers in `order`.
async fn planned(context: &SessionContext, windows: &str, order: &str) -> Arc<dyn ExecutionPlan> {
    let sql = format!(
        "select k, l, n, {windows} from numbers window days as (
            partition by k, l order by n {order} rows between unbounded preceding and current row
        ), whole as (partition by k, l)"
    );
    let frame = context.sql(&sql).await.unwrap();
    frame.create_physical_plan().await.unwrap()
}

/// The rows of each stream, in order.
async fn rows(plan: Arc<dyn ExecutionPlan>, context: &SessionContext) -> Vec<String> {
    let mut rows = Vec::new();
    for batches in collect_partitioned(plan, context.task_ctx()).await.unwrap() {
        let text = arrow::util::pretty::pretty_format_batches(&batches).unwrap();
        rows.extend(text.to_string().lines().map(str::to_owned));
    }
    rows
}

/// `plan` with our operators in place of the engine's, as `changed`.
fn replaced(
    plan: Arc<dyn ExecutionPlan>,
    changed: impl Fn(ShortWindowsExec) -> ShortWindowsExec,
) -> Arc<dyn ExecutionPlan> {
    let placed = plan.transform_up(|node| {
        let Some(short) = ShortWindowsExec::of(&node) else {
            return Ok(Transformed::no(node));
        };
        let short: Arc<dyn ExecutionPlan> = Arc::new(changed(short));
        Ok(Transformed::yes(short))
    });
    placed.data().unwrap()
}

/// Of each operator of `plan` that has windows, whether ours takes neither of the engine's ways; `None` where ours is not placed.
fn are_direct(plan: &Arc<dyn ExecutionPlan>) -> Vec<Option<bool>> {
    let mut direct = Vec::new();
    let visited = plan.apply(|node| {
        if Operator::of(node).is_some() {
            direct.push(ShortWindowsExec::of(node).map(|short| short.direct.is_some()));
        }
        Ok(TreeNodeRecursion::Continue)
    });
    visited.unwrap();
    direct
}

#[tokio::test]
async fn partitions_short_and_long_give_the_rows_of_the_engine() {
    let context = context().await;
    let windows = "row_number() over days as number, first_value(n) over days as first,
        lag(n) over days as previous, lead(n) over days as next, sum(n) over days as total";
    let expected = rows(planned(&context, windows, "").await, &context).await;
    assert_eq!(expected.len(), 400 + 2 * 4);
    // Every partition is long, some are, and none is.
    for long in [1, 20, usize::MAX] {
        let plan = planned(&context, windows, "").await;
        let own = replaced(plan, |short| ShortWindowsExec { long, ..short });
        assert_eq!(
            rows(own, &context).await,
            expected,
            "long from {long} rows on"
        );
        let plan = planned(&context, windows, "").await;
        let by_the_engine = replaced(plan, |short| ShortWindowsExec {
            long,
            direct: None,
            ..short
        });
        assert_eq!(
            rows(by_the_engine, &context).await,
            expected,
            "by the engine, long from {long} rows on"
        );
    }
}

#[tokio::test]
async fn windows_of_every_type_are_taken_and_give_the_rows_of_the_engine() {
    let context = context().await;
    for column in ["v", "yes", "money", "day", "at", "viewed", "text", "l", "k"] {
        for order in ["", "desc"] {
            let windows = TAKEN.join(", ").replace('X', column);
            let plan = planned(&context, &windows, order).await;
            assert_eq!(are_direct(&plan), [Some(true)], "{column} {order}");
            let expected = rows(plan, &context).await;
            let plan = planned(&context, &windows, order).await;
            let own = rows(replaced(plan, |short| short), &context).await;
            assert_eq!(own, expected, "{column} {order}");
        }
    }
}

#[tokio::test]
async fn windows_of_other_frames_are_taken_and_give_the_rows_of_the_engine() {
    let context = context().await;
    for windows in TAKEN_TOO {
        let plan = planned(&context, windows, "").await;
        assert_eq!(are_direct(&plan), [Some(true)], "{windows}");
        let expected = rows(plan, &context).await;
        let plan = planned(&context, windows, "").await;
        let own = rows(replaced(plan, |short| short), &context).await;
        assert_eq!(own, expected, "{windows}");
    }
}

/// The engine sorts once, and turns one of the windows round.
#[tokio::test]
async fn windows_that_look_the_other_way_give_the_rows_of_the_engine() {
    let context = context().await;
    let back =
        "(partition by k, l order by n desc rows between unbounded preceding and current row)";
    for windows in [
        "lag(v) over days as a, lead(v, 3) over days as b, lag(v) over BACK as c, lead(v, 2) over BACK as d",
        "first_value(v) over days as a, first_value(v) over BACK as b, last_value(v) over BACK as c",
        "min(viewed) over BACK as a, sum(v) over BACK as b, max(viewed) over days as c, count(v) over days as d",
    ] {
        let windows = windows.replace("BACK", back);
        let plan = planned(&context, &windows, "").await;
        let shown = datafusion::physical_plan::displayable(plan.as_ref());
        let shown = shown.indent(false).to_string();
        assert_eq!(shown.matches("SortExec").count(), 1, "{shown}");
        assert_eq!(are_direct(&plan), [Some(true), Some(true)], "{shown}");
        let expected = rows(plan, &context).await;
        let plan = planned(&context, &windows, "").await;
        let own = rows(replaced(plan, |short| short), &context).await;
        assert_eq!(own, expected, "{windows}");
    }
}

#[tokio::test]
async fn windows_to_the_end_of_the_partition_give_the_rows_of_the_engine() {
    let context = context().await;
    for windows in TAKEN_TO_THE_END {
        let plan = planned(&context, windows, "").await;
        assert_eq!(are_direct(&plan), [Some(true)], "{windows}");
        // Without an order the rows of a partition come in any.
        let mut expected = rows(plan, &context).await;
        expected.sort();
        for long in [1, usize::MAX] {
            let plan = planned(&context, windows, "").await;
            let own = replaced(plan, |short| ShortWindowsExec { long, ..short });
            let mut own = rows(own, &context).await;
            own.sort();
            assert_eq!(own, expected, "{windows}, long from {long} rows on");
        }
    }
    for windows in LEFT_TO_THE_END {
        let plan = planned(&context, windows, "").await;
        assert_eq!(are_direct(&plan), [None::<bool>], "{windows}");
    }
}

#[tokio::test]
async fn windows_that_are_not_taken_give_the_rows_of_the_engine() {
    let context = context().await;
    for windows in LEFT {
        let plan = planned(&context, windows, "").await;
        assert_eq!(are_direct(&plan), [Some(false)], "{windows}");
        let mut expected = rows(plan, &context).await;
        let plan = planned(&context, windows, "").await;
        let mut own = rows(replaced(plan, |short| short), &context).await;
        // Rows that are alike in what they are sorted by come in any order.
        expected.sort();
        own.sort();
        assert_eq!(own, expected, "{windows}");
    }
}

#[tokio::test]
async fn windows_without_partitions_stay_with_the_engine() {
    let context = context().await;
    let sql = "select n, lag(n) over (order by n) as previous from numbers";
    let plan = context.sql(sql).await.unwrap();
    let plan = plan.create_physical_plan().await.unwrap();
    let shown = |plan: &Arc<dyn ExecutionPlan>| {
        let shown = datafusion::physical_plan::displayable(plan.as_ref());
        shown.indent(false).to_string()
    };
    let before = shown(&plan);
    let after = ShortWindows.optimize(plan, &ConfigOptions::new()).unwrap();
    assert!(before.contains("BoundedWindowAggExec"), "{before}");
    assert_eq!(shown(&after), before);
}
