//! Parquet bytes that depend on the rows and on nothing else.
//!
//! Rows are cut into chunks of 8,192 and row groups of [`ROW_GROUP_ROWS`] by count alone; each
//! column of a row group is encoded on its own, so columns are encoded in parallel and joined in
//! order. No time, run id, path or thread count enters the file. Bytes may differ between versions
//! of cvm, because the encoder of the `parquet` crate may: the file's `created_by` names its
//! version.
//!
//! - Compression is Snappy: every reader has it (some BI tools know only Snappy and gzip), and
//!   decoding is cheap.
//! - Statistics and page indexes are on, the sort order by the key is declared: readers skip what
//!   they need not read.
//! - Column and table descriptions are file metadata (`cvm.table`, `cvm.description`, `cvm.grain`,
//!   `cvm.key`, `cvm.columns`). `ARROW:schema` is left out: every published type is fully told by
//!   Parquet's own schema, and the copy would only be a second truth.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use parquet::arrow::ArrowSchemaConverter;
use parquet::arrow::arrow_writer::{
    ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves,
};
use parquet::basic::Compression;
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::check::RowChecks;
use super::column::published_type;
use super::error::{BoxError, PublishError};
use super::rechunk::CHUNK_ROWS;
use super::table::TableToWrite;

/// Chunks of a row group.
pub(super) const ROW_GROUP_CHUNKS: usize = 32;

/// Rows of a row group: enough for readers to work in parallel on a table of a million rows, few
/// enough that two groups of a wide table stay well below a gigabyte while they are encoded.
pub const ROW_GROUP_ROWS: usize = ROW_GROUP_CHUNKS * CHUNK_ROWS;

/// What is known of a file when its last byte was made.
#[derive(Debug)]
pub(super) struct Encoded {
    pub(super) rows: u64,
    pub(super) bytes: u64,
    pub(super) sha256: String,
    /// Nulls of each column.
    pub(super) nulls: Vec<u64>,
}

/// Encodes one table. Its methods compute: call them on a Rayon pool, never on a Tokio worker.
pub(super) struct Encoder {
    table: TableToWrite,
    schema: SchemaRef,
    factory: ArrowRowGroupWriterFactory,
    writer: SerializedFileWriter<Outbox>,
    outbox: Outbox,
    checks: RowChecks,
    row_groups: usize,
    sha256: Sha256,
    sums: Encoded,
}

impl Encoder {
    pub(super) fn new(table: &TableToWrite) -> Result<Self, PublishError> {
        table.check()?;
        let checks = RowChecks::new(table)?;
        let schema = table.schema();
        let outbox = Outbox::default();
        let properties = Arc::new(properties(table)?);
        let writer = ArrowSchemaConverter::new()
            .convert(&schema)
            .and_then(|parquet| {
                SerializedFileWriter::new(outbox.clone(), parquet.root_schema_ptr(), properties)
            })
            .map_err(|e| PublishError::encode(&table.name)(e.into()))?;
        let factory = ArrowRowGroupWriterFactory::new(&writer, Arc::clone(&schema));
        let nulls = vec![0; table.columns.len()];
        let sums = Encoded {
            rows: 0,
            bytes: 0,
            sha256: String::new(),
            nulls,
        };
        let sha256 = Sha256::new();
        Ok(Self {
            table: table.clone(),
            schema,
            factory,
            writer,
            outbox,
            checks,
            row_groups: 0,
            sha256,
            sums,
        })
    }

    /// Checks and encodes one row group, and hands out the bytes it added to the file.
    ///
    /// Chunks must have [`CHUNK_ROWS`] rows and be [`ROW_GROUP_CHUNKS`], except at the end of the
    /// table.
    pub(super) fn row_group(&mut self, chunks: &[RecordBatch]) -> Result<Bytes, PublishError> {
        let chunks: Vec<RecordBatch> = chunks
            .par_iter()
            .map(|chunk| self.conform(chunk))
            .collect::<Result<_, _>>()?;
        let writers = self.factory.create_column_writers(self.row_groups);
        let writers = writers.map_err(|e| self.failed(e.into()))?;
        // The key is compared on one thread while the others encode.
        let Self {
            table,
            schema,
            checks,
            ..
        } = self;
        let (checked, encoded) = rayon::join(
            || chunks.iter().try_for_each(|chunk| checks.check(chunk)),
            || encode_columns(schema, writers, &chunks).map_err(PublishError::encode(&table.name)),
        );
        checked?;
        self.append(encoded?).map_err(|e| self.failed(e.into()))?;
        for chunk in &chunks {
            self.sums.rows += chunk.num_rows() as u64;
            for (sum, array) in self.sums.nulls.iter_mut().zip(chunk.columns()) {
                *sum += array.null_count() as u64;
            }
        }
        Ok(self.take_bytes())
    }

    /// The footer's bytes, and what is known of the whole file.
    pub(super) fn finish(mut self) -> Result<(Bytes, Encoded), PublishError> {
        let finished = self.writer.finish();
        finished.map_err(|e| self.failed(e.into()))?;
        let footer = self.take_bytes();
        self.sums.sha256 = hex(&self.sha256.finalize());
        Ok((footer, self.sums))
    }

