//! Parquet, a row group at a time, by column.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use ::parquet::arrow::ProjectionMask;
use ::parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, RowSelection, RowSelector,
};
use ::parquet::arrow::async_reader::{ParquetRecordBatchStream, ParquetRecordBatchStreamBuilder};
use ::parquet::errors::ParquetError;
use arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, RecordBatchOptions};
use arrow::compute::filter_record_batch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::json::WriterBuilder;
use arrow::json::writer::LineDelimited;
use async_trait::async_trait;
use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{self, StreamExt, TryStreamExt};

use super::bytes::ObjectRanges;
use super::drift::{Drift, Verdict};
use super::error::SourceError;
use super::format::{FormatEntry, PieceReader, PieceScan, SourceFormat};
use super::guard::guarded;
use super::parquet_cast::{Fit, cast, fit};
use super::rows::Output;
use super::set_aside::{Attempt, Entry, raw_text};
use super::table::{Object, Part, Piece, Table};
use super::tally::Counts;
use crate::spec::source::Format;

/// Footers on their way at once.
const FOOTERS_AHEAD: usize = 16;
/// Rows that do not fit are looked up again in all their columns this many at a time.
const MISFITS_AT_ONCE: usize = 65_536;

/// What `cvm list formats` says.
pub(crate) const ENTRY: FormatEntry = FormatEntry {
    name: "parquet",
    summary: "Apache Parquet; columns are found by name and cast where nothing is lost",
    example: "parquet",
    make: |format| match format {
        Format::Parquet => Some(Arc::new(Parquet)),
        _ => None,
    },
};

/// The reader of [`Format::Parquet`].
#[derive(Debug)]
struct Parquet;

type Stream = ParquetRecordBatchStream<ObjectRanges>;

#[async_trait]
impl SourceFormat for Parquet {
    fn check(&self) -> Result<(), String> {
        Ok(())
    }

    async fn divide(&self, table: &Table) -> Result<Option<Vec<Piece>>, SourceError> {
        // Errors come in the order of paths, whichever footer arrives first.
        let footers: Vec<BoxFuture<'_, _>> = table
            .objects
            .iter()
            .map(|object| footer(table, object).boxed())
            .collect();
        let footers: Vec<(ArrowReaderMetadata, Verdict)> = stream::iter(footers)
            .buffered(FOOTERS_AHEAD)
            .try_collect()
            .await?;
        let mut pieces = Vec::new();
        for (object, (footer, verdict)) in footers.into_iter().enumerate() {
            let metadata = footer.metadata();
            if let Verdict::SetAside(reason) = verdict {
                let rows = metadata.file_metadata().num_rows().unsigned_abs();
                pieces.push(Piece {
                    object,
                    bytes: 0,
                    rows: Some(rows),
                    part: Part::Refused { rows, reason },
                });
                continue;
            }
            let footer = Arc::new(footer);
            let mut first_row = 1;
            for (index, group) in footer.metadata().row_groups().iter().enumerate() {
                let rows = group.num_rows().unsigned_abs();
                let bytes = group.compressed_size().unsigned_abs();
                let part = Part::RowGroup {
                    index,
                    first_row,
                    footer: Arc::clone(&footer),
                };
                pieces.push(Piece {
                    object,
                    bytes,
                    rows: Some(rows),
                    part,
                });
                first_row = u64::saturating_add(first_row, rows);
            }
        }
        Ok(Some(pieces))
    }

    async fn open(&self, scan: PieceScan) -> Result<Box<dyn PieceReader>, SourceError> {
        if let Some(Part::Refused { rows, reason }) = scan.part() {
            return Ok(Box::new(RefusedReader {
                table: Arc::clone(&scan.table),
                piece: scan.piece,
                rows: *rows,
                reason: reason.clone(),
                attempt: scan.attempt,
            }));
        }
        let Some(Part::RowGroup {
            index,
            first_row,
            footer,
        }) = scan.part()
        else {
            let file = scan.object().path.to_string();
            return Err(scan
                .table
                .damaged(&file, "its row groups are unknown".to_owned(), None));
        };
        let group = RowGroup {
            table: Arc::clone(&scan.table),
            piece: scan.piece,
            index: *index,
            first_row: *first_row,
            footer: Arc::clone(footer),
            batch_size: scan.batch_size,
        };
        let outputs = scan.outputs();
        let asked = |at: usize| {
            outputs
                .iter()
                .any(|output| matches!(output, Output::Declared(column) if *column == at))
        };
        let read: Vec<usize> = (0..scan.table.columns.len())
            .filter(|column| asked(*column) || group.may_misfit(*column))
            .collect();
        let stream = group.stream(&read, None)?;
        Ok(Box::new(RowGroupReader {
            group,
            stream,
            schema: scan.schema,
            outputs,
            read,
            attempt: scan.attempt,
            misfits: VecDeque::new(),
            counts: Counts::default(),
            done: false,
        }))
    }
}

