//! Reads back from the store what was prepared, before anyone else may read it.

use std::ops::Range;

use arrow::datatypes::Schema;
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use object_store::ObjectStoreExt;
use object_store::path::Path;
use parquet::arrow::async_reader::MetadataFetch;
use parquet::arrow::parquet_to_arrow_schema;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};

use super::error::PublishError;
use super::layout::Target;
use super::manifest::TableManifest;
use super::reader::schema_of;

/// Enough for the footer of most files, so that one request reads it.
const FOOTER_HINT: usize = 64 << 10;

/// Compares a table's files in the store with what was written: size, number of rows, schema.
///
/// The content itself is not read again: the store confirmed each part's checksum when it received
/// it, and whoever wants to be sure years later compares the manifest's SHA-256.
pub(super) async fn read_back(target: &Target, table: &TableManifest) -> Result<(), PublishError> {
    let schema = schema_of(table).map_err(|unknown| PublishError::Corrupt {
        path: target.prefix.clone(),
        source: serde::de::Error::custom(unknown),
    })?;
    for file in &table.files {
        let path = target.absolute(&file.path);
        let differs = |what, expected: String, found: String| {
            if expected == found {
                return Ok(());
            }
            Err(PublishError::ReadBack {
                path: path.clone(),
                what,
                expected,
                found,
            })
        };
        let meta = target
            .store
            .head(&path)
            .await
            .map_err(target.failed("read", &path))?;
        differs("size", file.bytes.to_string(), meta.size.to_string())?;
        let broken = |source| PublishError::Footer {
            path: path.clone(),
            source,
        };
        let footer = read_footer(target, &path, meta.size)
            .await
            .map_err(broken)?;
        let footer = footer.file_metadata();
        differs(
            "number of rows",
            file.rows.to_string(),
            footer.num_rows().to_string(),
        )?;
        let found = parquet_to_arrow_schema(footer.schema_descr(), None).map_err(broken)?;
        differs("schema", describe(&schema), describe(&found))?;
    }
    Ok(())
}

pub(super) async fn read_footer(
    target: &Target,
    path: &Path,
    size: u64,
) -> Result<ParquetMetaData, ParquetError> {
    ParquetMetaDataReader::new()
        .with_prefetch_hint(Some(FOOTER_HINT))
        .load_and_finish(Ranges { target, path }, size)
        .await
}

/// Fetches parts of one object.
struct Ranges<'a> {
    target: &'a Target,
    path: &'a Path,
}

impl MetadataFetch for Ranges<'_> {
    fn fetch(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ParquetError>> {
        async move {
            let bytes = self.target.store.get_range(self.path, range).await;
            bytes.map_err(|error| ParquetError::External(Box::new(error)))
        }
        .boxed()
    }
}

/// Names, types and nullability, as text.
pub(super) fn describe(schema: &Schema) -> String {
    let fields = schema.fields().iter().map(|field| {
        let null = if field.is_nullable() { "" } else { " not null" };
        format!("{} {}{null}", field.name(), field.data_type())
    });
    fields.collect::<Vec<_>>().join(", ")
}
