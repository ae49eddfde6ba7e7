//! What a format must do to be readable as a raw table, and the list of those that do.

use std::fmt::Debug;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;

use super::error::SourceError;
use super::rows::{Output, RowBuilder};
use super::set_aside::Attempt;
use super::table::{Object, Part, Piece, Table};
use super::{csv, ndjson, parquet};
use crate::spec::source::Format;

/// One format: what `cvm list formats` says and how it is read.
#[derive(Debug, Clone, Copy)]
pub struct FormatEntry {
    /// The key under `format:`.
    pub name: &'static str,
    /// One line for people.
    pub summary: &'static str,
    /// What may stand under `format:`, as YAML.
    pub example: &'static str,
    /// The reader, if the declared format is this one.
    pub(crate) make: fn(&Format) -> Option<Arc<dyn SourceFormat>>,
}

/// Every format that raw tables can have.
pub const FORMATS: &[FormatEntry] = &[csv::ENTRY, ndjson::ENTRY, parquet::ENTRY];

/// The reader of a declared format.
pub(crate) fn reader(format: &Format) -> Result<Arc<dyn SourceFormat>, String> {
    let made = FORMATS.iter().find_map(|entry| (entry.make)(format));
    made.ok_or_else(|| "no reader for this format".to_owned())
}

/// Reads objects of one declared format.
#[async_trait]
pub(crate) trait SourceFormat: Debug + Send + Sync {
    /// Says what in the declaration cannot work, whatever the data.
    fn check(&self) -> Result<(), String>;

    /// Divides objects into pieces that can be read apart. The division depends on the objects alone, never on how
    /// many threads there are. Text cannot be divided without reading it: a quoted cell may hold line breaks.
    async fn divide(&self, _table: &Table) -> Result<Option<Vec<Piece>>, SourceError> {
        Ok(None)
    }

    /// Opens one piece.
    async fn open(&self, scan: PieceScan) -> Result<Box<dyn PieceReader>, SourceError>;
}

/// One reading of one piece.
#[async_trait]
pub(crate) trait PieceReader: Send {
    /// The next kept rows; none at the end, by when the piece was marked complete.
    async fn next(&mut self) -> Result<Option<RecordBatch>, SourceError>;
}

/// What a reading of a piece is to give.
pub(crate) struct PieceScan {
    /// The raw table.
    pub(crate) table: Arc<Table>,
    /// The index of the piece.
    pub(crate) piece: usize,
    /// The wanted columns, by their index in the table's schema.
    pub(crate) projection: Arc<[usize]>,
    /// The schema of the wanted columns.
    pub(crate) schema: SchemaRef,
    /// Rows a batch.
    pub(crate) batch_size: usize,
    /// Where rows set aside go; none when another reading of this piece already counts.
    pub(crate) attempt: Option<Attempt>,
}

impl PieceScan {
    /// The object that the piece is a part of.
    pub(crate) fn object(&self) -> &Object {
        self.table.object_of(self.piece)
    }

    /// Which part of the object it is.
    pub(crate) fn part(&self) -> Option<&Part> {
        self.table.pieces.get(self.piece).map(|piece| &piece.part)
    }

    /// Where each wanted column comes from.
    pub(crate) fn outputs(&self) -> Vec<Output> {
        self.projection
            .iter()
            .map(|column| self.table.output(self.object(), *column))
            .collect()
    }

    /// A builder of the wanted columns.
    pub(crate) fn builder(&self) -> Result<RowBuilder, SourceError> {
        let types: Vec<_> = self
            .table
            .columns
            .iter()
            .map(|column| column.sql_type)
            .collect();
        Ok(RowBuilder::new(
            Arc::clone(&self.schema),
            self.outputs(),
            &types,
        ))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn formats_are_named_once_described_and_their_examples_parse() {
        let names: BTreeSet<&str> = FORMATS.iter().map(|entry| entry.name).collect();
        assert_eq!(names.len(), FORMATS.len());
        for entry in FORMATS {
            assert!(entry.summary.len() > 20, "{}", entry.name);
            let example = match entry.example.split_once(": ") {
                Some(_) => format!("\n  {}", entry.example),
                None => format!(" {}", entry.example),
            };
            let table = super::super::tests::declared(&format!(
                "path: p\nformat:{example}\ncolumns:\n  a: {{ type: varchar }}\n"
            ));
            let made: Vec<&str> = FORMATS
                .iter()
                .filter(|other| (other.make)(&table.format).is_some())
                .map(|other| other.name)
                .collect();
            assert_eq!(made, [entry.name]);
        }
    }
}
