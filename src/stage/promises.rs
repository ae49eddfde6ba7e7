//! What a contract promises of each row on its own, held while rows are written down between stages: a look at rows that are
//! in memory anyway. Whether the key is unique is not looked at, which would take all rows together.

use std::sync::Arc;

use arrow::array::{Array, RecordBatch};
use datafusion::error::DataFusionError;
use futures::StreamExt;

use super::StageError;
use super::spool::Part;
use crate::engine::{ValueLimits, text_of};
use crate::spec::table::TableFile;

/// What a contract promises of the columns of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promises {
    table: String,
    /// Where the columns of the key stand, with their names.
    key: Vec<(usize, String)>,
    columns: Vec<Promised>,
}

/// A column of which something is promised.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Promised {
    /// Where it stands.
    at: usize,
    name: String,
    required: bool,
    limits: ValueLimits,
}

/// A row that is not what the contract of its table promises.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the column `{column}` of `{table}` {found}, at {row}; nothing was published. Mend the data or the SQL, or change the \
     contract of `{table}`"
)]
pub struct BrokenPromise {
    /// The table.
    pub table: String,
    /// The column.
    pub column: String,
    /// What it holds instead of what is promised.
    pub found: String,
    /// The key of the row.
    pub row: String,
}

impl Promises {
    /// What `contract` promises; none where that is nothing.
    pub fn of(contract: &TableFile) -> Option<Self> {
        let is_key = |name: &str| contract.key.iter().any(|key| key.value == name);
        let mut columns = Vec::new();
        let mut key = Vec::new();
        for (at, (name, column)) in contract.columns.iter().enumerate() {
            if is_key(name) {
                key.push((at, name.clone()));
            }
            let promised = Promised {
                at,
                name: name.clone(),
                required: column.value.required || is_key(name),
                limits: ValueLimits::of(&column.value),
            };
            if promised.required || promised.limits != ValueLimits::default() {
                columns.push(promised);
            }
        }
        (!columns.is_empty()).then(|| Self {
            table: contract.table.value.clone(),
            key,
            columns,
        })
    }

    /// The first row of a batch in the shape of the contract that is not as promised.
    fn broken_by(&self, batch: &RecordBatch) -> Result<Option<BrokenPromise>, DataFusionError> {
        for promised in &self.columns {
            let Some(column) = batch.columns().get(promised.at) else {
                continue;
            };
            if promised.required && column.null_count() > 0 {
                let row = (0..column.len()).find(|row| column.is_null(*row));
                let found = "has no value, but is required".to_owned();
                return Ok(row.map(|row| self.broken(batch, promised, found, row)));
            }
            if let Some(row) = promised.limits.first_outside(column)? {
                let value = text_of(column, row);
                let found = format!("is `{value}`, but should be {}", promised.limits);
                return Ok(Some(self.broken(batch, promised, found, row)));
            }
        }
        Ok(None)
    }

    fn broken(
        &self,
        batch: &RecordBatch,
        promised: &Promised,
        found: String,
        row: usize,
    ) -> BrokenPromise {
        let mut key: Vec<String> = Vec::new();
        for (at, name) in &self.key {
            if let Some(column) = batch.columns().get(*at) {
                key.push(format!("{name} = {}", text_of(column, row)));
            }
        }
        BrokenPromise {
            table: self.table.clone(),
            column: promised.name.clone(),
            found,
            row: key.join(", "),
        }
    }
}

/// `part` until a row is not as promised.
pub(super) fn held(part: Part, promises: Option<Arc<Promises>>) -> Part {
    let Some(promises) = promises else {
        return part;
    };
    part.map(move |batch| {
        let batch = batch?;
        match promises.broken_by(&batch)? {
            Some(broken) => Err(DataFusionError::External(Box::new(broken))),
            None => Ok(batch),
        }
    })
    .boxed()
}

/// `error` without the engine around a broken promise.
pub(super) fn told(error: StageError) -> StageError {
    let broken = match &error {
        StageError::Engine { source, .. } => match source.find_root() {
            DataFusionError::External(inner) => inner.downcast_ref::<BrokenPromise>().cloned(),
            _ => None,
        },
        _ => None,
    };
    match broken {
        Some(broken) => StageError::Broken(broken),
        None => error,
    }
}
