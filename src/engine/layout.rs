//! How the rows of a table between stages lie in its files.

use std::sync::Arc;

use arrow::datatypes::Schema;
use datafusion::datasource::listing::ListingOptions;
use datafusion::error::Result;
use datafusion::logical_expr::{Partitioning as LogicalPartitioning, SortExpr, ident};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties, Partitioning};
use serde::{Deserialize, Serialize};

/// What is known of rows that are written as they come, each stream of a plan into a file of its own: which lie in the same
/// file, and in which order. A later plan that groups, joins or sorts by these columns needs not move or sort its rows again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    /// Rows that agree in these columns lie in one of so many files, which the hash of the columns tells.
    together_by: Option<(Vec<String>, usize)>,
    sorted_by: Vec<SortedBy>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SortedBy {
    column: String,
    descending: bool,
    nulls_first: bool,
}

/// `plan` with rows that agree in `column` in the same of `parts` streams.
pub(super) fn together_by(
    plan: Arc<dyn ExecutionPlan>,
    column: &str,
    parts: usize,
) -> Result<Arc<dyn ExecutionPlan>> {
    let key: Arc<dyn PhysicalExpr> = Arc::new(Column::new_with_schema(column, &plan.schema())?);
    if let Partitioning::Hash(keys, _) = plan.output_partitioning()
        && matches!(keys.as_slice(), [only] if only.eq(&key))
    {
        return Ok(plan);
    }
    let moved = RepartitionExec::try_new(plan, Partitioning::Hash(vec![key], parts))?;
    Ok(Arc::new(moved))
}

impl Layout {
    /// The layout of the streams of `plan`, whose rows are written in the types of `schema`.
    pub fn of(plan: &Arc<dyn ExecutionPlan>, schema: &Schema) -> Self {
        let made = plan.schema();
        // A column that is cast on its way has another hash and may have another order.
        let kept = |expression: &Arc<dyn PhysicalExpr>| {
            let index = expression.downcast_ref::<Column>()?.index();
            let (before, after) = (made.fields().get(index)?, schema.fields().get(index)?);
            (before.data_type() == after.data_type()).then(|| after.name().clone())
        };
        let together_by = match plan.output_partitioning() {
            Partitioning::Hash(columns, files) => {
                let columns: Option<Vec<_>> = columns.iter().map(kept).collect();
                columns.map(|columns| (columns, *files))
            }
            _ => None,
        };
        let sorted_by = plan.output_ordering().into_iter().flatten();
        let sorted_by = sorted_by.map_while(|by| {
            Some(SortedBy {
                column: kept(&by.expr)?,
                descending: by.options.descending,
                nulls_first: by.options.nulls_first,
            })
        });
        Self {
            together_by,
            sorted_by: sorted_by.collect(),
        }
    }

    /// Tells the engine.
    pub(super) fn declare(&self, mut options: ListingOptions) -> ListingOptions {
        if let Some((columns, files)) = &self.together_by {
            let columns = columns.iter().map(ident).collect();
            let together = LogicalPartitioning::Hash(columns, *files);
            options = options.with_output_partitioning(Some(together));
        }
        if !self.sorted_by.is_empty() {
            let by = self
                .sorted_by
                .iter()
                .map(|by| SortExpr::new(ident(&by.column), !by.descending, by.nulls_first));
            options = options.with_file_sort_order(vec![by.collect()]);
        }
        options
    }
}
