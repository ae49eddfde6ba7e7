//! Raw tables as DataFusion reads them.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Statistics, exec_err, project_schema};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PhysicalExpr, PlanProperties,
    ReplaceChildrenOptions,
};
use futures::FutureExt;
use futures::stream::{self, StreamExt, TryStreamExt};

use super::bytes;
use super::cell::Column;
use super::error::SourceError;
use super::format::{self, PieceReader, PieceScan};
use super::listing;
use super::selection::Selection;
use super::set_aside::SetAside;
use super::table::{Object, Part, Piece, Table, Tolerance, schema};
use super::tally::{ObjectInfo, SourceTally};
use crate::spec::share::rows_of_share;
use crate::spec::source::RawTable;
use crate::store::Store;

/// Rows a batch where nobody asks for batches.
const DRAIN_ROWS: usize = 8192;

/// A raw table of one run. Its objects are listed once, when it is opened, so that every scan of the run sees the same ones.
///
/// A scan checks every row against the declaration and sets those aside that do not fit, whatever columns it
/// asks for. Scanned twice, rows count once; what scans leave unread is read by [`drain_unread`](Self::drain_unread).
#[derive(Debug)]
pub struct RawTableProvider {
    pub(super) table: Arc<Table>,
    /// Those that a scan reads.
    objects: Range<usize>,
}

impl RawTableProvider {
    /// Lists the objects of `<system>.<name>` and, for Parquet, reads their footers. `tolerance` is
    /// what holds for this table: its own or its source file's.
    ///
    /// # Errors
    /// The declaration cannot work, nothing matches, a path lacks a partition, a Parquet file lacks a column or has it
    /// in a type that does not fit, or the store fails.
    pub async fn open(
        system: &str,
        name: &str,
        declared: &RawTable,
        tolerance: Tolerance,
        store: Store,
        selection: &Selection,
        set_aside: &Arc<SetAside>,
    ) -> Result<Arc<Self>, SourceError> {
        let source = format!("{system}.{name}");
        let declaration = |reason: String| SourceError::Declaration {
            table: source.clone(),
            reason,
        };
        let columns = declared
            .columns
            .iter()
            .map(|(name, column)| Column::new(name, &column.value));
        let columns: Vec<Column> = columns.collect::<Result<_, _>>().map_err(declaration)?;
        let format = format::reader(&declared.format).map_err(declaration)?;
        format.check().map_err(declaration)?;
        let objects = listing::list(
            &source,
            &store,
            &declared.path.value,
            &declared.partitions,
            selection,
        )
        .await?;
        let infos: Vec<ObjectInfo> = objects.iter().map(Object::info).collect();
        let whole = |(object, info): (usize, &ObjectInfo)| Piece {
            object,
            bytes: info.size,
            rows: None,
            part: Part::Whole,
        };
        let pieces: Vec<Piece> = infos.iter().enumerate().map(whole).collect();
        let tally = |pieces: &[Piece]| {
            let of_piece = pieces.iter().map(|piece| piece.object).collect();
            Arc::new(SourceTally::new(
                source.clone(),
                tolerance.max_bad_share,
                infos.clone(),
                of_piece,
            ))
        };
        let mut table = Table {
            source: source.as_str().into(),
            columns,
            partitions: declared.partitions.values().copied().collect(),
            schema: schema(declared),
            tolerance,
            store,
            selection: selection.of_source(&source),
            format: Arc::clone(&format),
            objects,
            tally: tally(&pieces),
            pieces,
            set_aside: Arc::clone(set_aside),
        };
        if let Some(pieces) = format.divide(&table).await? {
            let first = std::mem::replace(&mut table.tally, tally(&pieces));
            table.tally.warn_as(&first);
            table.pieces = pieces;
        }
        Ok(Arc::new(Self {
            objects: 0..table.objects.len(),
            table: Arc::new(table),
        }))
    }

    /// The objects that [`open`](Self::open) would read, without looking into them.
    ///
    /// # Errors
    /// As that where it lists.
    pub async fn list(
        source: &str,
        declared: &RawTable,
        store: &Store,
        selection: &Selection,
    ) -> Result<Vec<ObjectInfo>, SourceError> {
        let (path, partitions) = (&declared.path.value, &declared.partitions);
        let objects = listing::list(source, store, path, partitions, selection).await?;
        Ok(objects.iter().map(Object::info).collect())
    }

    /// Works out the checksums that are not known by now, `threads` objects read whole at a time.
    ///
    /// # Errors
    /// When one cannot be read, or is no longer what was listed.
    pub async fn work_out_checksums(&self, threads: usize) -> Result<(), SourceError> {
        let table = &self.table;
        let unknown = table.objects.iter().enumerate();
        let unknown = unknown.filter(|(at, _)| table.tally.checksum_of(*at).is_none());
        let sums = unknown.map(|(at, object)| {
            let sum = async move {
                let sha256 = bytes::sha256(table, object).await?;
                match table.tally.note_checksum(at, &sha256) {
                    true => Ok(()),
                    false => Err(table.changed(&object.path)),
                }
            };
            sum.boxed()
        });
        stream::iter(sums.collect::<Vec<_>>())
            .buffered(threads.max(1))
            .try_collect::<()>()
            .await
    }

