//! Joins of two large sides by merging.
//!
//! A hash join holds all rows of one side, and cannot spill them: a join of two tables of forty million customers would
//! need more memory than most machines have. A merge join sorts both sides, which spills. It is slower, so that it is
//! taken only where the side that would be held is large. Which of the two is taken changes no result but the order of rows,
//! which nothing that is published depends on.

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
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::joins::{HashJoinExec, SortMergeJoinExec};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};
use datafusion::physical_plan::union::UnionExec;

/// What a text is taken to be long, with its place in a batch.
const TEXT_BYTES: usize = 32;

/// Merges where the smaller side of a join is known to be larger than `bytes`.
#[derive(Debug)]
pub(super) struct MergeLargeJoins {
    /// The largest side that a join may hold.
    pub(super) bytes: usize,
}

impl PhysicalOptimizerRule for MergeLargeJoins {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| self.merged(node)).data()
    }

    fn name(&self) -> &'static str {
        "merge_large_joins"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

impl MergeLargeJoins {
    fn merged(&self, node: Arc<dyn ExecutionPlan>) -> Result<Transformed<Arc<dyn ExecutionPlan>>> {
        let Some(join) = node.downcast_ref::<HashJoinExec>() else {
            return Ok(Transformed::no(node));
        };
        // With a condition beside the keys the engine's outer merge joins fail on columns that are never null.
        let is_plain = join.filter.is_none()
            && matches!(
                join.join_type,
                JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full
            );
        let smaller = size(join.left()).min(size(join.right()));
        if !is_plain || join.null_aware || smaller.is_none_or(|smaller| smaller <= self.bytes) {
            return Ok(Transformed::no(node));
        }
        let merge: Arc<dyn ExecutionPlan> = Arc::new(SortMergeJoinExec::try_new(
            Arc::clone(join.left()),
            Arc::clone(join.right()),
            join.on.clone(),
            None,
            join.join_type,
            vec![SortOptions::default(); join.on.len()],
            join.null_equality,
        )?);
        let Some(kept) = &join.projection else {
            return Ok(Transformed::yes(merge));
        };
        let schema = merge.schema();
        let columns = kept.iter().map(|index| {
            let name = schema.field(*index).name().clone();
            let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(&name, *index));
            (column, name)
        });
        let projected = ProjectionExec::try_new(columns.collect::<Vec<_>>(), merge)?;
        Ok(Transformed::yes(Arc::new(projected)))
    }
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
        let config = SessionConfig::new()
            .with_target_partitions(2)
            .with_batch_size(3);
        let state = SessionStateBuilder::new()
            .with_config(config)
            .with_default_features()
            .with_physical_optimizer_rules(rules(bytes))
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
