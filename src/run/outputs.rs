//! The tables of a run, written aside for its publication.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow::datatypes::Schema;
use chrono::NaiveDate;
use futures::{StreamExt, TryStreamExt, stream};

use super::check_results;
use super::error::RunError;
use super::events::Event;
use super::published::register;
use super::work::{Learned, RunAtWork};
use crate::engine::types::{quoted, sql_type};
use crate::plan::{CHECK_RESULTS, MODEL_CALIBRATION, MODEL_FITS, PlannedOutput, ROWS_SET_ASIDE};
use crate::publish::{
    BoxError, CheckResult, ColumnToWrite, Commit, Publication, Rows, Sink, TableManifest,
    TableToWrite, ValueLimits,
};
use crate::score::{PreviousFits, calibration_to_batch, fits_to_batch};
use crate::source::set_aside_schema;
use crate::spec::SqlType;

/// A table that cvm itself makes, in words.
struct OwnTable<'a> {
    name: &'a str,
    description: &'a str,
    grain: &'a str,
    key: &'a [&'a str],
    /// What each column means, in their order.
    columns: &'a [&'a str],
}

/// Writes what a run made.
pub(super) struct Outputs<'a> {
    pub(super) work: &'a RunAtWork<'a>,
    pub(super) publication: &'a Publication,
}

impl Outputs<'_> {
    /// Writes a table aside, sorted by its key; what reads it from now on reads what was written. Returns its rows.
    pub(super) async fn write_output(&self, output: &PlannedOutput) -> Result<u64, RunError> {
        let (work, name) = (self.work, &output.table);
        let table = table_to_write(output);
        let address = work.addresses.of_made(&format!("{table:?}"), name);
        let kept = address
            .as_ref()
            .and_then(|address| work.reuse.output(address));
        let written = match kept {
            Some((encoded, file)) => {
                work.events.tell(&Event::Reused {
                    stage: name.clone(),
                    kind: "publish",
                    rows: Some(encoded.rows),
                });
                self.publication.adopt(&encoded, &file).await?
            }
            None => {
                let encode = self.encode(&table, address.as_deref());
                work.watched(name, "publish", true, encode).await?
            }
        };
        let target = self.publication.target();
        let files: Vec<_> = written
            .files
            .iter()
            .map(|file| target.absolute(&file.path))
            .collect();
        register(&work.context.session, target, name, &files, &table.schema()).map_err(
            |source| RunError::Engine {
                table: name.clone(),
                source,
            },
        )?;
        Ok(written.rows)
    }

    /// Works a table out and writes it aside.
    async fn encode(
        &self,
        table: &TableToWrite,
        address: Option<&str>,
    ) -> Result<TableManifest, RunError> {
        let columns = table.columns.iter().map(selected);
        let key = table.key.iter().map(|name| quoted(name));
        let sql = format!(
            "select {} from {} order by {}",
            columns.collect::<Vec<_>>().join(", "),
            quoted(&table.name),
            key.collect::<Vec<_>>().join(", ")
        );
        let failed = |source| RunError::Engine {
            table: table.name.clone(),
            source,
        };
        let session = &self.work.context.session;
        let plan = session.plan_text(&sql).await.map_err(failed)?;
        let rows = session.frame(plan).execute_stream().await.map_err(failed)?;
        let counter = Arc::clone(&self.work.context.rows);
        let rows = rows
            .inspect_ok(move |batch| {
                counter.fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
            })
            .map_err(|error| Box::new(error) as BoxError);
        let reuse = &self.work.reuse;
        let copy = address.and_then(|_| reuse.place_of_output());
        let prepared = self
            .publication
            .prepare_copied(table, rows.boxed(), copy.as_deref());
        let written = prepared.await?;
        if let (Some(address), Some(copy)) = (address, &copy) {
            reuse.keep_output(address, &written, copy);
        }
        Ok(written)
    }

    pub(super) async fn write_rows_set_aside(&self) -> Result<(), RunError> {
        let descriptions = [
            "The raw table, <system>.<table>.",
            "The object, by its path below the store's URL.",
            "The line on which the row begins, counted from 1; for Parquet the row.",
            "The row as it stands in the object.",
            "The first column that did not fit; null where the whole row did not.",
            "What did not fit.",
        ];
        let batches = self
            .work
            .set_aside
            .batches()
            .map(|batch| batch.map_err(|error| Box::new(error) as BoxError));
        let table = OwnTable {
            name: ROWS_SET_ASIDE,
            description: "Raw rows that did not fit their contract and went no further.",
            grain: "one row a raw row that was set aside",
            key: &["source", "file", "line"],
            columns: &descriptions,
        };
        self.write_own(&table, &set_aside_schema(), stream::iter(batches).boxed())
            .await
    }

    /// Writes a table that cvm itself makes.
    async fn write_own(
        &self,
        table: &OwnTable<'_>,
        schema: &Schema,
        rows: Rows,
    ) -> Result<(), RunError> {
        let table = TableToWrite {
            name: table.name.to_owned(),
            description: table.description.to_owned(),
            grain: table.grain.to_owned(),
            key: table.key.iter().map(|key| (*key).to_owned()).collect(),
            columns: columns_of(schema, table.columns),
        };
        self.publication.prepare(&table, rows).await?;
        Ok(())
    }

    /// Writes `check_results`, with those of earlier runs.
    pub(super) async fn write_check_results(
        &self,
        as_of: NaiveDate,
        history: &[Commit],
        results: &[CheckResult],
    ) -> Result<(), RunError> {
        let failed = |source| RunError::Engine {
            table: CHECK_RESULTS.to_owned(),
            source: datafusion::error::DataFusionError::from(source),
        };
        let target = self.publication.target();
        let earlier = check_results::earlier(target, as_of, history).await?;
        let batch = check_results::to_batch(earlier, as_of, results).map_err(failed)?;
        let table = OwnTable {
            name: CHECK_RESULTS,
            description: "What every check found, in this run and in those of other as-of days before it.",
            grain: "one row an as-of day and check",
            key: &["as_of_date", "check_name"],
            columns: &check_results::DESCRIPTIONS,
        };
        let schema = batch.schema();
        self.write_own(&table, &schema, stream::iter([Ok(batch)]).boxed())
            .await
    }

    /// Writes `model_fits`, with the drift since `previous`.
    pub(super) async fn write_fits(
        &self,
        learned: &mut Learned,
        previous: Option<&PreviousFits>,
    ) -> Result<(), RunError> {
        let failed = |source| RunError::Engine {
            table: MODEL_FITS.to_owned(),
            source: datafusion::error::DataFusionError::from(source),
        };
        let batch = fits_to_batch(std::mem::take(&mut learned.fits), previous).map_err(failed)?;
        let descriptions = [
            "The score that was fitted.",
            "The model.",
            "The days that the fit saw: all, from which predictions come, or calibration, those before the holdout.",
            "The parameter; empty where there is no fit.",
            "Its maximum-likelihood estimate; rates are per unit of the score's time_unit.",
            "Its standard error from the observed information.",
            "The log-likelihood at the estimates.",
            "Akaike's information criterion; less is better.",
            "The Bayesian information criterion; less is better.",
            "Customers that the fit saw.",
            "Distinct rows among them, on which it was computed.",
            "Whether the search converged; figures of a model that did not are not given.",
            "Steps that the search took.",
            "Whether the predictions come from this fit.",
            "The as-of day of the last published run before this one's as-of day; the next two columns compare with it.",
            "Its estimate of the parameter.",
            "(estimate − previous_estimate) ÷ standard_error.",
            "Why there is no fit, or what speaks against it.",
        ];
        let table = OwnTable {
            name: MODEL_FITS,
            description: "What every model of the run was fitted to.",
            grain: "one row a parameter of a fit",
            key: &["score", "model", "period", "parameter"],
            columns: &descriptions,
        };
        let schema = batch.schema();
        self.write_own(&table, &schema, stream::iter([Ok(batch)]).boxed())
            .await
    }

    /// Writes `model_calibration`.
    pub(super) async fn write_calibration(&self, learned: &mut Learned) -> Result<(), RunError> {
        let failed = |source| RunError::Engine {
            table: MODEL_CALIBRATION.to_owned(),
            source: datafusion::error::DataFusionError::from(source),
        };
        let rows = std::mem::take(&mut learned.calibration);
        let batch = calibration_to_batch(rows).map_err(failed)?;
        let descriptions = [
            "The score.",
            "The model, fitted to the days before the holdout.",
            "What the customers of a row have in common: overall, decile (of the purchases foretold, 01 the highest), frequency, cohort (month of the first purchase), probability_alive, or week.",
            "Which decile, frequency, cohort, range or week (its Monday); empty for overall.",
            "Customers in the group; for a week those who had come by its end.",
            "Purchase days in the holdout as foretold; for a week repeat purchases in it; for probability_alive customers foretold to be alive.",
            "Purchase days in the holdout as they came; for a week repeat purchases in it; for probability_alive customers who bought in the holdout.",
            "expected ÷ actual − 1; null where nothing came.",
            "Mean absolute error in purchase days a customer; overall only.",
            "Root mean squared error in purchase days a customer; overall only.",
            "Gini coefficient of the ranking by purchases foretold as a share of the perfect ranking's; overall only.",
            "Mean log-probability that the model gave to what came, the higher the better: models are chosen by it; overall only.",
            "Whether the score predicts with this model.",
        ];
        let table = OwnTable {
            name: MODEL_CALIBRATION,
            description: "What every model foretold of the holdout beside what came. Empty where the pipeline declares no validation.",
            grain: "one row a model and group of customers, or week",
            key: &["score", "model", "grouping", "group_name"],
            columns: &descriptions,
        };
        let schema = batch.schema();
        self.write_own(&table, &schema, stream::iter([Ok(batch)]).boxed())
            .await
    }
}