    /// Holds the checksums that are known by now against those that an earlier run recorded, where exactly its objects are read.
    /// Text that lies elsewhere is held where it comes to its end, too.
    ///
    /// # Errors
    /// [`SourceError::Gone`], with each object that is another.
    pub fn check_recorded(&self) -> Result<(), SourceError> {
        let table = &self.table;
        let read = table.tally.objects_with_checksums();
        table.selection.check(&table.source, &read)
    }

    /// The rows of some of its objects, by their places among all, as a table of its own. What is read of it counts for this one.
    #[must_use]
    pub fn slice(&self, objects: Range<usize>) -> Arc<Self> {
        Arc::new(Self {
            table: Arc::clone(&self.table),
            objects,
        })
    }

    /// What was read so far; keeps changing while scans run.
    pub fn tally(&self) -> &Arc<SourceTally> {
        &self.table.tally
    }

    /// Reads and checks what no scan has read to its end, `threads` objects at a time, so that counts and rows set aside do not
    /// depend on what SQL happened to need.
    ///
    /// # Errors
    /// As a scan.
    pub async fn drain_unread(&self, threads: usize) -> Result<(), SourceError> {
        let unread: Vec<usize> = self.table.tally.unread().collect();
        let drains = unread.into_iter().map(|piece| {
            let scan = Scan::new(&self.table, Arc::from([]), DRAIN_ROWS);
            let drain = async move {
                let mut reader = scan.open(piece).await?;
                while reader.next().await?.is_some() {}
                Ok::<(), SourceError>(())
            };
            drain.boxed()
        });
        stream::iter(drains.collect::<Vec<_>>())
            .buffer_unordered(threads.max(1))
            .try_collect()
            .await
    }

    /// Holds the share of rows set aside against the bound. Counts must be complete: see [`drain_unread`](Self::drain_unread).
    ///
    /// # Errors
    /// [`SourceError::TooManyBad`], with the first three rows.
    pub fn check_share(&self) -> Result<(), SourceError> {
        let (tally, counts) = (&self.table.tally, self.table.tally.counts());
        if counts.rows_set_aside <= rows_of_share(tally.max_bad_share(), counts.rows_read) {
            return Ok(());
        }
        let percent = |share: f64| format!("{:.2} %", share * 100.0).into();
        Err(SourceError::TooManyBad {
            table: tally.source().to_owned(),
            set_aside: counts.rows_set_aside,
            read: counts.rows_read,
            share: percent(counts.rows_set_aside as f64 / counts.rows_read as f64),
            bound: percent(tally.max_bad_share()),
            examples: self.table.set_aside.examples(tally.source(), 3)?.join("; "),
        })
    }
}

#[async_trait]
impl TableProvider for RawTableProvider {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.table.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let all: Vec<usize> = (0..self.table.schema.fields().len()).collect();
        let projection = projection.unwrap_or(&all);
        let partitions = state.config().target_partitions();
        Ok(Arc::new(RawTableExec::new(
            &self.table,
            &self.objects,
            projection,
            partitions,
        )?))
    }
}

/// What the readings of one scan have in common.
#[derive(Debug, Clone)]
struct Scan {
    table: Arc<Table>,
    projection: Arc<[usize]>,
    schema: SchemaRef,
    batch_size: usize,
}

impl Scan {
    fn new(table: &Arc<Table>, projection: Arc<[usize]>, batch_size: usize) -> Self {
        let fields = table.schema.fields();
        let wanted = projection
            .iter()
            .filter_map(|column| fields.get(*column).cloned());
        let schema = Arc::new(arrow::datatypes::Schema::new(wanted.collect::<Vec<_>>()));
        Self {
            table: Arc::clone(table),
            projection,
            schema,
            batch_size,
        }
    }

    async fn open(&self, piece: usize) -> Result<Box<dyn PieceReader>, SourceError> {
        let table = Arc::clone(&self.table);
        let file = &table.object_of(piece).path;
        // Once a reading counts, what another one would set aside is known already.
        let attempt = (!table.tally.is_read(piece))
            .then(|| table.set_aside.attempt(&table.source, file, piece));
        let format = Arc::clone(&table.format);
        let scan = PieceScan {
            projection: Arc::clone(&self.projection),
            schema: Arc::clone(&self.schema),
            batch_size: self.batch_size,
            table,
            piece,
            attempt,
        };
        format.open(scan).await
    }
}

