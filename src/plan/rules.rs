//! Which layer may read which, and whether SQL keeps what its contract promises.

use std::sync::Arc;

use arrow::datatypes::Schema;
use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;

use crate::engine::types::{sql_type, stands_for};
use crate::spec::problem::{At, Problem, SourceText, did_you_mean};
use crate::spec::table::TableFile;

use super::compile::Compiling;
use super::graph::Graph;
use super::{ENTITIES, Layer, sql};

/// Checks the layer rules on everything that the outputs need.
pub(super) fn check(compiling: &mut Compiling<'_>, graph: &Graph) {
    let mut problems = Vec::new();
    for (name, node) in &graph.nodes {
        let Some(table) = compiling.catalogue.tables.get(name) else {
            continue;
        };
        let file = &table.sql;
        let mut fault = |at, message: String, help: &str| {
            let fault = Problem::new("cvm::plan::layer", file, at, message, help);
            problems.push(table.placed(fault));
        };
        for input in &node.inputs {
            let Some(read) = graph.nodes.get(input).map(|node| node.layer) else {
                continue;
            };
            // The checks that a source file declares are about raw tables.
            let is_of_source = table.declared_at.is_some() && table.system.is_some();
            if !may_read(node.layer, read) && (!is_of_source || read != Layer::Raw) {
                let help = match compiling.sources.get(input) {
                    Some(source) if node.layer == Layer::Check => format!(
                        "declare it under `checks` of `{input}` in {}",
                        source.file.path
                    ),
                    _ => help_for(node.layer).to_owned(),
                };
                fault(
                    sql::find_word(file, input),
                    format!(
                        "the {} `{name}` reads `{input}`, a {}",
                        node.layer.name(),
                        read.name()
                    ),
                    &help,
                );
            }
        }
        let Some(parsed) = &node.parsed else { continue };
        if node.layer == Layer::Staging {
            staging_rules(name, parsed, file, &mut fault);
            let system = table.system.as_deref().unwrap_or_default();
            for input in node.inputs.iter().filter(|input| {
                input
                    .split_once('.')
                    .is_some_and(|(of, _)| of != system && of != ENTITIES)
            }) {
                fault(
                    sql::find_word(file, input),
                    format!("the staging table `{name}` of the system `{system}` reads `{input}`"),
                    "a staging file reads a raw table of its own system, whose folder it lies in",
                );
            }
            let prefix = format!("stg_{system}__");
            if !name.starts_with(&prefix) {
                let message =
                    format!("the staging table `{name}` of the system `{system}` is misnamed");
                fault(
                    At::default(),
                    message,
                    "name it stg_<system>__<entity>s.sql",
                );
            }
        }
    }
    compiling.problems.extend(problems);
}

fn staging_rules(
    name: &str,
    parsed: &sql::ParsedSql,
    file: &SourceText,
    fault: &mut impl FnMut(At, String, &str),
) {
    let raw = parsed.reads.len();
    if raw != 1 {
        let message = format!("the staging table `{name}` reads {raw} tables, not one");
        fault(
            At { line: 1, column: 1 },
            message,
            "make a staging file a raw table; join later",
        );
    }
    if parsed.joins {
        let message = format!("the staging table `{name}` joins");
        fault(
            sql::find_word(file, "join"),
            message,
            "join in an intermediate file",
        );
    }
    if parsed.limits {
        let message = format!("the staging table `{name}` cuts rows off");
        fault(
            sql::find_word(file, "limit"),
            message,
            "keep all rows, or filter them by what they hold",
        );
    }
}

/// Data goes one way: a layer reads the layers before it.
fn may_read(reader: Layer, read: Layer) -> bool {
    match reader {
        Layer::Staging => read == Layer::Raw,
        Layer::Intermediate => !matches!(read, Layer::Raw | Layer::Mart),
        Layer::Mart => !matches!(read, Layer::Raw | Layer::Staging),
        Layer::Check => read != Layer::Raw,
        Layer::Raw | Layer::Entity | Layer::Score => true,
    }
}

fn help_for(reader: Layer) -> &'static str {
    match reader {
        Layer::Staging => "a staging file reads one raw table, `<system>.<table>`",
        Layer::Intermediate => {
            "an intermediate file reads entities, staging and intermediate tables and scores"
        }
        Layer::Check => "say what should hold of a raw table under `checks` in its source file",
        _ => {
            "a mart reads entities, intermediate tables, scores and marts; bind staging tables to entities"
        }
    }
}

