//! Kept rows on their way into record batches.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Date32Builder, Decimal128Builder, Float64Builder, Int64Builder,
    RecordBatch, RecordBatchOptions, StringViewBuilder, TimestampMicrosecondBuilder,
    new_null_array,
};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;

use super::cell::Value;
use crate::engine::types::arrow_type;
use crate::spec::SqlType;

/// Text of string columns is kept in blocks of this size; the default of 8 KiB makes many small ones.
const TEXT_BLOCK: u32 = 256 * 1024;

/// One column being built.
#[derive(Debug)]
pub(crate) enum ColumnBuilder {
    Text(StringViewBuilder),
    Whole(Int64Builder),
    Double(Float64Builder),
    Bool(BooleanBuilder),
    Days(Date32Builder),
    Instant(TimestampMicrosecondBuilder),
    Decimal(Decimal128Builder),
}

impl ColumnBuilder {
    pub(crate) fn new(sql_type: SqlType) -> Self {
        match sql_type {
            SqlType::Varchar => {
                Self::Text(StringViewBuilder::new().with_fixed_block_size(TEXT_BLOCK))
            }
            SqlType::Bigint => Self::Whole(Int64Builder::new()),
            SqlType::Double => Self::Double(Float64Builder::new()),
            SqlType::Boolean => Self::Bool(BooleanBuilder::new()),
            SqlType::Date => Self::Days(Date32Builder::new()),
            SqlType::Timestamp => Self::Instant(
                TimestampMicrosecondBuilder::new().with_data_type(arrow_type(SqlType::Timestamp)),
            ),
            SqlType::Decimal { .. } => {
                Self::Decimal(Decimal128Builder::new().with_data_type(arrow_type(sql_type)))
            }
        }
    }

    /// Appends a value that this column's parser made; `text` gives the cell where the value is text. What does not
    /// belong here becomes null, which the schema then refuses.
    pub(crate) fn append<'a>(&mut self, value: Value, text: impl FnOnce() -> &'a str) {
        match (self, value) {
            (Self::Text(builder), Value::Text) => builder.append_value(text()),
            (Self::Whole(builder), Value::Whole(value)) => builder.append_value(value),
            (Self::Double(builder), Value::Double(value)) => builder.append_value(value),
            (Self::Bool(builder), Value::Bool(value)) => builder.append_value(value),
            (Self::Days(builder), Value::Days(value)) => builder.append_value(value),
            (Self::Instant(builder), Value::Whole(value)) => builder.append_value(value),
            (Self::Decimal(builder), Value::Whole(value)) => builder.append_value(value.into()),
            (Self::Text(builder), _) => builder.append_null(),
            (Self::Whole(builder), _) => builder.append_null(),
            (Self::Double(builder), _) => builder.append_null(),
            (Self::Bool(builder), _) => builder.append_null(),
            (Self::Days(builder), _) => builder.append_null(),
            (Self::Instant(builder), _) => builder.append_null(),
            (Self::Decimal(builder), _) => builder.append_null(),
        }
    }

    pub(crate) fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Text(builder) => Arc::new(builder.finish()),
            Self::Whole(builder) => Arc::new(builder.finish()),
            Self::Double(builder) => Arc::new(builder.finish()),
            Self::Bool(builder) => Arc::new(builder.finish()),
            Self::Days(builder) => Arc::new(builder.finish()),
            Self::Instant(builder) => Arc::new(builder.finish()),
            Self::Decimal(builder) => Arc::new(builder.finish()),
        }
    }
}

/// What is the same for every row of an object: its path and its partition values.
#[derive(Debug, Clone)]
pub(crate) struct Constant {
    /// The declared type.
    pub(crate) sql_type: SqlType,
    /// The value.
    pub(crate) value: Value,
    /// Its text, where it is text.
    pub(crate) text: String,
}

impl Constant {
    /// `rows` times the value.
    pub(crate) fn array(&self, rows: usize) -> Result<ArrayRef, ArrowError> {
        match self.value {
            Value::Null => Ok(new_null_array(&arrow_type(self.sql_type), rows)),
            Value::Text => {
                // One copy of the text, however many rows.
                let mut builder = StringViewBuilder::with_capacity(rows);
                let block = builder.append_block(self.text.as_bytes().into());
                let length = u32::try_from(self.text.len()).map_err(|_| {
                    ArrowError::InvalidArgumentError("a path of more than 4 GiB".to_owned())
                })?;
                for _ in 0..rows {
                    builder.try_append_view(block, 0, length)?;
                }
                Ok(Arc::new(builder.finish()))
            }
            value => {
                let mut builder = ColumnBuilder::new(self.sql_type);
                for _ in 0..rows {
                    builder.append(value, || "");
                }
                Ok(builder.finish())
            }
        }
    }
}

/// Where a column of the output comes from.
#[derive(Debug, Clone)]
pub(crate) enum Output {
    /// A declared column, by its index.
    Declared(usize),
    /// A partition column or `_file`.
    Constant(Constant),
    /// `_line`.
    Line,
}

/// Builds batches of the projected columns from rows of parsed cells.
#[derive(Debug)]
pub(crate) struct RowBuilder {
    schema: SchemaRef,
    outputs: Vec<Output>,
    declared: Vec<(usize, ColumnBuilder)>,
    lines: Option<Int64Builder>,
    rows: usize,
}

impl RowBuilder {
    /// `schema` is that of `outputs`; `types` are those of all declared columns.
    pub(crate) fn new(schema: SchemaRef, outputs: Vec<Output>, types: &[SqlType]) -> Self {
        let declared = outputs
            .iter()
            .filter_map(|output| match output {
                Output::Declared(column) => {
                    Some((*column, ColumnBuilder::new(*types.get(*column)?)))
                }
                _ => None,
            })
            .collect();
        let lines = outputs
            .iter()
            .any(|output| matches!(output, Output::Line))
            .then(Int64Builder::new);
        Self {
            schema,
            outputs,
            declared,
            lines,
            rows: 0,
        }
    }

    /// Rows since the last batch.
    pub(crate) fn len(&self) -> usize {
        self.rows
    }

    /// Appends a row: one value for each declared column, and the texts of those that are text.
    pub(crate) fn push<'a>(
        &mut self,
        line: u64,
        values: &[Value],
        text: impl Fn(usize) -> &'a str,
    ) {
        for (column, builder) in &mut self.declared {
            let value = values.get(*column).copied().unwrap_or(Value::Null);
            builder.append(value, || text(*column));
        }
        if let Some(lines) = &mut self.lines {
            lines.append_value(line.cast_signed());
        }
        self.rows += 1;
    }

    /// The rows since the last batch as a batch.
    pub(crate) fn finish(&mut self) -> Result<RecordBatch, ArrowError> {
        let rows = std::mem::take(&mut self.rows);
        let mut declared = self.declared.iter_mut();
        let mut arrays = Vec::with_capacity(self.outputs.len());
        for output in &self.outputs {
            arrays.push(match output {
                Output::Constant(constant) => constant.array(rows)?,
                Output::Line => match &mut self.lines {
                    Some(lines) => Arc::new(lines.finish()) as ArrayRef,
                    None => continue,
                },
                Output::Declared(_) => match declared.next() {
                    Some((_, builder)) => builder.finish(),
                    None => continue,
                },
            });
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)
    }
}
