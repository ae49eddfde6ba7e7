//! The rows that stop a run, kept to be looked at: those that are not what a contract promises, and those that were set aside.

use arrow::array::RecordBatch;

use super::checks::{Checks, KEPT, contract_held};
use super::error::RunError;
use super::execute::causes;
use crate::engine::to_csv;
use crate::engine::types::quoted;
use crate::plan::{BrokenRows, CheckKind, PlannedStage, Work, rows_that_break};
use crate::publish::{CheckResult, PublishError};
use crate::source::SourceError;
use crate::stage::StageError;

impl Checks<'_> {
    /// `error` with all rows of a table that are not what its contract promises, where it tells the first one that was met. They are
    /// looked for by queries, as with `contracts: all`.
    pub(super) async fn with_rows_of_contract(
        &mut self,
        stage: &PlannedStage,
        error: RunError,
    ) -> RunError {
        if !is_of_contract(&error) {
            return error;
        }
        match self.keep_rows_of_contract(stage, &error).await {
            Ok(Some((rows, rows_at))) => RunError::Contract {
                first: innermost(&error),
                table: stage.name.clone(),
                rows,
                rows_at,
            },
            // The first one is known, and says what to do.
            Ok(None) | Err(_) => error,
        }
    }

    async fn keep_rows_of_contract(
        &mut self,
        stage: &PlannedStage,
        error: &RunError,
    ) -> Result<Option<(u64, String)>, RunError> {
        let Some(contract) = &stage.contract else {
            return Ok(None);
        };
        // A table that could not be written down has no name yet. What a score made has one, or cannot be asked for again cheaply.
        if !matches!(stage.work, Work::Score { .. }) {
            self.work.show(stage).await?;
        }
        let mut promises = rows_that_break(&stage.name, contract);
        // What was met first is what is told of: rows may break the other promise too.
        promises.sort_by_key(|broken| (broken.kind == CheckKind::Unique) != is_of_key(error));
        for broken in promises {
            let BrokenRows {
                promise,
                kind,
                sql,
                key,
            } = broken;
            let key: Vec<String> = key.iter().map(|name| quoted(name)).collect();
            let sql = format!("select * from ({sql}) order by {}", key.join(", "));
            let rows = self.first_of(kind, &stage.name, &sql).await?;
            if rows.count == 0 {
                continue;
            }
            let name = format!("{}__{promise}", stage.name.replace('.', "_"));
            let rows_at = self.keep_rows(&name, &rows.kept).await?;
            self.note(CheckResult {
                name,
                passed: false,
                rows_broken: Some(rows.count),
                rows_checked: None,
                ..contract_held(&stage.name, 0, "rows are not what the contract promises")
            });
            return Ok(Some((rows.count, rows_at)));
        }
        Ok(None)
    }

    /// `error` with the rows that were set aside, where they are too many.
    pub(super) async fn with_rows_set_aside(&self, error: RunError) -> RunError {
        let RunError::Source(SourceError::TooManyBad { table, .. }) = &error else {
            return error;
        };
        let mut kept: Vec<RecordBatch> = Vec::new();
        let mut room = KEPT;
        for batch in self.work.set_aside.batches_of(table) {
            let Ok(batch) = batch else { break };
            let rows = batch.num_rows().min(room);
            kept.push(batch.slice(0, rows));
            room -= rows;
            if room == 0 {
                break;
            }
        }
        let name = format!("{}__set_aside", table.replace('.', "_"));
        match self.keep_rows(&name, &kept).await {
            Ok(rows_at) => RunError::SetAside {
                told: innermost(&error),
                rows_at,
            },
            Err(_) => error,
        }
    }

    async fn keep_rows(&self, name: &str, rows: &[RecordBatch]) -> Result<String, RunError> {
        let csv = to_csv(rows).map_err(|source| RunError::Engine {
            table: name.to_owned(),
            source: source.into(),
        })?;
        self.keep(name, csv).await
    }
}

/// The cause that names a table and its rows.
fn innermost(error: &RunError) -> String {
    causes(error).pop().unwrap_or_default()
}

fn is_of_key(error: &RunError) -> bool {
    matches!(error, RunError::Publish(PublishError::KeyNotUnique { .. }))
}

fn is_of_contract(error: &RunError) -> bool {
    matches!(
        error,
        RunError::Stage(StageError::Broken(_))
            | RunError::Publish(
                PublishError::KeyNotUnique { .. }
                    | PublishError::RequiredNull { .. }
                    | PublishError::NotAccepted { .. }
            )
    )
}
