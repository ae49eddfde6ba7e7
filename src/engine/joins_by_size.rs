//! Joins by the size of their sides.
//!
//! A hash join holds all rows of one side, and cannot spill them: a join of two tables of forty million customers would
//! need more memory than most machines have. A merge join sorts both sides, which spills. It is slower, so that it is
//! taken only where the side that would be held is large. Which of the two is taken changes no result but the order of rows,
//! which nothing that is published depends on.
//!
//! Where the side that is held has few rows, the other side stays where it is. The engine would do so itself if it could count
//! them; where a side comes out of a join with a table of few rows, it cannot, and moves both sides by the keys of the join.

use std::sync::Arc;

use arrow::compute::SortOptions;
use arrow::datatypes::{DataType, Schema};
use datafusion::common::JoinType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::Result;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::joins::{
    CrossJoinExec, HashJoinExec, NestedLoopJoinExec, PartitionMode, SortMergeJoinExec,
};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};
use datafusion::physical_plan::union::UnionExec;
use datafusion::physical_plan::unnest::UnnestExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};

/// As many as the engine gathers where it can count them.
const FEW_ROWS: usize = 131_072;
/// What a text is taken to be long, with its place in a batch.
const TEXT_BYTES: usize = 32;

/// Merges where the smaller side of a join is known to be larger than `bytes`, and lets the other side lie where the left one
/// has few rows.
#[derive(Debug)]
pub(super) struct JoinsBySize {
    /// The largest side that a join may hold.
    pub(super) bytes: usize,
}

impl PhysicalOptimizerRule for JoinsBySize {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| {
            let Some(join) = node.downcast_ref::<HashJoinExec>() else {
                return Ok(Transformed::no(node));
            };
            let other = match self.merged(join)? {
                None => beside_few_rows(join)?,
                merged => merged,
            };
            Ok(other.map_or(Transformed::no(node), Transformed::yes))
        })
        .data()
    }

    fn name(&self) -> &'static str {
        "joins_by_size"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

impl JoinsBySize {
    fn merged(&self, join: &HashJoinExec) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        // With a condition beside the keys the engine's outer merge joins fail on columns that are never null.
        let is_plain = join.filter.is_none()
            && matches!(
                join.join_type,
                JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full
            );
        let smaller = size(join.left()).min(size(join.right()));
        if !is_plain || join.null_aware || smaller.is_none_or(|smaller| smaller <= self.bytes) {
            return Ok(None);
        }
        let merge: Arc<dyn ExecutionPlan> = Arc::new(SortMergeJoinExec::try_new(
            Arc::clone(join.left()),
            Arc::clone(join.right()),
            join.on.clone(),
            None,
            join.join_type,
            sorts(join),
            join.null_equality,
        )?);
        let Some(kept) = &join.projection else {
            return Ok(Some(merge));
        };
        let schema = merge.schema();
        let columns = kept.iter().map(|index| {
            let name = schema.field(*index).name().clone();
            let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(&name, *index));
            (column, name)
        });
        let projected = ProjectionExec::try_new(columns.collect::<Vec<_>>(), merge)?;
        Ok(Some(Arc::new(projected)))
    }
}

/// The join with its left side gathered into one table for all streams of the right, where the left has few rows.
fn beside_few_rows(join: &HashJoinExec) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let is_moved = *join.partition_mode() == PartitionMode::Partitioned;
    let keeps_right = matches!(join.join_type, JoinType::Inner | JoinType::Right);
    let are_few = rows(join.left()).is_some_and(|rows| rows <= FEW_ROWS);
    if !is_moved || !keeps_right || !are_few || multiplies(join.left()) {
        return Ok(None);
    }
    let gathered = join
        .builder()
        .with_partition_mode(PartitionMode::CollectLeft);
    gathered.recompute_properties().build_exec().map(Some)
}

