//! The tables that schemes read, and the one that they make.

use std::sync::Arc;

use indexmap::IndexMap;

use crate::plan::Layer;
use crate::plan::catalogue::Catalogue;
use crate::spec::SqlType;
use crate::spec::problem::{At, Problem, SourceText, did_you_mean};
use crate::spec::table::{ContractColumn, TableFile};
use crate::spec::yaml::Spanned;

use super::{CLASSIFIED, CUSTOMER, DATE, Surroundings};

/// The contract of the table that rules look at: an intermediate table of one row a customer and day.
pub(super) fn input_of(
    catalogue: &mut Catalogue,
    file: &Arc<SourceText>,
    input: &Spanned<String>,
) -> Result<Arc<TableFile>, Vec<Problem>> {
    let contract = intermediate(catalogue, file, input)?.ok_or_else(|| {
        let tables = catalogue.tables.values();
        let tables = tables.filter(|table| table.layer == Layer::Intermediate);
        let help = did_you_mean(&input.value, tables.map(|table| table.name.as_str()));
        let message = format!("there is no intermediate table `{}`", input.value);
        vec![Problem::new(
            "cvm::plan::scheme",
            file,
            input.at,
            message,
            help,
        )]
    })?;
    let types = types_of(&contract);
    let wanted = [
        (CUSTOMER, SqlType::Varchar, input.at),
        (DATE, SqlType::Date, input.at),
    ];
    let mut faults = columns_of(file, &input.value, &types, &wanted);
    let mut key: Vec<&str> = contract.key.iter().map(|key| key.value.as_str()).collect();
    key.sort_unstable();
    if faults.is_empty() && key != [DATE, CUSTOMER] {
        faults.push(Problem::new(
            "cvm::plan::scheme",
            file,
            input.at,
            format!(
                "`{}` has not one row a customer and as_of_date",
                input.value
            ),
            "a scheme's input has the key [customer_id, as_of_date]",
        ));
    }
    if faults.is_empty() {
        Ok(contract)
    } else {
        Err(faults)
    }
}

/// The columns of the table that tells segments: an intermediate table or a score, of one row a customer and day at
/// most.
pub(super) fn table_of(
    catalogue: &mut Catalogue,
    with: &Surroundings<'_>,
    file: &Arc<SourceText>,
    table: &Spanned<String>,
) -> Result<IndexMap<String, SqlType>, Vec<Problem>> {
    if let Some(columns) = (with.score)(&table.value) {
        return Ok(columns);
    }
    let Some(contract) = intermediate(catalogue, file, table)? else {
        let tables = catalogue.tables.values();
        let tables = tables.filter(|table| table.layer == Layer::Intermediate);
        let names = tables.map(|table| table.name.as_str());
        let scores = with.scores.iter().map(String::as_str);
        let help = did_you_mean(&table.value, names.chain(scores));
        let message = format!("there is no intermediate table or score `{}`", table.value);
        return Err(vec![Problem::new(
            "cvm::plan::scheme",
            file,
            table.at,
            message,
            help,
        )]);
    };
    let is_of_customers = contract
        .key
        .iter()
        .all(|key| key.value == CUSTOMER || key.value == DATE);
    if !is_of_customers {
        return Err(vec![Problem::new(
            "cvm::plan::scheme",
            file,
            table.at,
            format!("`{}` may have several rows a customer", table.value),
            "a scheme's table has the key [customer_id], or [customer_id, as_of_date]",
        )]);
    }
    Ok(types_of(&contract))
}

/// The contract of an intermediate table; none where there is no table of that name.
fn intermediate(
    catalogue: &mut Catalogue,
    file: &Arc<SourceText>,
    table: &Spanned<String>,
) -> Result<Option<Arc<TableFile>>, Vec<Problem>> {
    match catalogue.tables.get(&table.value).map(|found| found.layer) {
        None => return Ok(None),
        Some(Layer::Intermediate) => {}
        Some(other) => {
            return Err(vec![Problem::new(
                "cvm::plan::layer",
                file,
                table.at,
                format!("a scheme reads `{}`, a {}", table.value, other.name()),
                "a scheme reads an intermediate table or, as its `table`, a score",
            )]);
        }
    }
    let mut problems = Vec::new();
    catalogue.read_contract_of(&table.value, &mut problems);
    let contract = catalogue.tables.get(&table.value);
    match contract.and_then(|table| table.contract.clone()) {
        Some(contract) => Ok(Some(contract)),
        None => Err(problems),
    }
}

fn types_of(contract: &TableFile) -> IndexMap<String, SqlType> {
    let columns = contract.columns.iter();
    columns
        .map(|(name, column)| (name.clone(), column.value.sql_type))
        .collect()
}

/// What is wrong with the columns that a scheme needs of a table.
pub(super) fn columns_of(
    file: &Arc<SourceText>,
    table: &str,
    columns: &IndexMap<String, SqlType>,
    wanted: &[(&str, SqlType, At)],
) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (name, sql_type, at) in wanted {
        let (message, help) = match columns.get(*name) {
            Some(has) if has == sql_type => continue,
            Some(has) => (
                format!("`{table}.{name}` is {has}, but a scheme needs it as {sql_type}"),
                format!("cast it: cast(… as {sql_type})"),
            ),
            None => (
                format!("`{table}` has no column `{name}`"),
                did_you_mean(name, columns.keys().map(String::as_str)),
            ),
        };
        problems.push(Problem::new("cvm::plan::scheme", file, *at, message, help));
    }
    problems
}

/// What [`CLASSIFIED`] promises.
pub(super) fn contract() -> TableFile {
    let column = |sql_type, description: &str| {
        Spanned::unplaced(ContractColumn {
            sql_type,
            required: true,
            minimum: None,
            maximum: None,
            accepted_values: None,
            description: description.to_owned(),
        })
    };
    let columns = [
        (CUSTOMER, column(SqlType::Varchar, "The customer.")),
        (
            DATE,
            column(
                SqlType::Date,
                "The day as of whose beginning the segment is told.",
            ),
        ),
        (
            "scheme",
            column(SqlType::Varchar, "The segmentation scheme."),
        ),
        (
            "segment",
            column(
                SqlType::Varchar,
                "The one segment of the scheme that the customer is in.",
            ),
        ),
    ];
    TableFile {
        table: Spanned::unplaced(CLASSIFIED.to_owned()),
        description: "The segment of each customer by every scheme of the pipeline.".to_owned(),
        grain: "one row a customer, as-of day and scheme".to_owned(),
        key: [CUSTOMER, DATE, "scheme"]
            .map(|name| Spanned::unplaced(name.to_owned()))
            .into(),
        incremental: None,
        check: None,
        checks: IndexMap::new(),
        columns: columns
            .into_iter()
            .map(|(name, column)| (name.to_owned(), column))
            .collect(),
    }
}
