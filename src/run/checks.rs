//! The checks of a run: each is a query of the rows that break it. Those of published tables read what was written, before
//! the commit.

use std::collections::BTreeMap;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use chrono::NaiveDate;
use datafusion::error::DataFusionError;
use futures::TryStreamExt;

use super::broken_checks::BrokenCheck;
use super::error::RunError;
use super::events::Event;
use super::previous::Previous;
use super::work::{Learned, RunAtWork};
use crate::engine::to_csv;
use crate::engine::types::quoted;
use crate::plan::{CheckKind, PlannedCheck, PlannedStage};
use crate::publish::{CheckResult, Publication};
use crate::spec::check::{CheckDeclaration, RowCount, Severity};
use crate::spec::share::rows_of_share;

/// How many of the rows that break a check are shown.
const SHOWN: usize = 5;
/// What holds of every published table.
pub(super) const PUBLISHED: &str = "key, types, required columns, accepted values and ranges hold";
/// How many of them are kept for people to look at.
pub(super) const KEPT: usize = 10_000;

/// The rows that a check's query gives.
#[derive(Default)]
pub(super) struct Rows {
    pub(super) count: u64,
    /// The first of them, by the check's key; of rows that share a value one.
    pub(super) kept: Vec<RecordBatch>,
    kept_rows: usize,
}

/// The checks of a run, and what they found so far.
pub(super) struct Checks<'a> {
    pub(super) work: &'a RunAtWork<'a>,
    pub(super) publication: &'a Publication,
    /// The run whose rows those of this one are compared with.
    pub(super) previous: Option<&'a Previous>,
    /// The day of a history that is held to them.
    day: Option<NaiveDate>,
    /// Rows of the published tables, and of those between stages that were written down.
    written: BTreeMap<String, u64>,
    results: Vec<CheckResult>,
}

impl<'a> Checks<'a> {
    pub(super) fn new(
        work: &'a RunAtWork<'a>,
        publication: &'a Publication,
        previous: Option<&'a Previous>,
    ) -> Self {
        Self {
            work,
            publication,
            previous,
            day: None,
            written: BTreeMap::new(),
            results: Vec::new(),
        }
    }

    /// The checks of one of many days: what does not hold is told with the day. What holds is among the results alone, because it may
    /// be the same of all days.
    #[must_use]
    pub(super) fn on_day(mut self, day: NaiveDate) -> Self {
        self.day = Some(day);
        self
    }

    /// What was found, in the order in which it was.
    pub(super) fn results(self) -> Vec<CheckResult> {
        self.results
    }

    /// Notes that a published table keeps its contract: writing it held every row to that.
    pub(super) fn note_written(&mut self, table: &str, rows: u64) {
        self.note_contract(table, rows, PUBLISHED);
    }

    /// Notes that a table between stages keeps its contract, as far as writing it down held each of its rows to that.
    pub(super) fn note_made(&mut self, table: &str, rows: u64) {
        let kept = "types, required columns, accepted values and ranges hold";
        self.note_contract(table, rows, kept);
    }

    fn note_contract(&mut self, table: &str, rows: u64, kept: &str) {
        self.written.insert(table.to_owned(), rows);
        self.note(contract_held(table, rows, kept));
    }

    /// Notes what was found otherwise.
    pub(super) fn note(&mut self, result: CheckResult) {
        if self.day.is_none() || !result.passed {
            self.work.events.tell(&Event::Checked {
                result: result.clone(),
            });
        }
        self.results.push(result);
    }

    /// Makes the checks whose stages `chosen` names; those that are warnings are told as such.
    ///
    /// # Errors
    /// All checks that are broken and no mere warnings, or the one that could not be made.
    pub(super) async fn hold(
        &mut self,
        chosen: impl Fn(&PlannedStage) -> bool,
    ) -> Result<(), RunError> {
        let plan = self.work.plan;
        let mut broken = Vec::new();
        for check in &plan.checks {
            let stage = plan.stage(&check.name).filter(|stage| chosen(stage));
            let declared = stage.and_then(|stage| stage.contract.as_ref()?.check.as_ref());
            let (Some(stage), Some(declared)) = (stage, declared) else {
                continue;
            };
            if check.kind == CheckKind::Contract && self.is_held(check) {
                continue;
            }
            self.work.make(stage, &mut Learned::default()).await?;
            let rows = self.rows_that_break(check, stage).await?;
            let mut result = self.judge(check, declared, &rows).await?;
            if let Some(day) = self.day.filter(|_| !result.passed) {
                result.detail = format!("as of {day}, {}", result.detail);
            }
            let found = (!result.passed).then(|| result.detail.clone());
            self.note(result);
            let Some(found) = found else { continue };
            let told = self.broken(stage, declared, found, &rows).await?;
            match declared.severity {
                Severity::Error => broken.push(told),
                Severity::Warning => self.work.events.tell(&Event::Warning {
                    message: told.to_string(),
                }),
            }
        }
        if broken.is_empty() {
            Ok(())
        } else {
            Err(RunError::Checks { broken })
        }
    }