/// A scan of a raw table. Each partition reads its pieces one after the other, in the order of their paths.
#[derive(Debug)]
struct RawTableExec {
    scan: Scan,
    partitions: Vec<Vec<usize>>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl RawTableExec {
    fn new(
        table: &Arc<Table>,
        objects: &Range<usize>,
        projection: &[usize],
        target: usize,
    ) -> Result<Self> {
        let schema = project_schema(&table.schema, Some(&projection.to_vec()))?;
        let scan = Scan {
            table: Arc::clone(table),
            projection: projection.into(),
            schema: Arc::clone(&schema),
            batch_size: DRAIN_ROWS,
        };
        let partitions = divide(&table.pieces, objects, target);
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(partitions.len()),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        let metrics = ExecutionPlanMetricsSet::new();
        Ok(Self {
            scan,
            partitions,
            properties: Arc::new(properties),
            metrics,
        })
    }
}

/// Gives each piece, in order, to the partition with the fewest bytes so far.
fn divide(pieces: &[Piece], objects: &Range<usize>, target: usize) -> Vec<Vec<usize>> {
    let mut partitions = vec![(0_u64, Vec::new()); target.min(pieces.len()).max(1)];
    let pieces = pieces.iter().enumerate();
    for (at, piece) in pieces.filter(|(_, piece)| objects.contains(&piece.object)) {
        if let Some((bytes, chosen)) = partitions.iter_mut().min_by_key(|(bytes, _)| *bytes) {
            *bytes += piece.bytes.max(1);
            chosen.push(at);
        }
    }
    partitions.into_iter().map(|(_, chosen)| chosen).collect()
}

impl DisplayAs for RawTableExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let table = &self.scan.table;
        let columns: Vec<&str> = self
            .scan
            .schema
            .fields()
            .iter()
            .map(|field| field.name().as_str())
            .collect();
        write!(
            f,
            "RawTableExec: source={}, objects={}, partitions={}, columns=[{}]",
            table.source,
            table.objects.len(),
            self.partitions.len(),
            columns.join(", ")
        )
    }
}

impl ExecutionPlan for RawTableExec {
    fn name(&self) -> &'static str {
        "RawTableExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn with_new_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let Some(pieces) = self.partitions.get(partition) else {
            return exec_err!(
                "a scan of {} has no partition {partition}",
                self.scan.table.source
            );
        };
        let mut scan = self.scan.clone();
        scan.batch_size = context.session_config().batch_size();
        let reading = Reading {
            scan,
            pieces: pieces.clone().into_iter(),
            reader: None,
            metrics: BaselineMetrics::new(&self.metrics, partition),
        };
        let batches = stream::try_unfold(reading, |mut reading| async move {
            let batch = reading.next().await?;
            Ok::<_, DataFusionError>(batch.map(|batch| (batch, reading)))
        });
        let schema = Arc::clone(&self.scan.schema);
        Ok(Box::pin(RecordBatchStreamAdapter::new(
            schema,
            batches.boxed(),
        )))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    /// Rows only where the format knows them, and never as exact: rows may yet be set aside.
    fn statistics_from_inputs(
        &self,
        _: &[Arc<Statistics>],
        args: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        let pieces: Vec<usize> = match args.partition() {
            Some(partition) => self.partitions.get(partition).cloned().unwrap_or_default(),
            None => self.partitions.iter().flatten().copied().collect(),
        };
        let mut statistics = Statistics::new_unknown(&self.scan.schema);
        let pieces: Vec<&Piece> = pieces
            .iter()
            .filter_map(|piece| self.scan.table.pieces.get(*piece))
            .collect();
        let rows: Option<u64> = pieces.iter().map(|piece| piece.rows).sum();
        if let Some(rows) = rows.and_then(|rows| usize::try_from(rows).ok()) {
            statistics.num_rows = Precision::Inexact(rows);
        }
        let bytes: u64 = pieces.iter().map(|piece| piece.bytes).sum();
        if let Ok(bytes) = usize::try_from(bytes) {
            statistics.total_byte_size = Precision::Inexact(bytes);
        }
        Ok(Arc::new(statistics))
    }
}

/// One partition being read.
struct Reading {
    scan: Scan,
    pieces: std::vec::IntoIter<usize>,
    reader: Option<Box<dyn PieceReader>>,
    metrics: BaselineMetrics,
}

impl Reading {
    async fn next(&mut self) -> Result<Option<arrow::array::RecordBatch>, SourceError> {
        loop {
            let reader = match &mut self.reader {
                Some(reader) => reader,
                none => match self.pieces.next() {
                    Some(piece) => none.insert(self.scan.open(piece).await?),
                    None => {
                        self.metrics.done();
                        return Ok(None);
                    }
                },
            };
            match reader.next().await? {
                Some(batch) => {
                    self.metrics.record_output(batch.num_rows());
                    return Ok(Some(batch));
                }
                None => self.reader = None,
            }
        }
    }
}
