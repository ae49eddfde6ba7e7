//! A table as its publisher declares it.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};

use super::column::{arrow_type, published_type};
use super::error::PublishError;
use super::layout::is_plain_name;
use super::manifest::ColumnManifest;
use crate::engine::ValueLimits;
use crate::spec::types::SqlType;

/// A column as it is to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnToWrite {
    /// Its name.
    pub name: String,
    /// Its type.
    pub sql_type: SqlType,
    /// Whether it is never null. Key columns always are.
    pub required: bool,
    /// The values that it may hold.
    pub limits: ValueLimits,
    /// What it means; written into the file and the manifest.
    pub description: String,
}

/// A table as it is to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableToWrite {
    /// Its name: letters, digits, `_` and `-`, not beginning with `_`.
    pub name: String,
    /// What it holds.
    pub description: String,
    /// What a row is, in words.
    pub grain: String,
    /// Columns that identify a row. Rows come sorted by them, ascending.
    pub key: Vec<String>,
    /// All columns in order.
    pub columns: Vec<ColumnToWrite>,
}

impl TableToWrite {
    /// Takes columns from an engine's schema: a field that isn't nullable is required, its metadata
    /// `description` describes it.
    ///
    /// # Errors
    /// [`PublishError::Unpublishable`] for the first column that BI tools can't read.
    pub fn from_schema(name: &str, schema: &Schema, key: &[&str]) -> Result<Self, PublishError> {
        let columns = schema.fields().iter().map(|field| {
            let sql_type = published_type(field.name(), field.data_type()).map_err(|source| {
                PublishError::Unpublishable {
                    table: name.to_owned(),
                    source,
                }
            })?;
            Ok(ColumnToWrite {
                name: field.name().clone(),
                sql_type,
                required: !field.is_nullable(),
                limits: ValueLimits::default(),
                description: field
                    .metadata()
                    .get("description")
                    .cloned()
                    .unwrap_or_default(),
            })
        });
        Ok(Self {
            name: name.to_owned(),
            description: String::new(),
            grain: String::new(),
            key: key.iter().map(|&column| column.to_owned()).collect(),
            columns: columns.collect::<Result<_, PublishError>>()?,
        })
    }

    /// The Arrow schema of the published file. Required and key columns are not nullable in it.
    pub fn schema(&self) -> SchemaRef {
        let fields = self.columns.iter().map(|column| {
            let nullable = !self.is_required(column);
            Field::new(&column.name, arrow_type(column.sql_type), nullable)
        });
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }

    /// Whether `column` must not be null.
    pub(super) fn is_required(&self, column: &ColumnToWrite) -> bool {
        column.required || self.key.contains(&column.name)
    }

    /// The positions of the key's columns.
    pub(super) fn key_positions(&self) -> Result<Vec<usize>, PublishError> {
        let position = |name: &String| {
            self.columns
                .iter()
                .position(|column| column.name == *name)
                .ok_or_else(|| PublishError::InvalidName {
                    what: "key column",
                    name: format!("{}.{name}", self.name),
                    reason: "the table has no such column",
                })
        };
        self.key.iter().map(position).collect()
    }

    /// Refuses names that can't be part of a path, and tables without a key.
    pub(super) fn check(&self) -> Result<(), PublishError> {
        let invalid = |reason| {
            Err(PublishError::InvalidName {
                what: "table",
                name: self.name.clone(),
                reason,
            })
        };
        if !is_plain_name(&self.name) {
            return invalid("use letters, digits, _ and -, beginning with a letter or digit");
        }
        if self.key.is_empty() {
            return invalid("a published table needs a key: its rows are sorted by it");
        }
        self.key_positions().map(drop)
    }

    /// The columns as a manifest lists them, with the number of nulls found in each.
    pub(super) fn column_manifests(&self, nulls: &[u64]) -> Vec<ColumnManifest> {
        let describe = |(column, &nulls): (&ColumnToWrite, &u64)| ColumnManifest {
            name: column.name.clone(),
            sql_type: column.sql_type.to_string(),
            required: self.is_required(column),
            description: column.description.clone(),
            nulls,
        };
        self.columns.iter().zip(nulls).map(describe).collect()
    }
}