    /// Whether the rows of a check's table were written down: then they were held to its contract, which is noted.
    fn is_held(&self, check: &PlannedCheck) -> bool {
        let table = check.table.as_ref();
        table.is_some_and(|table| self.written.contains_key(table))
    }

    /// Whether what a check's query gave is allowed.
    async fn judge(
        &self,
        check: &PlannedCheck,
        declared: &CheckDeclaration,
        rows: &Rows,
    ) -> Result<CheckResult, RunError> {
        let mut result = CheckResult {
            name: check.name.clone(),
            table: check.table.clone(),
            kind: check.kind.name().to_owned(),
            severity: declared.severity.name().to_owned(),
            passed: rows.count == 0,
            rows_broken: None,
            rows_checked: self.rows_of(check).await?,
            detail: String::new(),
        };
        match &check.kind {
            CheckKind::RowCount(bounds) => {
                let counted = rows.kept.first().and_then(|batch| {
                    let column = batch.columns().first()?;
                    u64::try_from(column.as_primitive_opt::<Int64Type>()?.value(0)).ok()
                });
                let counted = counted.unwrap_or_default();
                let table = check.table.as_deref().unwrap_or_default();
                let before = self
                    .previous
                    .and_then(|run| Some((run.as_of().to_string(), run.rows(table)?)));
                result.rows_checked = Some(counted);
                (result.passed, result.detail) = count_within(counted, bounds, before);
            }
            CheckKind::Freshness | CheckKind::Reconciliation => {
                result.detail = check.kind.told(rows.kept.first());
            }
            CheckKind::Sql
            | CheckKind::Condition
            | CheckKind::Unique
            | CheckKind::Relationship
            | CheckKind::Contract => {
                let share = check.max_share.zip(result.rows_checked);
                let by_share = share.map_or(0, |(share, of)| rows_of_share(share, of));
                let allowed = declared.max_rows.max(by_share);
                result.passed = rows.count <= allowed;
                result.rows_broken = Some(rows.count);
                result.detail = match rows.count {
                    1 => "1 row breaks it".to_owned(),
                    count => format!("{count} rows break it"),
                };
                if allowed > 0 {
                    result.detail.push_str(&format!(", {allowed} may"));
                }
            }
        }
        Ok(result)
    }

    /// The rows of a check's table, where they are known or asked for.
    async fn rows_of(&self, check: &PlannedCheck) -> Result<Option<u64>, RunError> {
        let Some(table) = &check.table else {
            return Ok(None);
        };
        if let Some(rows) = self.written.get(table) {
            return Ok(Some(*rows));
        }
        if check.max_share.is_none() {
            return Ok(None);
        }
        let failed = |source| RunError::Engine {
            table: check.name.clone(),
            source,
        };
        let session = &self.work.context.session;
        let sql = format!("select * from {table}");
        let plan = session.plan_text(&sql).await.map_err(failed)?;
        let rows = session.frame(plan).count().await.map_err(failed)?;
        Ok(Some(rows as u64))
    }

    /// What the query of a check gives; none where an earlier run found that of the same rows.
    async fn rows_that_break(
        &self,
        check: &PlannedCheck,
        stage: &PlannedStage,
    ) -> Result<Rows, RunError> {
        // A count is compared with what was published before: it is needed itself.
        let is_counted = matches!(check.kind, CheckKind::RowCount(_));
        let address = self.work.addresses.of(&stage.name);
        let address = address.filter(|_| !is_counted);
        if address.is_some_and(|address| self.work.reuse.holds(address)) {
            self.work.events.tell(&Event::Reused {
                stage: stage.name.clone(),
                kind: "check",
                rows: None,
            });
            return Ok(Rows::default());
        }
        let asked = self.ask(check.kind, stage);
        let rows = self.work.watched(&stage.name, "check", true, asked).await?;
        if let Some(address) = address
            && rows.count == 0
        {
            self.work.reuse.keep_check(address);
        }
        Ok(rows)
    }

    /// How many rows break a check by its query, and the first that it gives by its key.
    async fn ask(&self, kind: CheckKind, stage: &PlannedStage) -> Result<Rows, RunError> {
        let key = stage.contract.iter().flat_map(|contract| &contract.key);
        let key: Vec<String> = key.map(|key| quoted(&key.value)).collect();
        let sql = format!("select * from {} order by {}", stage.name, key.join(", "));
        self.first_of(kind, &stage.name, &sql).await
    }

    /// How many rows of `table` break what `sql` asks, and the first that it gives.
    pub(super) async fn first_of(
        &self,
        kind: CheckKind,
        table: &str,
        sql: &str,
    ) -> Result<Rows, RunError> {
        let failed = |source| RunError::Engine {
            table: table.to_owned(),
            source,
        };
        let session = &self.work.context.session;
        let plan = session.plan_text(sql).await.map_err(failed)?;
        let rows = session.frame(plan).execute_stream().await.map_err(failed)?;
        let counted = rows.try_fold(Rows::default(), |mut rows, batch| async move {
            rows.count += kind.rows_broken(&batch);
            let more = batch.num_rows().min(KEPT - rows.kept_rows);
            if more > 0 {
                rows.kept.push(batch.slice(0, more));
                rows.kept_rows += more;
            }
            Ok(rows)
        });
        counted.await.map_err(failed)
    }