/// Whether a plan makes several rows of one, besides what it groups again.
fn multiplies(plan: &Arc<dyn ExecutionPlan>) -> bool {
    let here =
        plan.is::<UnnestExec>() || plan.is::<CrossJoinExec>() || plan.is::<NestedLoopJoinExec>();
    let children = plan.children();
    here || !plan.is::<AggregateExec>() && children.into_iter().any(multiplies)
}

/// The order in which a side already lies by the keys, so that it need not be sorted again.
fn sorts(join: &HashJoinExec) -> Vec<SortOptions> {
    let (left, right): (Vec<_>, Vec<_>) = join.on.iter().cloned().unzip();
    let lies = |side: &Arc<dyn ExecutionPlan>, keys: Vec<Arc<dyn PhysicalExpr>>| {
        let order = side.output_ordering()?;
        let is_sorted =
            order.len() >= keys.len() && order.iter().zip(&keys).all(|(by, key)| by.expr.eq(key));
        let options = order.iter().map(|by| by.options).take(keys.len());
        is_sorted.then(|| options.collect())
    };
    lies(join.left(), left)
        .or_else(|| lies(join.right(), right))
        .unwrap_or_else(|| vec![SortOptions::default(); join.on.len()])
}

/// About how many bytes the rows of a plan take; `None` where nobody knows.
fn size(plan: &Arc<dyn ExecutionPlan>) -> Option<usize> {
    Some(rows(plan)?.saturating_mul(width(&plan.schema())))
}

/// At most how many rows a plan gives where it joins by keys. Of what is grouped that is not known.
fn rows(plan: &Arc<dyn ExecutionPlan>) -> Option<usize> {
    let children = plan.children();
    if children.is_empty() {
        let statistics = StatisticsContext::new().compute(plan.as_ref(), &StatisticsArgs::new());
        return statistics.ok()?.num_rows.get_value().copied();
    }
    if plan.is::<AggregateExec>() {
        return None;
    }
    let of_children = children.into_iter().map(rows);
    if plan.is::<UnionExec>() {
        of_children.sum()
    } else {
        of_children.flatten().max()
    }
}

