//! Segmentation schemes: `sql/schemes/*.yml` into the one table [`CLASSIFIED`].
//!
//! A scheme of rules is proven before anything runs: exactly one of its rules holds for every row that the contract of
//! its input allows. Rows that break that contract get no segment, which the marts do not allow.

mod axis;
mod condition;
mod proof;
mod rules;
mod sql;
mod tables;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::sql::parser::Statement;
use indexmap::IndexMap;

use crate::spec::problem::{At, Problem, SourceText, did_you_mean};
use crate::spec::scheme::SchemeFile;
use crate::spec::yaml::{Spanned, decode};
use crate::spec::{Project, SqlType};

use super::catalogue::{Catalogue, SqlTable};
use super::sql::{ParsedSql, parse};
use super::{Layer, ParameterValue, parameters};
use tables::{columns_of, contract, input_of, table_of};

/// The table of customers and their segments by scheme, which planning makes of all schemes.
pub const CLASSIFIED: &str = "int_customers_classified";

const CUSTOMER: &str = "customer_id";
const DATE: &str = "as_of_date";

/// A scheme whose segments were shown to be free of gaps and overlaps, or that a table tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvenScheme {
    /// The scheme's name.
    pub name: String,
    /// The table it reads.
    pub reads: String,
    /// The segments in the order of the rules; none are known of a table.
    pub segments: Vec<String>,
    /// The number of rules; none where a table tells.
    pub rules: Option<usize>,
    /// The number of combinations of values that the rules were held against.
    pub cells: usize,
}

/// What the schemes make.
pub(super) struct Classified {
    /// None where a scheme has a fault.
    pub(super) parsed: Option<ParsedSql>,
    /// The tables that schemes read, each once.
    pub(super) inputs: Vec<String>,
    pub(super) proven: Vec<ProvenScheme>,
}

/// What the schemes are read with.
pub(super) struct Surroundings<'a> {
    /// The schemes that the pipeline chose and its file; all where it does not.
    pub(super) chosen: Option<(&'a [Spanned<String>], &'a Arc<SourceText>)>,
    /// The values of parameters.
    pub(super) parameters: &'a BTreeMap<String, ParameterValue>,
    /// The columns of a score; none where there is no such score.
    pub(super) score: &'a dyn Fn(&str) -> Option<IndexMap<String, SqlType>>,
    /// The names of all scores.
    pub(super) scores: Vec<String>,
}

/// Reads and proves the schemes, and enters [`CLASSIFIED`] into the catalogue.
pub(super) fn classify(
    catalogue: &mut Catalogue,
    with: &Surroundings<'_>,
    problems: &mut Vec<Problem>,
) -> Classified {
    let before = problems.len();
    let mut query = sql::Query::default();
    let mut inputs = Vec::new();
    let mut proven = Vec::new();
    for (name, file) in files(catalogue, with, problems) {
        let added = read_scheme(catalogue, with, &name, &file, &mut query);
        match added {
            Ok(scheme) => {
                if !inputs.contains(&scheme.reads) {
                    inputs.push(scheme.reads.clone());
                }
                proven.push(scheme);
            }
            Err(found) => problems.extend(found),
        }
    }
    query.finish();
    let sql = Arc::new(SourceText {
        path: "sql/schemes".to_owned(),
        text: query.text,
    });
    let mut parsed = None;
    if problems.len() == before {
        match parse(&sql) {
            Ok(mut query_parsed) => {
                // What is left is `$as_of`, which a run gives.
                let _ = parameters::bind(&mut query_parsed.statement, &query.values);
                parsed = Some(query_parsed);
            }
            Err(problem) => problems.push(problem),
        }
    }
    if let Some(other) = catalogue.tables.get(CLASSIFIED) {
        problems.push(Problem::new(
            "cvm::plan::duplicate_table",
            &other.sql,
            At::default(),
            format!(
                "a SQL table cannot be named `{CLASSIFIED}`: that table is made of the schemes"
            ),
            "rename the file, and name its table in a scheme under sql/schemes",
        ));
    }
    let table = SqlTable {
        name: CLASSIFIED.to_owned(),
        layer: Layer::Intermediate,
        system: None,
        sql,
        contract_file: None,
        contract: Some(Arc::new(contract())),
        declared_at: None,
    };
    catalogue.tables.insert(CLASSIFIED.to_owned(), table);
    Classified {
        parsed,
        inputs,
        proven,
    }
}

