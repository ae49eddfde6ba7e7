//! Tables made by a scorer: fit on a small table, predict row by row.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::error::DataFusionError;
use datafusion::physical_plan::execute_stream_partitioned;
use futures::{StreamExt, TryStreamExt};

use super::sample::Sample;
use super::spool::{Part, in_shape};
use super::{Findings, Made, Stage, StageContext, StageError};
use crate::engine::Layout;
use crate::score::{CheckedScorer, FitContext, FitInput};

/// A table made by a scorer.
pub struct ScoreStage {
    name: String,
    inputs: Vec<String>,
    schema: SchemaRef,
    scorer: Arc<dyn CheckedScorer>,
    days: FitContext,
}

impl ScoreStage {
    /// Scores the rows of the first of `inputs`; the others are looked at by its fit.
    pub fn new(
        name: String,
        inputs: Vec<String>,
        schema: SchemaRef,
        scorer: Arc<dyn CheckedScorer>,
        days: FitContext,
    ) -> Self {
        Self {
            name,
            inputs,
            schema,
            scorer,
            days,
        }
    }

    fn input(&self) -> &str {
        self.inputs.first().map_or("", String::as_str)
    }

    /// The columns that the pipeline names, as doubles.
    fn features(&self) -> impl Iterator<Item = String> {
        let features = self.scorer.features().iter();
        features.map(|feature| format!("cast({feature} as double) as {feature}"))
    }

    /// The features of at most `rows` customers.
    async fn draw(&self, rows: usize, context: &StageContext) -> Result<RecordBatch, StageError> {
        let failed = || StageError::engine(&self.name);
        let features: Vec<String> = self.features().collect();
        let sql = format!(
            "select cast(customer_id as varchar) as customer_id, {} from {}",
            features.join(", "),
            self.input()
        );
        let plan = context.session.plan_text(&sql).await.map_err(failed())?;
        let mut batches = context
            .session
            .frame(plan)
            .execute_stream()
            .await
            .map_err(failed())?;
        let mut sample = Sample::new(rows);
        while let Some(batch) = batches.try_next().await.map_err(failed())? {
            sample.add(&batch).map_err(failed())?;
        }
        sample.finish(self.scorer.features()).map_err(failed())
    }

    async fn collect(
        &self,
        input: &FitInput,
        context: &StageContext,
    ) -> Result<Vec<RecordBatch>, StageError> {
        let columns = input.columns.join(", ");
        let from = input.table.as_deref().unwrap_or_else(|| self.input());
        let condition = input.condition;
        let sql = if input.distinct {
            format!(
                "select {columns}, count(*) as customers from {from} where {condition} group by {columns}"
            )
        } else {
            format!("select {columns} from {from} where {condition}")
        };
        let failed = || StageError::engine(&self.name);
        let plan = context.session.plan_text(&sql).await.map_err(failed())?;
        context
            .session
            .frame(plan)
            .collect()
            .await
            .map_err(failed())
    }
}

#[async_trait]
impl Stage for ScoreStage {
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
        let unscored = |source| StageError::Score {
            stage: self.name.clone(),
            source,
        };
        let mut inputs = Vec::new();
        for input in self.scorer.fit_inputs() {
            inputs.push(self.collect(&input, context).await?);
        }
        if let Some(rows) = self.scorer.sample() {
            inputs.push(vec![self.draw(rows, context).await?]);
        }
        let (scorer, days) = (Arc::clone(&self.scorer), self.days);
        let fitted = context.pool.run(move || scorer.fit(&days, &inputs)).await;
        let fitted = Arc::from(fitted.map_err(unscored)?.map_err(unscored)?);

        let input = self.scorer.input().iter();
        let columns: Vec<String> = input
            .map(|column| column.name.to_owned())
            .chain(self.features())
            .collect();
        let sql = format!("select {} from {}", columns.join(", "), self.input());
        let plan = context.session.plan_text(&sql).await.map_err(failed())?;
        let physical = context
            .session
            .frame(plan)
            .create_physical_plan()
            .await
            .map_err(failed())?;
        let streams =
            execute_stream_partitioned(physical, context.session.task()).map_err(failed())?;
        let parts: Vec<Part> = streams
            .into_iter()
            .map(|stream| {
                let (pool, fitted) = (context.pool.clone(), Arc::clone(&fitted));
                let schema = self.output_schema();
                let scored = stream.and_then(move |batch| {
                    let (pool, fitted, schema) =
                        (pool.clone(), Arc::clone(&fitted), Arc::clone(&schema));
                    async move { score_batch(&pool, fitted, batch, &schema).await }
                });
                scored.boxed()
            })
            .collect();
        let (table, written) = context
            .spool
            .write(
                &self.name,
                self.output_schema(),
                parts,
                &Layout::default(),
                context,
            )
            .await?;
        Ok(Made {
            table,
            written: Some(written),
            findings: Findings {
                fits: fitted.fits(),
                calibration: fitted.calibration(),
            },
        })
    }
}

async fn score_batch(
    pool: &crate::score::Pool,
    fitted: Arc<dyn crate::score::FittedScorer>,
    batch: RecordBatch,
    schema: &SchemaRef,
) -> Result<RecordBatch, DataFusionError> {
    let external = |error| DataFusionError::External(Box::new(error));
    let scored = pool
        .run(move || fitted.predict(&batch))
        .await
        .map_err(external)?;
    in_shape(&scored.map_err(external)?, schema)
}