fn width(schema: &Schema) -> usize {
    let fields = schema.fields().iter();
    fields
        .map(|field| match field.data_type() {
            DataType::Boolean => 1,
            DataType::Decimal128(..) => 16,
            other => other.primitive_width().unwrap_or(TEXT_BYTES),
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use datafusion::execution::session_state::SessionStateBuilder;
    use datafusion::prelude::{SessionConfig, SessionContext};

    use std::sync::Arc;

    use datafusion::physical_optimizer::PhysicalOptimizerRule;
    use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;

    use crate::engine::session::rules;

    async fn table(context: &SessionContext, sql: &str) -> String {
        let rows = context.sql(sql).await.unwrap().collect().await;
        let rows = rows.unwrap_or_else(|error| panic!("{sql}: {error}"));
        arrow::util::pretty::pretty_format_batches(&rows)
            .unwrap()
            .to_string()
    }

    /// Two tables with keys that occur once, twice, on one side only and not at all.
    async fn context(bytes: usize) -> SessionContext {
        context_of(rules(bytes)).await
    }

    async fn context_of(
        rules: Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>>,
    ) -> SessionContext {
        let config = SessionConfig::new()
            .with_target_partitions(2)
            .with_batch_size(3);
        let state = SessionStateBuilder::new()
            .with_config(config)
            .with_default_features()
            .with_physical_optimizer_rules(rules)
            .build();
        let context = SessionContext::new_with_state(state);
        for sql in [
            "create table a as select * from (values
                ('k1', 1, 1.5), ('k2', 2, null), ('k2', 3, 2.5), ('k3', 4, 3.5), (null, 5, 4.5)
            ) as given (k, n, amount)",
            "create table b as select * from (values
                ('k2', 20, true), ('k2', 21, false), ('k3', 30, null), ('k4', 40, true), (null, 50, true)
            ) as given (k, m, is_so)",
        ] {
            context.sql(sql).await.unwrap().collect().await.unwrap();
        }
        context
    }

    const JOINS: [&str; 5] = [
        "join",
        "left join",
        "right join",
        "full join",
        "left anti join",
    ];

    fn sql(join: &str, on: &str) -> String {
        let columns = match join {
            "left anti join" => "a.k, n",
            _ => "a.k, n, m, is_so",
        };
        let order = columns
            .replace("is_so", "amount is null")
            .replace(", amount is null", "");
        format!("select {columns} from a {join} b on {on} order by {order}")
    }

    #[tokio::test]
    async fn merged_and_hashed_joins_give_the_same_rows() {
        let (merging, hashing) = (context(0).await, context(usize::MAX).await);
        for join in JOINS {
            for on in ["a.k = b.k", "a.k = b.k and n < m - 18"] {
                let sql = sql(join, on);
                assert_eq!(
                    table(&merging, &sql).await,
                    table(&hashing, &sql).await,
                    "{sql}"
                );
                let explained = format!("explain format indent {sql}");
                let is_merged = table(&merging, &explained)
                    .await
                    .contains("SortMergeJoinExec");
                let is_plain = join != "left anti join" && on == "a.k = b.k";
                assert_eq!(is_merged, is_plain, "{sql}");
                assert!(
                    table(&hashing, &explained).await.contains("HashJoinExec"),
                    "{sql}"
                );
            }
        }
    }

    #[tokio::test]
    async fn what_is_grouped_is_held_as_its_size_is_not_known() {
        let sql = "explain format indent select a.n, counts.c from a
            left join (select k, count(*) as c from b group by k) as counts on a.k = counts.k";
        let explained = table(&context(0).await, sql).await;
        assert!(explained.contains("HashJoinExec"), "{explained}");
    }

    /// Rows that the engine cannot count before it has them.
    const UNCOUNTED: &str =
        "(select b.k, count(*) as c from b join a as other on b.m > other.n group by b.k)";

    #[tokio::test]
    async fn beside_few_rows_the_other_side_is_not_moved() {
        let mode = |context: SessionContext, sql: String| async move {
            let shown = table(&context, &format!("explain format indent {sql}")).await;
            let mut modes = shown.split("HashJoinExec: mode=").skip(1);
            let mode = modes.next().and_then(|join| join.split(',').next());
            mode.unwrap_or(&shown).to_owned()
        };
        let sql = format!(
            "select few.c, b.c as m from (select a.k, counts.c from a left join {UNCOUNTED} as counts on a.k = counts.k) as few
                join {UNCOUNTED} as b on few.k = b.k"
        );
        let engines = context_of(PhysicalOptimizer::new().rules).await;
        assert_eq!(mode(engines, sql.clone()).await, "Partitioned");
        assert_eq!(
            mode(context(usize::MAX).await, sql.clone()).await,
            "CollectLeft"
        );
        let sorted = format!("{sql} order by c, m");
        let rows = table(&context(usize::MAX).await, &sorted).await;
        assert_eq!(rows, table(&context(0).await, &sorted).await);
    }

    #[tokio::test]
    async fn what_multiplies_rows_is_not_taken_for_few() {
        let sql = format!(
            "select many.n, counts.c from (select k, unnest(generate_series(1, n)) as n from a) as many
                join {UNCOUNTED} as counts on many.k = counts.k"
        );
        let explained = format!("explain format indent {sql}");
        let shown = table(&context(usize::MAX).await, &explained).await;
        assert!(shown.contains("HashJoinExec: mode=Partitioned"), "{shown}");
    }

    #[tokio::test]
    async fn a_side_within_the_bound_is_held() {
        // Five rows each, the smaller side of 32 bytes of text and eight of a number.
        let sql = format!("explain format indent {}", sql("join", "a.k = b.k"));
        let is_merged = |bytes| {
            let sql = sql.clone();
            async move {
                table(&context(bytes).await, &sql)
                    .await
                    .contains("SortMergeJoinExec")
            }
        };
        assert!(!is_merged(5 * 40).await);
        assert!(is_merged(5 * 40 - 1).await);
    }
}
