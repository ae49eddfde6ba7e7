//! A raw table of one run: its declaration made ready, its objects as they were listed.

use std::error::Error;
use std::sync::Arc;

use ::parquet::arrow::arrow_reader::ArrowReaderMetadata;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use object_store::ObjectMeta;

use super::cell::{Column, Value};
use super::error::SourceError;
use super::format::{self, SourceFormat};
use super::rows::{Constant, Output};
use super::selection::Selection;
use super::set_aside::{Attempt, SetAside};
use super::tally::{ObjectInfo, SourceTally};
use crate::engine::types::arrow_type;
use crate::spec::SqlType;
use crate::spec::source::{RawTable, SchemaDrift};
use crate::store::Store;

/// The hidden column of the object's path below the store's URL.
pub const FILE_COLUMN: &str = "_file";
/// The hidden column of the record's first line, from 1; for Parquet the row's number in the file.
pub const LINE_COLUMN: &str = "_line";

/// The columns of a raw table in SQL: the declared ones, the partitions, then [`FILE_COLUMN`] and [`LINE_COLUMN`].
pub fn schema(table: &RawTable) -> SchemaRef {
    let declared = table.columns.iter().map(|(name, column)| {
        Field::new(
            name,
            arrow_type(column.value.sql_type),
            !column.value.required,
        )
    });
    let partitions = table
        .partitions
        .iter()
        .map(|(name, sql_type)| Field::new(name, arrow_type(*sql_type), true));
    let hidden = [
        Field::new(FILE_COLUMN, DataType::Utf8View, false),
        Field::new(LINE_COLUMN, DataType::Int64, false),
    ];
    Arc::new(Schema::new(
        declared.chain(partitions).chain(hidden).collect::<Vec<_>>(),
    ))
}

/// Everything in a declaration that cannot work whatever the data, one message each.
///
/// Checks formats, zones, separators, the path pattern, and that no name is used twice. Reads nothing.
pub fn check(table: &RawTable) -> Vec<String> {
    let columns = table
        .columns
        .iter()
        .filter_map(|(name, column)| Column::new(name, &column.value).err());
    let mut problems: Vec<String> = columns.collect();
    if table.columns.is_empty() {
        problems.push("no columns are declared".to_owned());
    }
    for name in table.columns.keys().chain(table.partitions.keys()) {
        if name == FILE_COLUMN || name == LINE_COLUMN {
            problems.push(format!(
                "column `{name}`: every raw table has a hidden column of this name"
            ));
        }
    }
    for name in table
        .partitions
        .keys()
        .filter(|name| table.columns.contains_key(*name))
    {
        problems.push(format!(
            "column `{name}` is declared both as a column and as a partition"
        ));
    }
    problems.extend(super::listing::Pattern::new(&table.path.value).err());
    problems.extend(
        format::reader(&table.format)
            .and_then(|reader| reader.check())
            .err(),
    );
    problems
}

/// What a raw table may have that is not as declared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tolerance {
    /// The share of rows that may be set aside.
    pub max_bad_share: f64,
    /// What follows where the columns of an object are not those that are declared.
    pub schema_drift: SchemaDrift,
}

/// One object of a raw table.
#[derive(Debug)]
pub(crate) struct Object {
    /// The path below the store's URL.
    pub(crate) path: Arc<str>,
    /// As listed.
    pub(crate) meta: ObjectMeta,
    /// The values of the partition columns, in their order.
    pub(crate) partitions: Vec<Constant>,
}

impl Object {
    /// What is told of it.
    pub(crate) fn info(&self) -> ObjectInfo {
        ObjectInfo {
            path: self.path.to_string(),
            size: self.meta.size,
            e_tag: self.meta.e_tag.clone(),
            version: self.meta.version.clone(),
            last_modified: self.meta.last_modified,
            sha256: None,
        }
    }

    /// The tag by which a store can refuse a read of other content; weak tags are no good for that.
    pub(crate) fn strong_tag(&self) -> Option<String> {
        self.meta.e_tag.clone().filter(|tag| !tag.starts_with("W/"))
    }
}

