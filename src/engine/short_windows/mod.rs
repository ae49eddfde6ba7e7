//! Windows over millions of short partitions.
//!
//! The engine's streaming window operator keeps a state of every partition and takes about ten microseconds for each: a
//! seventh of a run, where a customer has nine orders. Its other operator works on whole partitions, twice as fast, but
//! holds all rows of its input. Where the input is sorted by the partition, both can be had: rows are gathered until some
//! partitions are whole, and these go through the second operator. A partition that turns out to be long, and all that
//! comes after it, goes through the first, so that what is held stays small.
//!
//! The functions that SQL most often has over a customer's rows take neither: [`direct`] works them out over all partitions
//! that are whole, and what it does not take goes the ways of the engine. Windows that reach to the end of the partition,
//! for which the engine holds all rows of its input, are placed here too where they are direct: one partition is held.

mod aggregates;
mod direct;
mod frames;
mod operators;
#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::{concat_batches, partition};
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
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties,
    InputDistributionRequirements, PlanProperties, ReplaceChildrenOptions,
};
use futures::{StreamExt, TryStreamExt, stream};

use direct::Direct;
use operators::Operator;

/// Rows of one partition from which on it counts as long.
const LONG: usize = 65_536;

/// Puts [`ShortWindowsExec`] where the engine has windows over an input that is sorted by the partition.
#[derive(Debug)]
pub(super) struct ShortWindows;

impl PhysicalOptimizerRule for ShortWindows {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| {
            Ok(match ShortWindowsExec::of(&node) {
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

/// The windows of `operator`, worked out for some whole partitions at a time.
#[derive(Debug)]
struct ShortWindowsExec {
    operator: Operator,
    /// What tells one partition from the next.
    keys: Vec<PhysicalSortExpr>,
    ordering: LexOrdering,
    /// `None` where whole partitions take the engine too.
    direct: Option<Direct>,
    long: usize,
    metrics: ExecutionPlanMetricsSet,
}

impl ShortWindowsExec {
    /// `None` where `node` has no windows, its input is not sorted by the partition, there is none, or the engine would hold all
    /// rows anyway.
    fn of(node: &Arc<dyn ExecutionPlan>) -> Option<Self> {
        let operator = Operator::of(node)?;
        let keys = operator.keys()?;
        let ordering = operator.input().output_ordering()?.clone();
        let partitions = operator.windows().first()?.partition_by();
        let is_sorted = |key: &Arc<dyn PhysicalExpr>| ordering.iter().any(|by| by.expr.eq(key));
        if !partitions.iter().all(is_sorted) {
            return None;
        }
        let direct = Direct::of(operator.windows(), &operator.input().schema());
        let long = match &operator {
            Operator::Streaming(_) => LONG,
            Operator::Holding(_) if direct.is_some() => usize::MAX,
            Operator::Holding(_) => return None,
        };
        Some(Self {
            operator,
            keys,
            ordering,
            direct,
            long,
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }
}

impl DisplayAs for ShortWindowsExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let windows = self.operator.windows().iter();
        let names: Vec<_> = windows.map(|window| window.name()).collect();
        write!(f, "ShortWindowsExec: {}", names.join(", "))
    }
}

impl ExecutionPlan for ShortWindowsExec {
    fn name(&self) -> &'static str {
        "ShortWindowsExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.operator.plan().properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.operator.plan().children()
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        self.operator.plan().input_distribution_requirements()
    }

    fn required_input_ordering(&self) -> Vec<Option<OrderingRequirements>> {
        self.operator.plan().required_input_ordering()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        self.operator.plan().maintains_input_order()
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.operator.plan().apply_expressions(f)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let node = self.operator.replace_children(children, options)?;
        Ok(match Self::of(&node) {
            Some(short) => Arc::new(short),
            None => node,
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
            operator: self.operator.clone(),
            keys: self.keys.clone(),
            ordering: self.ordering.clone(),
            direct: self.direct.clone(),
            metrics: BaselineMetrics::new(&self.metrics, partition),
            context: Arc::clone(&context),
        };
        let work = Work {
            windows,
            input: self.operator.input().execute(partition, context)?,
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
    operator: Operator,
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
            self.operator.plan().schema(),
            batches,
        )))
    }

    fn directly(&self, direct: &Direct, rows: &Held) -> Result<Vec<RecordBatch>> {
        if rows.rows == 0 {
            return Ok(Vec::new());
        }
        let rows = concat_batches(&self.operator.input().schema(), &rows.batches)?;
        let windows = direct.evaluate(&rows, &self.partitions(&rows)?)?;
        let columns = rows.columns().iter().cloned().chain(windows).collect();
        let rows = RecordBatch::try_new(self.operator.plan().schema(), columns)?;
        Ok(vec![rows])
    }

    /// All rows are in hand, so that no time passes in waiting.
    async fn by_the_engine(&self, rows: Held) -> Result<Vec<RecordBatch>> {
        let batches = stream::iter(rows.batches.into_iter().map(Ok));
        let rows = RecordBatchStreamAdapter::new(self.operator.input().schema(), batches);
        let ordering = self.ordering.clone();
        let windows = self.operator.over_whole(Box::pin(rows), ordering)?;
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
        let windows = self.operator.over(Box::pin(rows), self.ordering)?;
        windows.execute(0, self.context)
    }
}
