//! Stages: what makes a table out of tables. Two kinds that work, SQL and scores, and the union that an entity is.

mod error;
#[cfg(test)]
mod layout_tests;
mod parts;
#[cfg(test)]
mod parts_tests;
mod promises;
#[cfg(test)]
mod promises_tests;
mod raw;
mod sample;
mod score;
mod spool;
mod sql;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::TableProvider;

use serde::{Deserialize, Serialize};

use crate::engine::{Layout, Session};
use crate::score::{CalibrationRow, FitRow, Pool};

pub use error::StageError;
pub use parts::parts_of;
pub use promises::{BrokenPromise, Promises};
pub use raw::{RawSlice, RawStage};
pub use score::ScoreStage;
pub use spool::Spool;
pub use sql::{Keep, SqlStage, UnionStage};

/// What makes one table.
#[async_trait]
pub trait Stage: Send + Sync {
    /// The table's name.
    fn name(&self) -> &str;
    /// The tables it reads; they are known to the session when it runs.
    fn inputs(&self) -> &[String];
    /// The table's columns.
    fn output_schema(&self) -> SchemaRef;
    /// Makes the table: a view that is worked out where it is read, or rows written down.
    ///
    /// # Errors
    /// What went wrong, naming the stage.
    async fn run(&self, context: &StageContext) -> Result<Made, StageError>;
}

/// What a stage works with.
#[derive(Clone)]
pub struct StageContext {
    /// Where its inputs have names.
    pub session: Session,
    /// Where arithmetic runs.
    pub pool: Pool,
    /// Where rows are written down between stages.
    pub spool: Spool,
    /// Raw tables that cost work to read again: text that must be parsed.
    pub costly: Arc<BTreeSet<String>>,
    /// Rows so far, for whoever watches.
    pub rows: Arc<AtomicU64>,
}

impl StageContext {
    pub(crate) fn count(&self, rows: usize) {
        self.rows.fetch_add(rows as u64, Ordering::Relaxed);
    }
}

/// A table that a stage made.
pub struct Made {
    /// The table.
    pub table: Arc<dyn TableProvider>,
    /// Its rows as they were written down; none for a view.
    pub written: Option<Written>,
    /// What was learned on the way.
    pub findings: Findings,
}

/// The rows of a table as they lie on this machine.
#[derive(Debug, Clone)]
pub struct Written {
    /// The folder of their Parquet files.
    pub folder: PathBuf,
    /// How many there are.
    pub rows: u64,
    /// What is known of where each lies.
    pub layout: Layout,
}

impl Written {
    /// The table of these rows.
    ///
    /// # Errors
    /// When the folder is none.
    pub fn table(
        &self,
        stage: &str,
        schema: SchemaRef,
        context: &StageContext,
    ) -> Result<Arc<dyn TableProvider>, StageError> {
        context
            .session
            .parquet_folder(&self.folder, schema, &self.layout)
            .map_err(StageError::engine(stage))
    }
}

/// What a stage learned of its models.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Findings {
    /// What was fitted.
    pub fits: Vec<FitRow>,
    /// Predictions held against what came.
    pub calibration: Vec<CalibrationRow>,
}