/// A part of an object that is read on its own.
#[derive(Debug)]
pub(crate) struct Piece {
    /// The index of the object.
    pub(crate) object: usize,
    /// Its bytes in the store, to divide work evenly.
    pub(crate) bytes: u64,
    /// Its rows, kept or not, where that is known beforehand.
    pub(crate) rows: Option<u64>,
    /// Which part.
    pub(crate) part: Part,
}

/// Which part of an object a piece is.
#[derive(Debug)]
pub(crate) enum Part {
    /// All of it.
    Whole,
    /// A row group of a Parquet file.
    RowGroup {
        /// Its index.
        index: usize,
        /// The number of its first row in the file, from 1.
        first_row: u64,
        /// The file's footer.
        footer: Arc<ArrowReaderMetadata>,
    },
    /// All of a Parquet file whose columns are not those that are declared: its rows are set aside.
    Refused {
        /// Its rows.
        rows: u64,
        /// Why.
        reason: String,
    },
}

/// A raw table, ready to be read.
#[derive(Debug)]
pub(crate) struct Table {
    /// `<system>.<table>`.
    pub(crate) source: Arc<str>,
    pub(crate) columns: Vec<Column>,
    pub(crate) partitions: Vec<SqlType>,
    pub(crate) schema: SchemaRef,
    pub(crate) tolerance: Tolerance,
    pub(crate) store: Store,
    /// Which objects are read, of this table alone.
    pub(crate) selection: Selection,
    pub(crate) format: Arc<dyn SourceFormat>,
    pub(crate) objects: Vec<Object>,
    pub(crate) pieces: Vec<Piece>,
    pub(crate) tally: Arc<SourceTally>,
    pub(crate) set_aside: Arc<SetAside>,
}

impl Table {
    /// The object that a piece is part of.
    pub(crate) fn object_of(&self, piece: usize) -> &Object {
        // Pieces are made from these very objects and never change.
        &self.objects[self.pieces[piece].object]
    }

    /// Where a column of the schema comes from.
    pub(crate) fn output(&self, object: &Object, column: usize) -> Output {
        if column < self.columns.len() {
            return Output::Declared(column);
        }
        let behind = column - self.columns.len();
        if let Some(partition) = object.partitions.get(behind) {
            return Output::Constant(partition.clone());
        }
        if behind == self.partitions.len() {
            return Output::Constant(Constant {
                sql_type: SqlType::Varchar,
                value: Value::Text,
                text: object.path.to_string(),
            });
        }
        Output::Line
    }

    /// Marks a piece as read by an attempt that came to its end.
    pub(crate) fn complete(&self, piece: usize, attempt: Attempt) -> Result<(), SourceError> {
        if self.tally.complete(piece, attempt.id()) {
            attempt.keep()
        } else {
            Ok(())
        }
    }

    /// Notes what the bytes of an object came to that is read in one piece.
    ///
    /// # Errors
    /// [`SourceError::Changed`], where another reading met other bytes; [`SourceError::Gone`], where an earlier run did whose objects
    /// are to be read.
    pub(crate) fn note_checksum(&self, piece: usize, sha256: &str) -> Result<(), SourceError> {
        let object = self.pieces[piece].object;
        if !self.tally.note_checksum(object, sha256) {
            return Err(self.changed(&self.object_of(piece).path));
        }
        self.selection.check_one(&self.source, object, sha256)
    }

    pub(crate) fn damaged(
        &self,
        file: &str,
        reason: String,
        source: Option<Box<dyn Error + Send + Sync>>,
    ) -> SourceError {
        SourceError::Damaged {
            table: self.source.to_string(),
            file: file.to_owned(),
            reason,
            source,
        }
    }

    pub(crate) fn changed(&self, file: &str) -> SourceError {
        SourceError::Changed {
            table: self.source.to_string(),
            file: file.to_owned(),
        }
    }

    pub(crate) fn unreadable(&self, file: &str, source: object_store::Error) -> SourceError {
        // What was listed was there: whoever took it away may be about to put another in its place.
        if self.store.kind.can_list() && matches!(source, object_store::Error::NotFound { .. }) {
            return self.changed(file);
        }
        SourceError::Store {
            table: self.source.to_string(),
            file: file.to_owned(),
            source: Box::new(self.store.error(file, source)),
        }
    }
}
