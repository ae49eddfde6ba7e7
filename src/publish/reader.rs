//! Reads what is published: all tables of one commit.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use futures::stream::{self, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{Error as StoreError, ObjectStoreExt};

use super::column::arrow_type;
use super::error::PublishError;
use super::history::{AT_ONCE, current_commit, run_manifest};
use super::layout::Target;
use super::manifest::{Commit, RunManifest, TableManifest};
use crate::spec::types::{SqlType, UnknownType};

/// One version of everything that is published at a target.
///
/// Its files are immutable, so it stays what it is while later runs publish, until
/// [`gc`](super::gc) removes a version that is no longer among the retained ones.
#[derive(Debug, Clone, PartialEq)]
pub struct Published {
    /// The commit that is read.
    pub commit: Commit,
    /// The tables, by name.
    pub tables: BTreeMap<String, PublishedTable>,
    /// The manifests of the runs that made them, by run id.
    pub runs: BTreeMap<String, RunManifest>,
}

/// A table of that version.
#[derive(Debug, Clone, PartialEq)]
pub struct PublishedTable {
    /// The run that made it.
    pub run_id: String,
    /// Its Parquet files, as paths within the target's store.
    pub files: Vec<Path>,
    /// Its Arrow schema; each field's metadata `description` says what it means.
    pub schema: SchemaRef,
    /// Everything else that the manifest says of it.
    pub manifest: TableManifest,
}

impl Published {
    /// Reads the current commit and the manifests that it names.
    ///
    /// # Errors
    /// [`PublishError::NothingPublished`], and those of [`current_commit`].
    pub async fn open(target: &Target) -> Result<Self, PublishError> {
        let nothing = || PublishError::NothingPublished {
            url: target.url.to_string(),
        };
        let commit = current_commit(target).await?.ok_or_else(nothing)?;
        Self::at(target, commit).await
    }

    /// Looks whether every file of this version is there, with its size: the engine takes a file that is gone or empty for
    /// one without rows.
    ///
    /// # Errors
    /// [`PublishError::Altered`], [`PublishError::Store`].
    pub async fn check_files(&self, target: &Target) -> Result<(), PublishError> {
        let files = self.tables.values().flat_map(|table| {
            let bytes = table.manifest.files.iter().map(|file| file.bytes);
            table.files.iter().cloned().zip(bytes)
        });
        let looks = files.map(|(path, published)| async move {
            let found = match target.store.head(&path).await {
                Ok(meta) => Some(meta.size),
                Err(StoreError::NotFound { .. }) => None,
                Err(source) => return Err(target.failed("look at", &path)(source)),
            };
            if found == Some(published) {
                return Ok(());
            }
            Err(PublishError::Altered {
                path,
                published,
                found,
            })
        });
        let looks: Vec<_> = looks.collect();
        let looks = stream::iter(looks).buffered(AT_ONCE);
        looks.try_for_each(|()| std::future::ready(Ok(()))).await
    }

    /// Reads the version of any commit whose runs are still retained.
    ///
    /// # Errors
    /// Those of [`current_commit`]; [`PublishError::Corrupt`] if a manifest lacks what the commit
    /// names.
    pub async fn at(target: &Target, commit: Commit) -> Result<Self, PublishError> {
        let mut runs = BTreeMap::new();
        let mut tables = BTreeMap::new();
        for (name, committed) in &commit.tables {
            let corrupt = |what: String| PublishError::Corrupt {
                path: target.run_manifest(&committed.run),
                source: serde::de::Error::custom(what),
            };
            if !runs.contains_key(&committed.run) {
                let manifest = run_manifest(target, &committed.run).await?;
                let manifest = manifest.ok_or_else(|| corrupt("it is not there".to_owned()))?;
                runs.insert(committed.run.clone(), manifest);
            }
            let manifest = runs
                .get(&committed.run)
                .and_then(|run: &RunManifest| run.tables.iter().find(|table| table.name == *name))
                .ok_or_else(|| corrupt(format!("it has no table {name}")))?;
            let table = PublishedTable {
                run_id: committed.run.clone(),
                files: manifest
                    .files
                    .iter()
                    .map(|file| target.absolute(&file.path))
                    .collect(),
                schema: Arc::new(
                    schema_of(manifest).map_err(|unknown| corrupt(unknown.to_string()))?,
                ),
                manifest: manifest.clone(),
            };
            tables.insert(name.clone(), table);
        }
        Ok(Self {
            commit,
            tables,
            runs,
        })
    }
}

/// The Arrow schema that a manifest describes.
pub(super) fn schema_of(table: &TableManifest) -> Result<Schema, UnknownType> {
    let fields = table.columns.iter().map(|column| {
        let sql_type: SqlType = column.sql_type.parse()?;
        let field = Field::new(&column.name, arrow_type(sql_type), !column.required);
        Ok(field.with_metadata([("description".to_owned(), column.description.clone())].into()))
    });
    Ok(Schema::new(
        fields.collect::<Result<Vec<_>, UnknownType>>()?,
    ))
}