/// Reads a footer and holds the file's columns against the declaration.
async fn footer(
    table: &Table,
    object: &Object,
) -> Result<(ArrowReaderMetadata, Verdict), SourceError> {
    let mut reader = ObjectRanges::new(table, object);
    let load = ArrowReaderMetadata::load_async(&mut reader, ArrowReaderOptions::new());
    let footer = guarded(load)
        .await
        .map_err(|panic| no_parquet(table, &object.path, &panic))?
        .map_err(|error| unreadable(table, &object.path, error))?;
    let fields = footer.schema().fields();
    let names: Vec<String> = fields.iter().map(|field| field.name().clone()).collect();
    let mut drift = Drift::between(table, &names);
    for column in &table.columns {
        if names.iter().filter(|name| **name == column.name).count() > 1 {
            return Err(SourceError::DuplicateColumn {
                table: table.source.to_string(),
                file: object.path.to_string(),
                column: column.name.clone(),
            });
        }
        if let Some((_, field)) = fields.find(&column.name)
            && fit(field.data_type(), column) == Fit::Never
        {
            let (found, declared) = (field.data_type().to_string(), column.sql_type.to_string());
            drift.retyped.push((column.name.clone(), found, declared));
        }
    }
    let verdict = drift.judge(table, &object.path)?;
    Ok((footer, verdict))
}

/// The rows of a file whose columns are not those that are declared. They go nowhere but among those set aside, where each
/// is told by its number: what is in it stands in the file.
struct RefusedReader {
    table: Arc<Table>,
    piece: usize,
    rows: u64,
    reason: String,
    attempt: Option<Attempt>,
}

#[async_trait]
impl PieceReader for RefusedReader {
    async fn next(&mut self) -> Result<Option<RecordBatch>, SourceError> {
        let Some(mut attempt) = self.attempt.take() else {
            return Ok(None);
        };
        for line in 1..=self.rows {
            attempt.push(Entry {
                line,
                raw_text: String::new(),
                column: None,
                reason: self.reason.clone(),
            })?;
        }
        let bytes = self.table.object_of(self.piece).meta.size;
        let counts = Counts {
            rows_read: self.rows,
            rows_set_aside: self.rows,
            bytes,
        };
        self.table.tally.progress(self.piece, counts);
        self.table.complete(self.piece, attempt)?;
        Ok(None)
    }
}

fn unreadable(table: &Table, file: &str, error: ParquetError) -> SourceError {
    match error {
        ParquetError::External(inner) => match inner.downcast::<object_store::Error>() {
            Ok(error) if matches!(*error, object_store::Error::Precondition { .. }) => {
                table.changed(file)
            }
            Ok(error) => table.unreadable(file, *error),
            Err(other) => table.damaged(file, other.to_string(), Some(other)),
        },
        other => table.damaged(
            file,
            "it cannot be read as Parquet".to_owned(),
            Some(other.into()),
        ),
    }
}

/// The error of a file that the reader panicked at.
fn no_parquet(table: &Table, file: &str, panic: &str) -> SourceError {
    table.damaged(file, format!("it cannot be read as Parquet: {panic}"), None)
}

/// One row group of one file.
struct RowGroup {
    table: Arc<Table>,
    piece: usize,
    index: usize,
    first_row: u64,
    footer: Arc<ArrowReaderMetadata>,
    batch_size: usize,
}

impl RowGroup {
    fn file(&self) -> &str {
        &self.table.object_of(self.piece).path
    }

    /// Where a declared column stands among the file's.
    fn root(&self, column: usize) -> Option<usize> {
        let name = &self.table.columns.get(column)?.name;
        self.footer
            .schema()
            .fields()
            .find(name)
            .map(|(root, _)| root)
    }