/// A table of the pipeline as it is published.
pub(super) fn table_to_write(output: &PlannedOutput) -> TableToWrite {
    let contract = &output.contract;
    let columns = contract.columns.iter().map(|(name, column)| ColumnToWrite {
        name: name.clone(),
        sql_type: column.value.sql_type,
        required: column.value.required,
        limits: ValueLimits::of(&column.value),
        description: column.value.description.clone(),
    });
    TableToWrite {
        name: output.table.clone(),
        description: contract.description.clone(),
        grain: contract.grain.clone(),
        key: contract.key.iter().map(|key| key.value.clone()).collect(),
        columns: columns.collect(),
    }
}

/// A column in the SQL that gives what is published.
///
/// Text as a view keeps whatever buffer it points into alive and counted: a sort above a join would be taken to hold a whole side
/// of it with every batch.
pub(super) fn selected(column: &ColumnToWrite) -> String {
    let name = quoted(&column.name);
    match column.sql_type {
        SqlType::Varchar => format!("arrow_cast({name}, 'Utf8') as {name}"),
        _ => name,
    }
}

/// The columns of a table that cvm itself makes.
fn columns_of(schema: &Schema, descriptions: &[&str]) -> Vec<ColumnToWrite> {
    let described = schema.fields().iter().zip(descriptions);
    described
        .filter_map(|(field, description)| {
            Some(ColumnToWrite {
                name: field.name().clone(),
                sql_type: sql_type(field.data_type())?,
                required: !field.is_nullable(),
                limits: ValueLimits::default(),
                description: (*description).to_owned(),
            })
        })
        .collect()
}
