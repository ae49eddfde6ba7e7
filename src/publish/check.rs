//! What is checked on every row while it is written: the key strictly increases (so it is unique,
//! and rows are sorted by it), required columns have no nulls, and values are within their contract's limits.

use arrow::array::{Array, RecordBatch};
use arrow::row::{OwnedRow, RowConverter, SortField};

use super::error::PublishError;
use super::table::TableToWrite;
use crate::engine::text_of;

/// The checks of one table, fed with its chunks in order. Chunks have the table's published schema.
#[derive(Debug)]
pub(super) struct RowChecks {
    table: TableToWrite,
    key_positions: Vec<usize>,
    converter: RowConverter,
    /// The last key so far, encoded for comparison and as text.
    last: Option<(OwnedRow, String)>,
    rows: u64,
}

impl RowChecks {
    pub(super) fn new(table: &TableToWrite) -> Result<Self, PublishError> {
        let key_positions = table.key_positions()?;
        let schema = table.schema();
        let fields = key_positions
            .iter()
            .map(|&i| SortField::new(schema.field(i).data_type().clone()));
        let converter = RowConverter::new(fields.collect())
            .map_err(|e| PublishError::encode(&table.name)(e.into()))?;
        Ok(Self {
            table: table.clone(),
            key_positions,
            converter,
            last: None,
            rows: 0,
        })
    }

    /// Checks the next chunk.
    pub(super) fn check(&mut self, chunk: &RecordBatch) -> Result<(), PublishError> {
        self.check_nulls(chunk)?;
        self.check_values(chunk)?;
        self.check_key(chunk)?;
        self.rows += chunk.num_rows() as u64;
        Ok(())
    }

    fn check_nulls(&self, chunk: &RecordBatch) -> Result<(), PublishError> {
        for (column, array) in self.table.columns.iter().zip(chunk.columns()) {
            if array.null_count() == 0 || !self.table.is_required(column) {
                continue;
            }
            let Some(row) = (0..array.len()).find(|&row| array.is_null(row)) else {
                continue;
            };
            let example = if self.table.key.contains(&column.name) {
                format!("row {}", self.rows + row as u64 + 1)
            } else {
                self.key_text(chunk, row)
            };
            return Err(PublishError::RequiredNull {
                table: self.table.name.clone(),
                column: column.name.clone(),
                example,
            });
        }
        Ok(())
    }

    fn check_values(&self, chunk: &RecordBatch) -> Result<(), PublishError> {
        for (column, array) in self.table.columns.iter().zip(chunk.columns()) {
            let outside = column.limits.first_outside(array);
            let outside = outside.map_err(|e| PublishError::encode(&self.table.name)(e.into()))?;
            if let Some(row) = outside {
                return Err(PublishError::NotAccepted {
                    table: self.table.name.clone(),
                    column: column.name.clone(),
                    value: text_of(array, row),
                    limits: column.limits.to_string(),
                    example: self.key_text(chunk, row),
                });
            }
        }
        Ok(())
    }

    fn check_key(&mut self, chunk: &RecordBatch) -> Result<(), PublishError> {
        if chunk.num_rows() == 0 {
            return Ok(());
        }
        let key: Vec<_> = self
            .key_positions
            .iter()
            .map(|&i| chunk.column(i).clone())
            .collect();
        let rows = self
            .converter
            .convert_columns(&key)
            .map_err(|e| PublishError::encode(&self.table.name)(e.into()))?;
        if let Some((last, text)) = &self.last
            && last.row() >= rows.row(0)
        {
            return Err(self.disorder(
                last.row() == rows.row(0),
                text.clone(),
                self.key_text(chunk, 0),
            ));
        }
        for next in 1..rows.num_rows() {
            let (a, b) = (rows.row(next - 1), rows.row(next));
            if a >= b {
                return Err(self.disorder(
                    a == b,
                    self.key_text(chunk, next - 1),
                    self.key_text(chunk, next),
                ));
            }
        }
        let end = rows.num_rows() - 1;
        self.last = Some((rows.row(end).owned(), self.key_text(chunk, end)));
        Ok(())
    }

    fn disorder(&self, equal: bool, previous: String, next: String) -> PublishError {
        let (table, key) = (self.table.name.clone(), self.table.key.join(", "));
        if equal {
            PublishError::KeyNotUnique {
                table,
                key,
                example: next,
            }
        } else {
            PublishError::KeyOutOfOrder {
                table,
                key,
                previous,
                next,
            }
        }
    }

    /// `customer_id = 12346, order_date = 2011-01-18`
    fn key_text(&self, chunk: &RecordBatch, row: usize) -> String {
        let part = |&i: &usize| {
            let value = text_of(chunk.column(i), row);
            format!("{} = {value}", self.table.columns[i].name)
        };
        self.key_positions
            .iter()
            .map(part)
            .collect::<Vec<_>>()
            .join(", ")
    }
}