    /// Whether a row of this group may be set aside because of a column: such columns are read whoever asks, or
    /// the rows that are kept would depend on it.
    fn may_misfit(&self, at: usize) -> bool {
        let (Some(column), Some(root)) = (self.table.columns.get(at), self.root(at)) else {
            return false;
        };
        let field = self.footer.schema().field(root);
        if fit(field.data_type(), column) == Fit::Sometimes {
            return true;
        }
        column.required && self.nulls(root) != Some(0)
    }

    /// How many nulls the footer says a flat column has.
    fn nulls(&self, root: usize) -> Option<u64> {
        let metadata = self.footer.metadata();
        let descriptor = metadata.file_metadata().schema_descr();
        let leaf = (0..descriptor.num_columns())
            .find(|leaf| descriptor.get_column_root_idx(*leaf) == root)?;
        metadata
            .row_groups()
            .get(self.index)?
            .columns()
            .get(leaf)?
            .statistics()?
            .null_count_opt()
    }

    /// The rows of the group, or those selected, in the given columns.
    fn stream(&self, columns: &[usize], rows: Option<RowSelection>) -> Result<Stream, SourceError> {
        let object = self.table.object_of(self.piece);
        let reader = ObjectRanges::new(&self.table, object);
        let footer = self.footer.as_ref().clone();
        let roots: Vec<usize> = columns
            .iter()
            .filter_map(|column| self.root(*column))
            .collect();
        let mask = ProjectionMask::roots(footer.metadata().file_metadata().schema_descr(), roots);
        let mut builder = ParquetRecordBatchStreamBuilder::new_with_metadata(reader, footer)
            .with_row_groups(vec![self.index])
            .with_projection(mask)
            .with_batch_size(self.batch_size);
        if let Some(rows) = rows {
            builder = builder.with_row_selection(rows);
        }
        builder
            .build()
            .map_err(|error| unreadable(&self.table, self.file(), error))
    }

    /// The next rows of a stream of this group.
    async fn next_of(&self, stream: &mut Stream) -> Result<Option<RecordBatch>, SourceError> {
        match guarded(stream.next()).await {
            Ok(batch) => batch
                .transpose()
                .map_err(|error| unreadable(&self.table, self.file(), error)),
            Err(panic) => Err(no_parquet(&self.table, self.file(), &panic)),
        }
    }

    fn arrow(&self, source: ArrowError) -> SourceError {
        SourceError::Arrow {
            table: self.table.source.to_string(),
            source,
        }
    }
}

/// A row that does not fit.
struct Misfit {
    /// Its place in the row group, from 0.
    row: u64,
    column: usize,
    reason: String,
}

struct RowGroupReader {
    group: RowGroup,
    stream: Stream,
    schema: SchemaRef,
    outputs: Vec<Output>,
    read: Vec<usize>,
    attempt: Option<Attempt>,
    misfits: VecDeque<Misfit>,
    counts: Counts,
    done: bool,
}

impl RowGroupReader {
    /// Casts a batch, drops the rows that do not fit and remembers them.
    fn convert(&mut self, batch: &RecordBatch) -> Result<RecordBatch, SourceError> {
        let group = &self.group;
        let rows = batch.num_rows();
        let mut cast_columns: HashMap<usize, ArrayRef> = HashMap::new();
        let mut reasons: HashMap<usize, (usize, String)> = HashMap::new();
        for at in &self.read {
            let Some(column) = group.table.columns.get(*at) else {
                continue;
            };
            let Some(values) = batch.column_by_name(&column.name) else {
                continue;
            };
            let array = cast(values, column).map_err(|error| group.arrow(error))?;
            for row in 0..rows {
                let (lost, missing) = (
                    values.is_valid(row) && array.is_null(row),
                    array.is_null(row),
                );
                if lost || (missing && column.required) {
                    reasons.entry(row).or_insert_with(|| {
                        let reason = match lost {
                            true => format!("does not fit {} without loss", column.sql_type),
                            false => "no value, but one is required".to_owned(),
                        };
                        (*at, reason)
                    });
                }
            }
            cast_columns.insert(*at, array);
        }
        let before = self.counts.rows_read;
        self.counts.rows_read += rows as u64;
        self.counts.rows_set_aside += reasons.len() as u64;
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(self.outputs.len());
        for output in &self.outputs {
            arrays.push(match output {
                Output::Declared(column) => match cast_columns.get(column) {
                    Some(array) => Arc::clone(array),
                    None => continue,
                },
                Output::Constant(constant) => {
                    constant.array(rows).map_err(|error| group.arrow(error))?
                }
                Output::Line => {
                    let first = (group.first_row + before).cast_signed();
                    Arc::new(Int64Array::from_iter_values(first..first + rows as i64))
                }
            });
        }
        let keep = BooleanArray::from_iter((0..rows).map(|row| Some(!reasons.contains_key(&row))));
        let mut misfits: Vec<_> = reasons.into_iter().collect();
        misfits.sort_by_key(|(row, _)| *row);
        self.misfits
            .extend(misfits.into_iter().map(|(row, (column, reason))| Misfit {
                row: before + row as u64,
                column,
                reason,
            }));
        self.assemble(arrays, &keep)
            .map_err(|error| self.group.arrow(error))
    }