    /// Keeps rows to be looked at, those of a day of a history beside those of others; returns where.
    pub(super) async fn keep(&self, name: &str, csv: String) -> Result<String, RunError> {
        let file = match self.day {
            Some(day) => format!("{name}-{day}"),
            None => name.to_owned(),
        };
        Ok(self.publication.keep_broken_rows(&file, csv).await?)
    }

    /// A broken check as it is told, its rows kept where there are more than are shown.
    async fn broken(
        &self,
        stage: &PlannedStage,
        declared: &CheckDeclaration,
        found: String,
        rows: &Rows,
    ) -> Result<BrokenCheck, RunError> {
        let failed = |source| RunError::Engine {
            table: stage.name.clone(),
            source,
        };
        let mut examples = Vec::new();
        for batch in &rows.kept {
            for row in 0..batch.num_rows().min(SHOWN - examples.len()) {
                examples.push(shown(batch, row).map_err(failed)?);
            }
        }
        let mut rows_at = None;
        if rows.kept_rows > SHOWN {
            let csv = to_csv(&rows.kept).map_err(|error| failed(error.into()))?;
            rows_at = Some(self.keep(&stage.name, csv).await?);
        }
        let description = stage
            .contract
            .as_ref()
            .map(|contract| contract.description.trim());
        Ok(BrokenCheck {
            check: stage.name.clone(),
            description: description.unwrap_or_default().to_owned(),
            found,
            examples,
            help: declared.help.clone(),
            rows_at,
        })
    }
}

/// That every row that was written of a table keeps its contract.
pub(super) fn contract_held(table: &str, rows: u64, kept: &str) -> CheckResult {
    CheckResult {
        name: format!("{table}__contract"),
        table: Some(table.to_owned()),
        kind: "contract".to_owned(),
        severity: Severity::Error.name().to_owned(),
        passed: true,
        rows_broken: Some(0),
        rows_checked: Some(rows),
        detail: kept.to_owned(),
    }
}

/// Whether a number of rows is within `bounds`, and what to say of it. `before` is the as-of day and rows of an earlier run.
fn count_within(rows: u64, bounds: &RowCount, before: Option<(String, u64)>) -> (bool, String) {
    let mut broken = Vec::new();
    if let Some(minimum) = bounds.minimum.filter(|minimum| rows < *minimum) {
        broken.push(format!("at least {minimum} should be there"));
    }
    if let Some(maximum) = bounds.maximum.filter(|maximum| rows > *maximum) {
        broken.push(format!("at most {maximum} should be there"));
    }
    // Of nothing no share can be told: whatever comes after it is welcome.
    if let (Some(change), Some((day, earlier))) = (bounds.change, before)
        && earlier > 0
        && rows.abs_diff(earlier) > rows_of_share(change, earlier)
    {
        broken.push(format!(
            "the run as of {day} had {earlier}, and they may change by {change} of that"
        ));
    }
    let counted = match rows {
        1 => "1 row is there".to_owned(),
        rows => format!("{rows} rows are there"),
    };
    if broken.is_empty() {
        (true, counted)
    } else {
        (false, format!("{counted}, but {}", broken.join("; ")))
    }
}

fn shown(batch: &RecordBatch, row: usize) -> Result<String, DataFusionError> {
    let options = FormatOptions::new().with_null("null");
    let schema = batch.schema();
    let mut cells = Vec::with_capacity(batch.num_columns());
    for (field, column) in schema.fields().iter().zip(batch.columns()) {
        let cell = ArrayFormatter::try_new(column.as_ref(), &options)?;
        cells.push(format!("{} = {}", field.name(), cell.value(row)));
    }
    Ok(cells.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_rows_is_held_to_its_bounds_and_to_the_run_before() {
        let bounds = RowCount {
            minimum: Some(10),
            maximum: Some(100),
            change: Some(0.2),
        };
        let before = |rows| Some(("2024-12-31".to_owned(), rows));
        assert_eq!(
            count_within(10, &bounds, None),
            (true, "10 rows are there".to_owned())
        );
        assert!(!count_within(9, &bounds, None).0);
        assert!(count_within(100, &bounds, None).0);
        assert!(!count_within(101, &bounds, None).0);
        assert!(count_within(48, &bounds, before(40)).0);
        assert!(!count_within(49, &bounds, before(40)).0);
        assert!(count_within(32, &bounds, before(40)).0);
        let (holds, told) = count_within(31, &bounds, before(40));
        assert!(!holds);
        assert_eq!(
            told,
            "31 rows are there, but the run as of 2024-12-31 had 40, and they may change by 0.2 of that"
        );
        assert!(count_within(12, &bounds, before(0)).0);
    }
}
