//! A table of the pipeline and what its history is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Date32Type;
use chrono::NaiveDate;
use datafusion::error::DataFusionError;

use super::super::AS_OF;
use super::super::error::RunError;
use super::super::outputs::{selected, table_to_write};
use crate::engine::types::quoted;
use crate::plan::{Plan, PlannedOutput};
use crate::publish::{ColumnToWrite, TableToWrite, ValueLimits};
use crate::spec::SqlType;
use crate::spec::problem::did_you_mean;

/// A table of the pipeline with its history.
#[derive(Clone)]
pub(super) struct HistoryTable {
    /// The table of the pipeline.
    pub(super) source: String,
    /// The history as it is published; its key begins with the as-of day.
    pub(super) to_write: Arc<TableToWrite>,
    /// Whether the pipeline's table tells its as-of day itself.
    has_as_of: bool,
}

/// The tables of `plan` that `names` names, each once.
///
/// # Errors
/// [`RunError::NoHistory`].
pub(super) fn chosen(plan: &Plan, names: &[String]) -> Result<Vec<HistoryTable>, RunError> {
    let mut seen = BTreeSet::new();
    let mut tables: Vec<HistoryTable> = Vec::new();
    for name in names.iter().filter(|name| seen.insert(name.as_str())) {
        let output = plan.outputs.iter().find(|output| output.table == *name);
        let Some(output) = output else {
            let known = plan.outputs.iter().map(|output| output.table.as_str());
            return Err(RunError::NoHistory {
                table: name.clone(),
                reason: format!(
                    "the pipeline does not publish it; {}",
                    did_you_mean(name, known)
                ),
            });
        };
        let table = HistoryTable::of(output)?;
        let same = |other: &&HistoryTable| other.to_write.name == table.to_write.name;
        if let Some(other) = tables.iter().find(same) {
            return Err(RunError::NoHistory {
                table: name.clone(),
                reason: format!(
                    "it would be `{}`, as that of `{}` is",
                    table.to_write.name, other.source
                ),
            });
        }
        tables.push(table);
    }
    Ok(tables)
}

/// The tables of `plan` by the names of their histories.
pub(super) fn by_history(plan: &Plan) -> BTreeMap<String, String> {
    let tables = plan.outputs.iter().map(|output| output.table.clone());
    tables.map(|table| (history_name(&table), table)).collect()
}

impl HistoryTable {
    fn of(output: &PlannedOutput) -> Result<Self, RunError> {
        let mut table = table_to_write(output);
        let as_of = table.columns.iter().find(|column| column.name == AS_OF);
        let as_of = as_of.map(|column| column.sql_type);
        if as_of.is_some_and(|sql_type| sql_type != SqlType::Date) {
            return Err(RunError::NoHistory {
                table: table.name,
                reason: format!("its column {AS_OF} is no date; give it another name"),
            });
        }
        if as_of.is_none() {
            let column = ColumnToWrite {
                name: AS_OF.to_owned(),
                sql_type: SqlType::Date,
                required: true,
                limits: ValueLimits::default(),
                description: "First day that is not seen; everything is told as of its beginning."
                    .to_owned(),
            };
            table.columns.insert(0, column);
        }
        let rest: Vec<String> = table
            .key
            .iter()
            .filter(|name| *name != AS_OF)
            .cloned()
            .collect();
        if rest.len() == table.key.len() {
            table.grain = format!("{} and as-of date", table.grain.trim());
        }
        table.key = std::iter::once(AS_OF.to_owned()).chain(rest).collect();
        table.description = format!(
            "{} Snapshots of it, each as a run as of its day makes it of what is known now.",
            table.description.trim()
        );
        table.name = history_name(&table.name);
        Ok(Self {
            source: output.table.clone(),
            to_write: Arc::new(table),
            has_as_of: as_of.is_some(),
        })
    }

    /// The SQL of a snapshot, its rows sorted as the history's are.
    pub(super) fn query(&self, day: NaiveDate) -> String {
        let columns = self.to_write.columns.iter().map(|column| {
            if column.name == AS_OF && !self.has_as_of {
                format!("date '{day}' as {AS_OF}")
            } else {
                selected(column)
            }
        });
        let columns: Vec<String> = columns.collect();
        let key = self.to_write.key.iter().filter(|name| *name != AS_OF);
        let key: Vec<String> = key.map(|name| quoted(name)).collect();
        let mut sql = format!(
            "select {} from {}",
            columns.join(", "),
            quoted(&self.source)
        );
        if !key.is_empty() {
            sql.push_str(&format!(" order by {}", key.join(", ")));
        }
        sql
    }

    /// Refuses rows that their table says are of another day: a history would hold two days' rows for one.
    pub(super) fn hold_day(
        &self,
        day: NaiveDate,
        batch: RecordBatch,
    ) -> Result<RecordBatch, DataFusionError> {
        let wanted = Date32Type::from_naive_date(day);
        let found = batch.column_by_name(AS_OF);
        let found = found.and_then(|column| column.as_primitive_opt::<Date32Type>());
        let other = found.and_then(|days| days.iter().find(|of_row| *of_row != Some(wanted)));
        let Some(other) = other else {
            return Ok(batch);
        };
        let other = other.and_then(Date32Type::to_naive_date_opt);
        let other = other.map_or_else(|| "null".to_owned(), |day| day.to_string());
        Err(DataFusionError::Execution(format!(
            "{AS_OF} of `{}` is {other} in the run as of {day}: no history can be made of a table that tells of several days; \
             give the column another name",
            self.source
        )))
    }
}

/// The name of a table's history: `customer_value_history` of `customer_values`.
fn history_name(table: &str) -> String {
    let stays = ["ss", "us", "sis"].iter().any(|end| table.ends_with(end));
    let singular = if let Some(stem) = table.strip_suffix("ies") {
        format!("{stem}y")
    } else if table.ends_with("sses") || table.ends_with("xes") {
        table.strip_suffix("es").unwrap_or(table).to_owned()
    } else if stays {
        table.to_owned()
    } else {
        table.strip_suffix('s').unwrap_or(table).to_owned()
    };
    format!("{singular}_history")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_is_named_after_one_of_its_rows() {
        let names = [
            ("customer_values", "customer_value_history"),
            ("customers", "customer_history"),
            ("kpis", "kpi_history"),
            ("survival_summaries", "survival_summary_history"),
            ("purchases", "purchase_history"),
            ("addresses", "address_history"),
            ("mailboxes", "mailbox_history"),
            ("cohort_retention", "cohort_retention_history"),
            ("order_status", "order_status_history"),
            ("basket_analysis", "basket_analysis_history"),
            ("business", "business_history"),
        ];
        for (table, history) in names {
            assert_eq!(history_name(table), history);
        }
    }
}
