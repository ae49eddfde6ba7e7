//! The published tables of a target, to be queried: all of one version, through its manifest.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::error::DataFusionError;
use object_store::path::Path;
use url::Url;

use crate::engine::Session;
use crate::plan::table_reference;
use crate::publish::{PublishError, Published, Target};

/// The name under which the engine knows the store of the published objects.
const STORE: &str = "published://target";

/// Why published tables could not be queried.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The manifest cannot be read.
    #[error("the published tables cannot be found")]
    Published(#[from] PublishError),
    /// The query is wrong, or its objects cannot be read.
    #[error("the query cannot be answered")]
    Engine(#[from] DataFusionError),
}

/// The published tables of one version, by name.
pub struct PublishedTables {
    session: Session,
}

impl PublishedTables {
    /// The tables that readers of `target` see now. A later commit does not change them.
    ///
    /// # Errors
    /// When nothing has been published, or the manifest or a file that it names cannot be read.
    pub async fn open(target: &Target) -> Result<Self, QueryError> {
        let published = Published::open(target).await?;
        published.check_files(target).await?;
        Self::of(target, &published)
    }

    /// The tables of a version that is known.
    ///
    /// # Errors
    /// When the engine refuses a table.
    pub fn of(target: &Target, published: &Published) -> Result<Self, QueryError> {
        let session = Session::for_queries();
        for (name, table) in &published.tables {
            register(&session, target, name, &table.files, &table.schema)?;
        }
        Ok(Self { session })
    }

    /// The tables of several versions, each in the schema of its name: `before.customers`.
    ///
    /// # Errors
    /// When the engine refuses a table.
    pub fn beside<'a>(
        target: &Target,
        versions: impl IntoIterator<Item = (&'a str, &'a Published)>,
    ) -> Result<Self, QueryError> {
        let session = Session::for_queries();
        for (schema, published) in versions {
            for (name, table) in &published.tables {
                let name = format!("{schema}.{name}");
                register(&session, target, &name, &table.files, &table.schema)?;
            }
        }
        Ok(Self { session })
    }

    /// The rows of a query.
    ///
    /// # Errors
    /// When the query is wrong or does more than read, or an object cannot be read.
    pub async fn query(&self, sql: &str) -> Result<Vec<RecordBatch>, QueryError> {
        let plan = self.session.plan_text(sql).await?;
        self.session.refuse_writes(&plan)?;
        Ok(self.session.frame(plan).collect().await?)
    }
}

/// Gives the name of a table to files of `target`.
pub(super) fn register(
    session: &Session,
    target: &Target,
    name: &str,
    files: &[Path],
    schema: &SchemaRef,
) -> Result<(), DataFusionError> {
    session.register_store(&parse(STORE)?, Arc::clone(&target.store));
    let files = files.iter().map(address);
    let files = files.collect::<Result<Vec<_>, _>>()?;
    let provider = session.parquet_objects(&files, Arc::clone(schema))?;
    session.register(&table_reference(name), provider)
}

/// The URL of a file: its path may hold what has a meaning in one, as in a folder `C#` or `100%`.
fn address(file: &Path) -> Result<Url, DataFusionError> {
    let mut url = parse(STORE)?;
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.extend(file.as_ref().split('/'));
    }
    Ok(url)
}

fn parse(text: &str) -> Result<Url, DataFusionError> {
    Url::parse(text).map_err(|error| DataFusionError::External(Box::new(error)))
}
