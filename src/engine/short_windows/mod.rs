//! Windows over millions of short partitions.
//!
//! The engine's streaming window operator keeps a state of every partition and takes about ten microseconds for each: a
//! seventh of a run, where a customer has nine orders. Its other operator works on whole partitions, twice as fast, but
//! holds all rows of its input. Where the input is sorted by the partition, both can be had: rows are gathered until some
//! partitions are whole, and these go through the second operator. A partition that turns out to be long, and all that
//! comes after it, goes through the first, so that what is held stays small.
//!
//! The functions that SQL most often has over a customer's rows take neither: [`direct`] works them out over all partitions
//! that are whole, and what it does not take goes the ways of the engine.

mod direct;
#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
use arrow::compute::{concat_batches, partition};
use arrow::datatypes::SchemaRef;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{
    LexOrdering, OrderingRequirements, PhysicalExpr, PhysicalSortExpr,
};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec};
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties,
    InputDistributionRequirements, InputOrderMode, PlanProperties, ReplaceChildrenOptions,
};
use futures::{StreamExt, TryStreamExt, stream};

use direct::Direct;

/// Rows of one partition from which on it counts as long.
const LONG: usize = 65_536;

/// Puts [`ShortWindowsExec`] where the engine streams windows over an input that is sorted by the partition.
#[derive(Debug)]
pub(super) struct ShortWindows;

impl PhysicalOptimizerRule for ShortWindows {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| {
            let windows = node.downcast_ref::<BoundedWindowAggExec>();
            Ok(match windows.and_then(ShortWindowsExec::of) {
                Some(short) => Transformed::yes(Arc::new(short) as Arc<dyn ExecutionPlan>),
                None => Transformed::no(node),
            })
        })
        .data()
    }

    fn name(&self) -> &'static str {
        "short_windows"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// The windows of `streaming`, worked out for some whole partitions at a time.
#[derive(Debug)]
struct ShortWindowsExec {
    streaming: BoundedWindowAggExec,
    /// What tells one partition from the next.
    keys: Vec<PhysicalSortExpr>,
    ordering: LexOrdering,
    /// `None` where whole partitions take the engine too.
    direct: Option<Direct>,
    long: usize,
    metrics: ExecutionPlanMetricsSet,
}

impl ShortWindowsExec {
    /// `None` where the input is not sorted by the partition, or there is none.
    fn of(streaming: &BoundedWindowAggExec) -> Option<Self> {
        let ordering = streaming.input().output_ordering()?.clone();
        let partitions = streaming.window_expr().first()?.partition_by();
        let is_sorted = |key: &Arc<dyn PhysicalExpr>| ordering.iter().any(|by| by.expr.eq(key));
        if streaming.input_order_mode != InputOrderMode::Sorted
            || partitions.is_empty()
            || !partitions.iter().all(is_sorted)
        {
            return None;
        }
        Some(Self {
            streaming: streaming.clone(),
            keys: streaming.partition_by_sort_keys().ok()?,
            ordering,
            direct: Direct::of(streaming.window_expr(), &streaming.input().schema()),
            long: LONG,
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }
}

impl DisplayAs for ShortWindowsExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let windows = self.streaming.window_expr().iter();
        let names: Vec<_> = windows.map(|window| window.name()).collect();
        write!(f, "ShortWindowsExec: {}", names.join(", "))
    }
}

impl ExecutionPlan for ShortWindowsExec {
    fn name(&self) -> &'static str {
        "ShortWindowsExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.streaming.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.streaming.children()
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        self.streaming.input_distribution_requirements()
    }

    fn required_input_ordering(&self) -> Vec<Option<OrderingRequirements>> {
        self.streaming.required_input_ordering()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        self.streaming.maintains_input_order()
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.streaming.apply_expressions(f)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let streaming = Arc::new(self.streaming.clone()).replace_children(children, options)?;
        let short = streaming
            .downcast_ref::<BoundedWindowAggExec>()
            .and_then(Self::of);
        Ok(match short {
            Some(short) => Arc::new(short),
            None => streaming,
        })
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let recompute = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
        self.replace_children(children, recompute)
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let windows = Windows {
            streaming: self.streaming.clone(),
            keys: self.keys.clone(),
            ordering: self.ordering.clone(),
            direct: self.direct.clone(),
            metrics: BaselineMetrics::new(&self.metrics, partition),
            context: Arc::clone(&context),
        };
        let work = Work {
            windows,
            input: self.streaming.input().execute(partition, context)?,
            held: Held::default(),
            long: self.long,
        };
        let batches = stream::try_unfold(Some(work), |work| async move {
            match work {
                Some(work) => work.step().await.map(Some),
                None => Ok::<_, DataFusionError>(None),
            }
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(
            self.schema(),
            batches.try_flatten(),
        )))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}

/// Rows of which the last partition may not be whole.
#[derive(Debug, Default)]
struct Held {
    batches: Vec<RecordBatch>,
    rows: usize,
}

impl Held {
    fn push(&mut self, batch: RecordBatch) {
        if batch.num_rows() > 0 {
            self.rows += batch.num_rows();
            self.batches.push(batch);
        }
    }
}

/// One partition of the plan at work.
struct Work {
    windows: Windows,
    input: SendableRecordBatchStream,
    held: Held,
    long: usize,
}

