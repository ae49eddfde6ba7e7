//! The engine's two operators of windows.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::datatypes::SchemaRef;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec, WindowExpr};
use datafusion::physical_plan::{ExecutionPlan, InputOrderMode, ReplaceChildrenOptions};
use futures::stream;

/// An operator of the engine in its plan.
#[derive(Debug, Clone)]
pub(super) enum Operator {
    /// Streams the rows, with a state of each partition.
    Streaming(BoundedWindowAggExec),
    /// Holds all rows, since one of its windows reaches to the end of the partition.
    Holding(WindowAggExec),
}

impl Operator {
    /// `None` where `node` has no windows.
    pub(super) fn of(node: &Arc<dyn ExecutionPlan>) -> Option<Self> {
        if let Some(streaming) = node.downcast_ref::<BoundedWindowAggExec>() {
            return Some(Self::Streaming(streaming.clone()));
        }
        let holding = node.downcast_ref::<WindowAggExec>()?;
        Some(Self::Holding(holding.clone()))
    }

    pub(super) fn plan(&self) -> &dyn ExecutionPlan {
        match self {
            Self::Streaming(streaming) => streaming,
            Self::Holding(holding) => holding,
        }
    }

    pub(super) fn windows(&self) -> &[Arc<dyn WindowExpr>] {
        match self {
            Self::Streaming(streaming) => streaming.window_expr(),
            Self::Holding(holding) => holding.window_expr(),
        }
    }

    pub(super) fn input(&self) -> &Arc<dyn ExecutionPlan> {
        match self {
            Self::Streaming(streaming) => streaming.input(),
            Self::Holding(holding) => holding.input(),
        }
    }

    /// What tells one partition from the next. `None` where there is one only, or the input is not sorted by them.
    pub(super) fn keys(&self) -> Option<Vec<PhysicalSortExpr>> {
        let partitions = self.windows().first()?.partition_by();
        if partitions.is_empty() {
            return None;
        }
        let keys = match self {
            Self::Streaming(streaming) if streaming.input_order_mode == InputOrderMode::Sorted => {
                streaming.partition_by_sort_keys()
            }
            Self::Streaming(_) => return None,
            Self::Holding(holding) => holding.partition_by_sort_keys(),
        };
        keys.ok().filter(|keys| keys.len() == partitions.len())
    }

    /// The same operator over `children`.
    pub(super) fn replace_children(
        &self,
        children: Vec<Arc<dyn ExecutionPlan>>,
        options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match self {
            Self::Streaming(streaming) => {
                Arc::new(streaming.clone()).replace_children(children, options)
            }
            Self::Holding(holding) => Arc::new(holding.clone()).replace_children(children, options),
        }
    }

    /// The same windows over `rows`, which are in this order.
    pub(super) fn over(
        &self,
        rows: SendableRecordBatchStream,
        ordering: LexOrdering,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let windows = self.windows().to_vec();
        let input = once(rows, ordering)?;
        let plan: Arc<dyn ExecutionPlan> = match self {
            Self::Streaming(_) => {
                let sorted = InputOrderMode::Sorted;
                Arc::new(BoundedWindowAggExec::try_new(
                    windows, input, sorted, false,
                )?)
            }
            Self::Holding(_) => Arc::new(WindowAggExec::try_new(windows, input, false)?),
        };
        Ok(plan)
    }

    /// The same windows over `rows`, which are in this order and are all held at once.
    pub(super) fn over_whole(
        &self,
        rows: SendableRecordBatchStream,
        ordering: LexOrdering,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let windows = self.windows().to_vec();
        let plan = WindowAggExec::try_new(windows, once(rows, ordering)?, false)?;
        Ok(Arc::new(plan))
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