/// The statement that makes [`CLASSIFIED`] of the named schemes of `project`, `$as_of` not yet bound. Schemes over
/// scores are not known here.
///
/// # Errors
/// All faults of these schemes.
pub fn statement(
    project: &Project,
    schemes: &[&str],
    parameters: &BTreeMap<String, ParameterValue>,
) -> Result<Statement, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut catalogue = Catalogue::of(project, &mut problems);
    let chosen: Vec<_> = schemes
        .iter()
        .map(|name| Spanned::unplaced((*name).to_owned()))
        .collect();
    let nowhere = Arc::new(SourceText {
        path: String::new(),
        text: String::new(),
    });
    let with = Surroundings {
        chosen: Some((&chosen, &nowhere)),
        parameters,
        score: &|_| None,
        scores: Vec::new(),
    };
    let classified = classify(&mut catalogue, &with, &mut problems);
    match classified.parsed {
        Some(parsed) if problems.is_empty() => Ok(parsed.statement),
        _ => Err(problems),
    }
}

/// The chosen schemes and their files.
fn files(
    catalogue: &Catalogue,
    with: &Surroundings<'_>,
    problems: &mut Vec<Problem>,
) -> Vec<(String, Arc<SourceText>)> {
    let Some((names, pipeline)) = with.chosen else {
        let all = catalogue.schemes.iter();
        return all
            .map(|(name, file)| (name.clone(), Arc::clone(file)))
            .collect();
    };
    let mut files: Vec<(String, Arc<SourceText>)> = Vec::new();
    for name in names {
        let fault = |message: String, help: String| {
            Problem::new("cvm::plan::scheme", pipeline, name.at, message, help)
        };
        if files.iter().any(|(known, _)| *known == name.value) {
            let message = format!("the scheme `{}` is named twice", name.value);
            problems.push(fault(message, "name it once".to_owned()));
        } else if let Some(file) = catalogue.schemes.get(&name.value) {
            files.push((name.value.clone(), Arc::clone(file)));
        } else {
            let message = format!("there is no scheme `{}` under sql/schemes", name.value);
            let help = did_you_mean(&name.value, catalogue.schemes.keys().map(String::as_str));
            problems.push(fault(message, help));
        }
    }
    files
}

fn read_scheme(
    catalogue: &mut Catalogue,
    with: &Surroundings<'_>,
    name: &str,
    file: &Arc<SourceText>,
    query: &mut sql::Query,
) -> Result<ProvenScheme, Vec<Problem>> {
    let scheme: SchemeFile = decode(file, &|_| None)?;
    let fault = |at, message: String, help: String| {
        vec![Problem::new("cvm::plan::scheme", file, at, message, help)]
    };
    if scheme.scheme.value != name {
        let message = format!(
            "the scheme is named `{}`, but the file `{name}`",
            scheme.scheme.value
        );
        let help = "a file's name is its scheme's name: rename one of the two".to_owned();
        return Err(fault(scheme.scheme.at, message, help));
    }
    match (&scheme.input, &scheme.rules, &scheme.table) {
        (Some(input), Some(rules), None) if scheme.segment_column.is_none() => {
            let contract = input_of(catalogue, file, input)?;
            let read = rules::Rules::read(file, &rules.value, &contract, with.parameters)?;
            let cells = read.prove(file, &scheme.scheme)?;
            query.add_rules(name, &input.value, &read.branches());
            Ok(ProvenScheme {
                name: name.to_owned(),
                reads: input.value.clone(),
                segments: read.segments(),
                rules: Some(read.len()),
                cells,
            })
        }
        (None, None, Some(table)) => {
            let columns = table_of(catalogue, with, file, table)?;
            let segment = scheme.segment_column.as_ref();
            let segment = segment.map_or("segment", |column| column.value.as_str());
            let segment_at = scheme.segment_column.as_ref().map_or(table.at, |c| c.at);
            let wanted = [
                (CUSTOMER, SqlType::Varchar, table.at),
                (segment, SqlType::Varchar, segment_at),
            ];
            let mut faults = columns_of(file, &table.value, &columns, &wanted);
            let is_dated = columns.contains_key(DATE);
            if is_dated {
                let date = [(DATE, SqlType::Date, table.at)];
                faults.extend(columns_of(file, &table.value, &columns, &date));
            }
            if !faults.is_empty() {
                return Err(faults);
            }
            query.add_table(name, &table.value, segment, is_dated);
            Ok(ProvenScheme {
                name: name.to_owned(),
                reads: table.value.clone(),
                segments: Vec::new(),
                rules: None,
                cells: 0,
            })
        }
        _ => Err(fault(
            scheme.scheme.at,
            format!("the scheme `{name}` is neither of rules nor of a table"),
            "give `input` and `rules`, or `table` and maybe `segment_column`, and not both"
                .to_owned(),
        )),
    }
}