/// The engine's complaint about a SQL file, at its place.
pub(super) fn sql_problem(file: &Arc<SourceText>, error: &DataFusionError) -> Problem {
    let spot = error.diagnostic().and_then(|diagnostic| diagnostic.span);
    let at = spot.map(|span| At {
        line: usize::try_from(span.start.line).unwrap_or(1),
        column: usize::try_from(span.start.column).unwrap_or(1),
    });
    if let DataFusionError::SchemaError(inner, _) = error.find_root()
        && let SchemaError::FieldNotFound {
            field,
            valid_fields,
        } = inner.as_ref()
    {
        let names: Vec<&str> = valid_fields
            .iter()
            .map(|column| column.name.as_str())
            .collect();
        let mut others = names.iter().copied();
        let other_case =
            others.find(|name| name.to_lowercase() == field.name && *name != field.name);
        let help = match other_case {
            Some(name) => {
                format!("write \"{name}\" in double quotes: names without are lower case")
            }
            None => did_you_mean(&field.name, names),
        };
        return Problem::new(
            "cvm::plan::unknown_column",
            file,
            at.unwrap_or_else(|| sql::find_word(file, &field.name)),
            format!("there is no column `{}`", field.flat_name()),
            help,
        );
    }
    let message = sql::root_message(error);
    let first_line = message.lines().next().unwrap_or_default().to_owned();
    Problem::new(
        "cvm::plan::sql",
        file,
        at.unwrap_or(At { line: 1, column: 1 }),
        first_line,
        "mend the SQL; `cvm plan` shows what each table has",
    )
}

/// The SQL's columns must be the contract's: names, order and types.
pub(super) fn compare_with_contract(
    compiling: &mut Compiling<'_>,
    name: &str,
    made: &Schema,
    contract: &TableFile,
) {
    let Some(table) = compiling.catalogue.tables.get(name) else {
        return;
    };
    let Some(file) = table.contract_file.clone() else {
        return;
    };
    let sql_path = table.sql.path.clone();
    let mut problems = Vec::new();
    let mut fault = |at, message: String, help: String| {
        problems.push(Problem::new(
            "cvm::plan::contract",
            &file,
            at,
            message,
            help,
        ));
    };
    for (column, promised) in &contract.columns {
        let wanted = promised.value.sql_type;
        let Ok(field) = made.field_with_name(column) else {
            let help = did_you_mean(
                column,
                made.fields().iter().map(|field| field.name().as_str()),
            );
            fault(
                promised.at,
                format!("{sql_path} makes no column `{column}`"),
                help,
            );
            continue;
        };
        match sql_type(field.data_type()) {
            _ if stands_for(field.data_type(), wanted) => {}
            Some(has) => fault(
                promised.at,
                format!("{sql_path} makes `{column}` as {has}, but the contract says {wanted}"),
                format!("cast it: cast(… as {wanted}), or change the contract"),
            ),
            None => fault(
                promised.at,
                format!(
                    "{sql_path} makes `{column}` as {}, which BI tools do not read",
                    field.data_type()
                ),
                cast_help(wanted),
            ),
        }
    }
    for field in made.fields() {
        if !contract.columns.contains_key(field.name()) {
            let help = "describe it under `columns`, or leave it out of the SQL".to_owned();
            let message = format!(
                "{sql_path} makes a column `{}` that has no contract",
                field.name()
            );
            fault(contract.table.at, message, help);
        }
    }
    let in_order = made
        .fields()
        .iter()
        .map(|field| field.name())
        .eq(contract.columns.keys());
    if problems.is_empty() && !in_order {
        problems.push(Problem::new(
            "cvm::plan::contract",
            &file,
            contract.table.at,
            format!("{sql_path} makes the columns in another order than the contract"),
            "put them in the same order",
        ));
    }
    compiling.problems.extend(problems);
}

fn cast_help(wanted: crate::spec::SqlType) -> String {
    match wanted {
        crate::spec::SqlType::Timestamp => {
            "cast it: arrow_cast(…, 'Timestamp(Microsecond, Some(\"UTC\"))')".to_owned()
        }
        other => format!("cast it: cast(… as {other})"),
    }
}
