//! Tables made by SQL, and the unions that entities are.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::datasource::ViewTable;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::execute_stream_partitioned;
use datafusion::common::TableReference;
use datafusion::sql::parser::Statement;

use super::spool::part_of;
use super::{Made, Stage, StageContext, StageError};

/// A table made by a SQL statement.
pub struct SqlStage {
    name: String,
    inputs: Vec<String>,
    schema: SchemaRef,
    statement: Statement,
    written_down: bool,
}

impl SqlStage {
    /// A stage whose parameters are bound. It is a view, or written down where it is read more than once.
    pub fn new(
        name: String,
        inputs: Vec<String>,
        schema: SchemaRef,
        statement: Statement,
        written_down: bool,
    ) -> Self {
        Self { name, inputs, schema, statement, written_down }
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
        let plan = context.session.plan(self.statement.clone()).await.map_err(failed())?;
        let plan = context.session.in_shape(plan, &self.schema).map_err(failed())?;
        if !self.written_down {
            return Ok(view(plan));
        }
        let physical =
            context.session.frame(plan).create_physical_plan().await.map_err(failed())?;
        let task = context.session.task();
        let streams = execute_stream_partitioned(physical, task).map_err(failed())?;
        let parts = streams.into_iter().map(|stream| part_of(stream, self.output_schema()));
        let (table, rows) = context
            .spool
            .write(&self.name, self.output_schema(), parts.collect(), context)
            .await?;
        Ok(Made { table, rows: Some(rows), fits: Vec::new() })
    }
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
        Self { name, inputs, schema }
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
        let parts: Vec<TableReference> =
            self.inputs.iter().map(|input| TableReference::bare(input.as_str())).collect();
        let plan = context.session.union_by_name(&parts, &self.schema).await;
        plan.map(view).map_err(StageError::engine(&self.name))
    }
}

fn view(plan: LogicalPlan) -> Made {
    Made { table: Arc::new(ViewTable::new(plan, None)), rows: None, fits: Vec::new() }
}
