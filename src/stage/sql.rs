//! Tables made by SQL, and the unions that entities are.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::common::TableReference;
use datafusion::datasource::ViewTable;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::execute_stream_partitioned;
use datafusion::sql::parser::Statement;

use super::parts;
use super::promises::{self, Promises};
use super::spool::part_of;
use super::{Findings, Made, RawSlice, Stage, StageContext, StageError};
use crate::engine::Layout;

/// Whether the rows of a table are written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// No: they are worked out where they are read.
    View,
    /// Where that saves work: they are read more than once.
    IfCostly,
    /// Yes: a scorer goes over them several times.
    Always,
}

/// A table made by a SQL statement.
pub struct SqlStage {
    name: String,
    inputs: Vec<String>,
    schema: SchemaRef,
    statement: Statement,
    keep: Keep,
    together_by: Option<String>,
    promises: Option<Arc<Promises>>,
    parts: Option<Vec<RawSlice>>,
}

impl SqlStage {
    /// A stage whose parameters are bound.
    pub fn new(
        name: String,
        inputs: Vec<String>,
        schema: SchemaRef,
        statement: Statement,
        keep: Keep,
    ) -> Self {
        Self {
            name,
            inputs,
            schema,
            statement,
            keep,
            together_by: None,
            promises: None,
            parts: None,
        }
    }

    /// Where its rows are written down, those that agree in `column` lie together: whoever groups or joins by it need not move them.
    #[must_use]
    pub fn together_by(mut self, column: Option<String>) -> Self {
        self.together_by = column;
        self
    }

    /// Where its rows are written down, each is held to `promises`.
    #[must_use]
    pub fn held_to(mut self, promises: Option<Promises>) -> Self {
        self.promises = promises.map(Arc::new);
        self
    }

    /// Its groups are put together of those of the slices of the raw table that it groups. Of slices that are not given the groups lie
    /// in their files already.
    #[must_use]
    pub fn in_parts(mut self, slices: Vec<RawSlice>) -> Self {
        self.parts = Some(slices);
        self
    }
}

#[async_trait]
impl Stage for SqlStage {
    fn name(&self) -> &str {
        &self.name
    }

    fn inputs(&self) -> &[String] {
        &self.inputs
    }

    fn output_schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    async fn run(&self, context: &StageContext) -> Result<Made, StageError> {
        let failed = || StageError::engine(&self.name);
        let plan = context
            .session
            .plan(self.statement.clone())
            .await
            .map_err(failed())?;
        let plan = match &self.parts {
            Some(slices) => parts::put_together(&self.name, &plan, slices, context).await?,
            None => plan,
        };
        let plan = context
            .session
            .in_shape(plan, &self.schema)
            .map_err(failed())?;
        let stays_a_view = match self.keep {
            Keep::View => true,
            Keep::Always => false,
            Keep::IfCostly => context
                .session
                .is_row_by_row(&plan, &|table| !context.costly.contains(table))
                .map_err(failed())?,
        };
        if stays_a_view {
            return Ok(view(plan));
        }
        let together_by = self.together_by.as_deref();
        let promises = self.promises.clone();
        let schema = self.output_schema();
        write_down(&self.name, plan, together_by, schema, promises, context).await
    }
}

/// Works a plan out and writes its rows down, each of them as promised.
async fn write_down(
    name: &str,
    plan: LogicalPlan,
    together_by: Option<&str>,
    schema: SchemaRef,
    promises: Option<Arc<Promises>>,
    context: &StageContext,
) -> Result<Made, StageError> {
    let failed = || StageError::engine(name);
    let physical = context
        .session
        .together_by(plan, together_by)
        .await
        .map_err(failed())?;
    let layout = Layout::of(&physical, &schema);
    let streams = execute_stream_partitioned(physical, context.session.task()).map_err(failed())?;
    let parts = streams
        .into_iter()
        .map(|stream| part_of(stream, Arc::clone(&schema)))
        .map(|part| promises::held(part, promises.clone()));
    let (table, written) = context
        .spool
        .write(name, Arc::clone(&schema), parts.collect(), &layout, context)
        .await
        .map_err(promises::told)?;
    Ok(Made {
        table,
        written: Some(written),
        findings: Findings::default(),
    })
}

/// An entity: the union of the tables bound to it, in the shape of its contract.
pub struct UnionStage {
    name: String,
    inputs: Vec<String>,
    schema: SchemaRef,
}

impl UnionStage {
    /// The union of `inputs` by column name; nothing bound makes a relation without rows.
    pub fn new(name: String, inputs: Vec<String>, schema: SchemaRef) -> Self {
        Self {
            name,
            inputs,
            schema,
        }
    }
}

#[async_trait]
impl Stage for UnionStage {
    fn name(&self) -> &str {
        &self.name
    }

    fn inputs(&self) -> &[String] {
        &self.inputs
    }

    fn output_schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    async fn run(&self, context: &StageContext) -> Result<Made, StageError> {
        let parts: Vec<TableReference> = self
            .inputs
            .iter()
            .map(|input| TableReference::bare(input.as_str()))
            .collect();
        let plan = context.session.union_by_name(&parts, &self.schema).await;
        plan.map(view).map_err(StageError::engine(&self.name))
    }
}

fn view(plan: LogicalPlan) -> Made {
    Made {
        table: Arc::new(ViewTable::new(plan, None)),
        written: None,
        findings: Findings::default(),
    }
}