impl Work {
    /// Some of the rows, and the work that is left.
    async fn step(mut self) -> Result<(SendableRecordBatchStream, Option<Self>)> {
        while let Some(batch) = self.input.try_next().await? {
            let whole = self.windows.start_of_last_partition(&batch)?;
            let rest = batch.slice(whole, batch.num_rows() - whole);
            if whole > 0 {
                let mut ready = std::mem::take(&mut self.held);
                ready.push(batch.slice(0, whole));
                self.held.push(rest);
                return Ok((self.windows.of_whole_partitions(ready).await?, Some(self)));
            }
            self.held.push(rest);
            if self.held.rows > self.long {
                return Ok((self.windows.streamed(self.held, self.input)?, None));
            }
        }
        let ready = std::mem::take(&mut self.held);
        Ok((self.windows.of_whole_partitions(ready).await?, None))
    }
}

/// The windows that are wanted, and the ways to them.
struct Windows {
    streaming: BoundedWindowAggExec,
    keys: Vec<PhysicalSortExpr>,
    ordering: LexOrdering,
    direct: Option<Direct>,
    metrics: BaselineMetrics,
    context: Arc<TaskContext>,
}

impl Windows {
    /// Where the partitions of `batch` lie, of which the first may have begun before it and the last may go on after it.
    fn partitions(&self, batch: &RecordBatch) -> Result<Vec<Range<usize>>> {
        let values = self.keys.iter().map(|key| {
            let values = key.expr.evaluate(batch)?;
            values.into_array(batch.num_rows())
        });
        Ok(partition(&values.collect::<Result<Vec<_>>>()?)?.ranges())
    }

    /// The row of `batch` on which its last partition begins.
    fn start_of_last_partition(&self, batch: &RecordBatch) -> Result<usize> {
        let partitions = self.partitions(batch)?;
        Ok(partitions.last().map_or(0, |last| last.start))
    }

    /// `rows` with their windows.
    async fn of_whole_partitions(&self, rows: Held) -> Result<SendableRecordBatchStream> {
        let _timer = self.metrics.elapsed_compute().timer();
        let batches = match &self.direct {
            Some(direct) => self.directly(direct, &rows)?,
            None => self.by_the_engine(rows).await?,
        };
        for batch in &batches {
            self.metrics.record_output(batch.num_rows());
        }
        let batches = stream::iter(batches.into_iter().map(Ok));
        Ok(Box::pin(RecordBatchStreamAdapter::new(
            self.streaming.schema(),
            batches,
        )))
    }

    fn directly(&self, direct: &Direct, rows: &Held) -> Result<Vec<RecordBatch>> {
        if rows.rows == 0 {
            return Ok(Vec::new());
        }
        let rows = concat_batches(&self.streaming.input().schema(), &rows.batches)?;
        let windows = direct.evaluate(&rows, &self.partitions(&rows)?)?;
        let columns = rows.columns().iter().cloned().chain(windows).collect();
        let rows = RecordBatch::try_new(self.streaming.schema(), columns)?;
        Ok(vec![rows])
    }

    /// All rows are in hand, so that no time passes in waiting.
    async fn by_the_engine(&self, rows: Held) -> Result<Vec<RecordBatch>> {
        let batches = stream::iter(rows.batches.into_iter().map(Ok));
        let rows = RecordBatchStreamAdapter::new(self.streaming.input().schema(), batches);
        let input = once(Box::pin(rows), self.ordering.clone())?;
        let windows = self.streaming.window_expr().to_vec();
        let windows = WindowAggExec::try_new(windows, input, false)?;
        let batches = windows.execute(0, Arc::clone(&self.context))?;
        batches.try_collect().await
    }

    /// The windows of all rows that are left, streamed by the engine: what is held begins with a partition.
    fn streamed(
        self,
        held: Held,
        input: SendableRecordBatchStream,
    ) -> Result<SendableRecordBatchStream> {
        let held = stream::iter(held.batches.into_iter().map(Ok));
        let rows = RecordBatchStreamAdapter::new(input.schema(), held.chain(input));
        let input = once(Box::pin(rows), self.ordering)?;
        let windows = self.streaming.window_expr().to_vec();
        BoundedWindowAggExec::try_new(windows, input, InputOrderMode::Sorted, false)?
            .execute(0, self.context)
    }
}

/// `rows` as a plan of one partition that can be executed once.
fn once(rows: SendableRecordBatchStream, ordering: LexOrdering) -> Result<Arc<dyn ExecutionPlan>> {
    let schema = rows.schema();
    let rows = Once {
        schema: Arc::clone(&schema),
        rows: Mutex::new(Some(rows)),
    };
    let rows: Vec<Arc<dyn PartitionStream>> = vec![Arc::new(rows)];
    let plan = StreamingTableExec::try_new(schema, rows, None, [ordering], false, None)?;
    Ok(Arc::new(plan))
}

/// A stream that can be taken once.
struct Once {
    schema: SchemaRef,
    rows: Mutex<Option<SendableRecordBatchStream>>,
}

impl fmt::Debug for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Once")
    }
}

impl PartitionStream for Once {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        rows.take().unwrap_or_else(|| {
            let error = DataFusionError::Internal("a stream is taken twice".to_owned());
            let failure = stream::once(async move { Err(error) });
            Box::pin(RecordBatchStreamAdapter::new(
                Arc::clone(&self.schema),
                failure,
            ))
        })
    }
}