    /// The kept rows. Nullability is declared only afterwards: a row that is not kept may lack what is required.
    fn assemble(
        &self,
        arrays: Vec<ArrayRef>,
        keep: &BooleanArray,
    ) -> Result<RecordBatch, ArrowError> {
        use arrow::datatypes::Schema;
        let fields = self
            .schema
            .fields()
            .iter()
            .map(|field| field.as_ref().clone().with_nullable(true));
        let lenient = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let options = RecordBatchOptions::new().with_row_count(Some(keep.len()));
        let all = RecordBatch::try_new_with_options(lenient, arrays, &options)?;
        let kept = if keep.true_count() == keep.len() {
            all
        } else {
            filter_record_batch(&all, keep)?
        };
        let options = RecordBatchOptions::new().with_row_count(Some(kept.num_rows()));
        let columns = kept.columns().to_vec();
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
    }

    /// Reads remembered misfits again, in all their declared columns, and sets them aside.
    async fn set_aside(&mut self) -> Result<(), SourceError> {
        let Some(attempt) = &mut self.attempt else {
            self.misfits.clear();
            return Ok(());
        };
        if self.misfits.is_empty() {
            return Ok(());
        }
        let mut selectors = Vec::new();
        let mut next = 0;
        for misfit in &self.misfits {
            if misfit.row > next {
                selectors.push(RowSelector::skip((misfit.row - next) as usize));
            }
            selectors.push(RowSelector::select(1));
            next = misfit.row + 1;
        }
        let all: Vec<usize> = (0..self.group.table.columns.len()).collect();
        let mut stream = self
            .group
            .stream(&all, Some(RowSelection::from(selectors)))?;
        while let Some(batch) = self.group.next_of(&mut stream).await? {
            for text in json_lines(&batch).map_err(|error| self.group.arrow(error))? {
                let Some(misfit) = self.misfits.pop_front() else {
                    break;
                };
                let column = self.group.table.columns.get(misfit.column);
                attempt.push(Entry {
                    line: self.group.first_row + misfit.row,
                    raw_text: raw_text(text.as_bytes()),
                    column: column.map(|column| column.name.clone()),
                    reason: misfit.reason,
                })?;
            }
        }
        Ok(())
    }
}

/// Each row as one JSON object, nulls included.
fn json_lines(batch: &RecordBatch) -> Result<Vec<String>, ArrowError> {
    let mut writer = WriterBuilder::new()
        .with_explicit_nulls(true)
        .build::<_, LineDelimited>(Vec::new());
    writer.write(batch)?;
    writer.finish()?;
    let text = String::from_utf8_lossy(&writer.into_inner()).into_owned();
    Ok(text.lines().map(str::to_owned).collect())
}

#[async_trait]
impl PieceReader for RowGroupReader {
    async fn next(&mut self) -> Result<Option<RecordBatch>, SourceError> {
        while !self.done {
            match self.group.next_of(&mut self.stream).await? {
                Some(batch) => {
                    let kept = self.convert(&batch)?;
                    if self.misfits.len() >= MISFITS_AT_ONCE {
                        self.set_aside().await?;
                    }
                    self.group
                        .table
                        .tally
                        .progress(self.group.piece, self.counts);
                    if kept.num_rows() > 0 {
                        return Ok(Some(kept));
                    }
                }
                None => {
                    self.set_aside().await?;
                    self.done = true;
                    let (table, piece) = (&self.group.table, self.group.piece);
                    self.counts.bytes = table.pieces.get(piece).map_or(0, |piece| piece.bytes);
                    table.tally.progress(piece, self.counts);
                    if let Some(attempt) = self.attempt.take() {
                        table.complete(piece, attempt)?;
                    }
                }
            }
        }
        Ok(None)
    }
}