    /// Casts a chunk to the published types, after checking that it has the declared columns.
    fn conform(&self, chunk: &RecordBatch) -> Result<RecordBatch, PublishError> {
        let mismatch = |expected: String, found: String| PublishError::SchemaMismatch {
            table: self.table.name.clone(),
            expected,
            found,
        };
        let found = chunk.schema_ref().fields();
        if !found
            .iter()
            .map(|f| f.name())
            .eq(self.table.columns.iter().map(|c| &c.name))
        {
            let declared: Vec<&str> = self.table.columns.iter().map(|c| c.name.as_str()).collect();
            let found: Vec<&str> = found.iter().map(|f| f.name().as_str()).collect();
            return Err(mismatch(
                format!("the columns {}", declared.join(", ")),
                format!("the columns {}", found.join(", ")),
            ));
        }
        let options = CastOptions {
            safe: false,
            ..CastOptions::default()
        };
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(chunk.num_columns());
        for ((declared, field), array) in self
            .table
            .columns
            .iter()
            .zip(self.schema.fields())
            .zip(chunk.columns())
        {
            let found = published_type(&declared.name, array.data_type()).map_err(|source| {
                PublishError::Unpublishable {
                    table: self.table.name.clone(),
                    source,
                }
            })?;
            if found != declared.sql_type {
                return Err(mismatch(
                    format!("column {} as {}", declared.name, declared.sql_type),
                    found.to_string(),
                ));
            }
            let array = cast_with_options(array, field.data_type(), &options);
            columns.push(array.map_err(|e| self.failed(e.into()))?);
        }
        // Nullable for now: nulls in required columns get a better error from the checks.
        let nullable = self
            .schema
            .fields()
            .iter()
            .map(|f| f.as_ref().clone().with_nullable(true));
        let schema = arrow::datatypes::Schema::new(nullable.collect::<Vec<_>>());
        RecordBatch::try_new(Arc::new(schema), columns).map_err(|e| self.failed(e.into()))
    }

    fn append(&mut self, columns: Vec<ArrowColumnChunk>) -> parquet::errors::Result<()> {
        let mut group = self.writer.next_row_group()?;
        for column in columns {
            column.append_to_row_group(&mut group)?;
        }
        group.close()?;
        self.writer.flush()?;
        self.row_groups += 1;
        Ok(())
    }

    fn take_bytes(&mut self) -> Bytes {
        let bytes = Bytes::from(std::mem::take(&mut *self.outbox.lock()));
        self.sha256.update(&bytes);
        self.sums.bytes += bytes.len() as u64;
        bytes
    }

    fn failed(&self, source: BoxError) -> PublishError {
        PublishError::encode(&self.table.name)(source)
    }
}

/// Each column on whichever thread is free, its chunks in order.
fn encode_columns(
    schema: &SchemaRef,
    writers: Vec<ArrowColumnWriter>,
    chunks: &[RecordBatch],
) -> Result<Vec<ArrowColumnChunk>, BoxError> {
    writers
        .into_par_iter()
        .enumerate()
        .with_max_len(1)
        .map(|(position, mut writer)| {
            for chunk in chunks {
                let array = chunk.column(position);
                // Checked by `RowChecks` at the same time; Parquet would only say less about it.
                if !schema.field(position).is_nullable() && array.null_count() > 0 {
                    return Err(BoxError::from("null in a required column"));
                }
                for leaf in compute_leaves(schema.field(position), array)? {
                    writer.write(&leaf)?;
                }
            }
            Ok(writer.close()?)
        })
        .collect()
}

fn properties(table: &TableToWrite) -> Result<WriterProperties, PublishError> {
    let descriptions: serde_json::Map<String, serde_json::Value> = table
        .columns
        .iter()
        .map(|c| (c.name.clone(), c.description.clone().into()))
        .collect();
    let entry = |key: &str, value: String| KeyValue::new(format!("cvm.{key}"), value);
    let metadata = vec![
        entry("table", table.name.clone()),
        entry("description", table.description.clone()),
        entry("grain", table.grain.clone()),
        entry("key", table.key.join(",")),
        entry(
            "columns",
            serde_json::Value::Object(descriptions).to_string(),
        ),
    ];
    let sorting = table
        .key_positions()?
        .into_iter()
        .map(|position| SortingColumn {
            column_idx: i32::try_from(position).unwrap_or(i32::MAX),
            descending: false,
            nulls_first: false,
        });
    Ok(WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_sorting_columns(Some(sorting.collect()))
        .set_key_value_metadata(Some(metadata))
        .build())
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Where the Parquet writer leaves its bytes until they are sent.
#[derive(Debug, Clone, Default)]
struct Outbox(Arc<Mutex<Vec<u8>>>);

impl Outbox {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<u8>> {
        // A vector of bytes is valid after a panic of whoever held it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for Outbox {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
