//! Record batches as Parquet objects.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

use super::GenerateError;

/// Money with two decimals.
pub(super) const MONEY: DataType = DataType::Decimal128(12, 2);

/// One Parquet object being written.
pub(super) struct ParquetObject {
    table: &'static str,
    schema: Arc<Schema>,
    writer: ArrowWriter<Vec<u8>>,
}

impl ParquetObject {
    /// All columns are nullable, as most systems write them; Snappy, as most tools write it.
    ///
    /// Dictionaries are kept for the columns in `with_dictionary` alone: for the others they would only be given up.
    pub(super) fn new(
        table: &'static str,
        columns: &[(&str, DataType)],
        with_dictionary: &[&str],
    ) -> Result<Self, GenerateError> {
        let fields: Vec<Field> = columns
            .iter()
            .map(|(name, of)| Field::new(*name, of.clone(), true))
            .collect();
        let schema = Arc::new(Schema::new(fields));
        let mut properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_dictionary_enabled(false);
        for column in with_dictionary {
            properties = properties.set_column_dictionary_enabled((*column).into(), true);
        }
        let writer =
            ArrowWriter::try_new(Vec::new(), Arc::clone(&schema), Some(properties.build()))
                .map_err(|source| GenerateError::Parquet { table, source })?;
        Ok(Self {
            table,
            schema,
            writer,
        })
    }

    pub(super) fn write(&mut self, columns: Vec<ArrayRef>) -> Result<(), GenerateError> {
        RecordBatch::try_new(Arc::clone(&self.schema), columns)
            .map_err(Into::into)
            .and_then(|batch| self.writer.write(&batch))
            .map_err(|source| GenerateError::Parquet {
                table: self.table,
                source,
            })
    }

    pub(super) fn finish(self) -> Result<Bytes, GenerateError> {
        let table = self.table;
        let bytes = self.writer.into_inner();
        Ok(bytes
            .map_err(|source| GenerateError::Parquet { table, source })?
            .into())
    }
}
