//! The schema of every table, and the proof that SQL, contracts and scorers agree.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::parser::Statement;

use crate::engine::types::{arrow_type, sql_type};
use crate::score::FitContext;
use crate::spec::problem::{At, Problem, did_you_mean};
use crate::spec::table::TableFile;

use super::compile::Compiling;
use super::graph::{Graph, Node};
use super::lineage::{self, TableLineage};
use super::score::CheckedScore;
use super::{
    Layer, ParameterValue, PlannedStage, Work, entity, incremental, parameters, relationship,
    rules, sql, table_reference,
};

/// Gives every table its schema, in order, and proves that SQL, contracts and scorers agree.
pub(super) async fn type_check(
    compiling: &mut Compiling<'_>,
    graph: &mut Graph,
    scores: BTreeMap<String, CheckedScore>,
    values: &BTreeMap<String, ParameterValue>,
) -> Vec<PlannedStage> {
    let mut bound = values.clone();
    let days = FitContext::new(chrono::NaiveDate::default(), 0);
    bound.extend(parameters::dates(&days));
    let mut stages = Vec::new();
    let mut all_scans = BTreeMap::new();
    for name in &graph.order {
        let Some(node) = graph.nodes.get(name) else {
            continue;
        };
        let mut in_parts_of = None;
        let (schema, contract, work, lineage) = match node.layer {
            Layer::Raw => {
                if let Some(source) = compiling.sources.get(name) {
                    let schema = crate::source::schema(&source.planned.table);
                    declare(compiling, name, schema);
                }
                continue;
            }
            Layer::Entity => match check_entity(compiling, name, node) {
                Some((schema, contract)) => {
                    let lineage = lineage::of_entity(&compiling.catalogue, &node.inputs, &contract);
                    (
                        schema,
                        Some(contract),
                        Work::Union(node.inputs.clone()),
                        lineage,
                    )
                }
                None => continue,
            },
            Layer::Score => match scores.get(name) {
                Some(score) => {
                    let schema = check_score(compiling, name, score).await;
                    let checked = Arc::clone(&score.checked);
                    (
                        schema,
                        None,
                        Work::Score {
                            scorer: score.scorer,
                            declared: score.declared.clone(),
                            checked,
                        },
                        lineage::of_score(score),
                    )
                }
                None => continue,
            },
            Layer::Staging | Layer::Intermediate | Layer::Mart | Layer::Check => {
                match check_sql(compiling, name, node, &bound).await {
                    Some(checked) => {
                        in_parts_of =
                            incremental::prove(compiling, name, &checked.statement, &checked.plan);
                        all_scans.insert(name.clone(), checked.scans);
                        (
                            checked.schema,
                            Some(checked.contract),
                            Work::Sql(Box::new(checked.statement)),
                            checked.lineage,
                        )
                    }
                    None => continue,
                }
            }
        };
        declare(compiling, name, Arc::clone(&schema));
        stages.push(PlannedStage {
            name: name.clone(),
            layer: node.layer,
            inputs: node.inputs.clone(),
            schema,
            contract,
            lineage,
            uses: 0,
            work,
            in_parts_of,
        });
    }
    graph.scans = all_scans;
    let uses = graph.uses(compiling);
    for stage in &mut stages {
        stage.uses = uses.get(&stage.name).copied().unwrap_or_default();
    }
    stages
}

fn declare(compiling: &mut Compiling<'_>, name: &str, schema: SchemaRef) {
    if let Err(error) = compiling.session.declare(&table_reference(name), schema) {
        let message = format!(
            "the table `{name}` cannot be declared: {}",
            sql::root_message(&error)
        );
        compiling.fault(
            "cvm::plan::table",
            At::default(),
            message,
            "rename the table",
        );
    }
}

/// The columns that a contract promises, as the engine has them.
fn schema_of(contract: &TableFile) -> SchemaRef {
    let fields = contract
        .columns
        .iter()
        .map(|(name, column)| Field::new(name, arrow_type(column.value.sql_type), true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// An entity has the columns of its contract. Whatever is bound must bring the required ones with their types.
fn check_entity(
    compiling: &mut Compiling<'_>,
    name: &str,
    node: &Node,
) -> Option<(SchemaRef, Arc<TableFile>)> {
    let entity = compiling
        .catalogue
        .entities
        .get(entity::name_of(name)?)?
        .clone();
    let contract = entity.contract;
    for part in &node.inputs {
        let Some(table) = compiling.catalogue.tables.get(part) else {
            continue;
        };
        let (Some(bound), Some(file)) = (table.contract.clone(), table.contract_file.clone())
        else {
            continue;
        };
        for (column, promised) in &contract.columns {
            let wanted = promised.value.sql_type;
            match bound.columns.get(column) {
                Some(has) if has.value.sql_type != wanted => {
                    let has_type = has.value.sql_type;
                    let message = format!(
                        "`{part}.{column}` is {has_type}, but the entity `{name}` has it as {wanted}"
                    );
                    let help = format!("cast it in {}: cast(… as {wanted})", table.sql.path);
                    let problem =
                        Problem::new("cvm::plan::entity_contract", &file, has.at, message, help);
                    compiling.problems.push(problem);
                }
                None if promised.value.required => {
                    let message = format!(
                        "`{part}` lacks the column `{column}` that the entity `{name}` requires"
                    );
                    let help = did_you_mean(column, bound.columns.keys().map(String::as_str));
                    let at = bound.table.at;
                    let problem =
                        Problem::new("cvm::plan::entity_contract", &file, at, message, help);
                    compiling.problems.push(problem);
                }
                _ => {}
            }
        }
        for (column, extra) in &bound.columns {
            if !contract.columns.contains_key(column) {
                let message =
                    format!("the entity `{name}` has no column `{column}`: it is left out");
                let help = did_you_mean(column, contract.columns.keys().map(String::as_str));
                let code = "cvm::plan::entity_contract";
                compiling
                    .warnings
                    .push(Problem::new(code, &file, extra.at, message, help));
            }
        }
    }
    Some((schema_of(&contract), contract))
}

async fn check_score(compiling: &mut Compiling<'_>, name: &str, score: &CheckedScore) -> SchemaRef {
    let own = (score.input.value.clone(), score.checked.input());
    let others = score.checked.other_inputs();
    for (table, columns) in std::iter::once(own).chain(others) {
        let query = format!("select * from {table}");
        // An input that could not be planned has been told of already.
        let Ok(plan) = compiling.session.plan_text(&query).await else {
            continue;
        };
        for column in columns {
            let found = plan.schema().field_with_unqualified_name(column.name);
            let message = match found.map(|field| sql_type(field.data_type())) {
                Ok(Some(has)) if has == column.sql_type => continue,
                Ok(_) => format!(
                    "the scorer `{}` wants `{table}.{}` as {}",
                    score.scorer, column.name, column.sql_type
                ),
                Err(_) => format!(
                    "the scorer `{}` wants the column `{}` ({}), which `{table}` lacks",
                    score.scorer, column.name, column.sql_type
                ),
            };
            let help = format!("the score `{name}` reads it: see `cvm list scorers`");
            let code = "cvm::plan::score_input";
            let problem = Problem::new(code, &score.file, score.at, message, help);
            compiling.problems.push(problem);
        }
    }
    check_features(compiling, name, score).await;
    let fields = score
        .checked
        .output()
        .iter()
        .map(|column| Field::new(column.name, arrow_type(column.sql_type), true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// The columns that a scorer lets the pipeline name are there and are numbers.
async fn check_features(compiling: &mut Compiling<'_>, name: &str, score: &CheckedScore) {
    let table = &score.input.value;
    let query = format!("select * from {table}");
    let Ok(plan) = compiling.session.plan_text(&query).await else {
        return;
    };
    for feature in score.checked.features() {
        let found = plan.schema().field_with_unqualified_name(feature);
        let (message, help) = match found.map(|field| field.data_type()) {
            Ok(found) if found.is_numeric() => continue,
            Ok(_) => (
                format!(
                    "the score `{name}` compares customers by `{table}.{feature}`, which is no number"
                ),
                "name columns of type bigint, double or decimal".to_owned(),
            ),
            Err(_) => (
                format!(
                    "the score `{name}` compares customers by `{feature}`, which `{table}` lacks"
                ),
                did_you_mean(
                    feature,
                    plan.schema()
                        .fields()
                        .iter()
                        .map(|field| field.name().as_str()),
                ),
            ),
        };
        let code = "cvm::plan::score_input";
        let problem = Problem::new(code, &score.file, score.at, message, help);
        compiling.problems.push(problem);
    }
}

/// A SQL table that was proven.
struct CheckedSql {
    schema: SchemaRef,
    contract: Arc<TableFile>,
    statement: Statement,
    scans: BTreeMap<String, usize>,
    lineage: TableLineage,
    plan: LogicalPlan,
}

/// Plans a SQL table; where that fails its contract stands in, so that what reads it is checked all the same.
async fn check_sql(
    compiling: &mut Compiling<'_>,
    name: &str,
    node: &Node,
    values: &BTreeMap<String, ParameterValue>,
) -> Option<CheckedSql> {
    let table = compiling.catalogue.tables.get(name)?.clone();
    let contract = table.contract.clone()?;
    let promised = schema_of(&contract);
    let Some(parsed) = &node.parsed else {
        declare(compiling, name, promised);
        return None;
    };
    let mut statement = parsed.statement.clone();
    let unknown = parameters::bind(&mut statement, values);
    for parameter in &unknown {
        let at = sql::find_word(&table.sql, &format!("${parameter}"));
        let fault = Problem::new(
            "cvm::plan::parameter",
            &table.sql,
            at,
            format!("there is no parameter `${parameter}`"),
            did_you_mean(parameter, values.keys().map(String::as_str)),
        );
        compiling.problems.push(table.placed(fault));
    }
    if !unknown.is_empty() {
        declare(compiling, name, promised);
        return None;
    }
    if !relationship::prove(compiling, name).await {
        declare(compiling, name, promised);
        return None;
    }
    let planned = match compiling.session.plan(statement).await {
        Ok(plan) => compiling.session.check(&plan).map(|_| plan),
        Err(error) => Err(error),
    };
    let plan = match planned {
        Ok(plan) => plan,
        Err(error) => {
            // Tables that could not be planned have been told of where they are made.
            if node
                .inputs
                .iter()
                .all(|input| compiling.session.knows(&table_reference(input)))
            {
                let fault = rules::sql_problem(&table.sql, &error);
                compiling.problems.push(table.placed(fault));
            }
            declare(compiling, name, promised);
            return None;
        }
    };
    let before = compiling.problems.len();
    if let Ok(Some(function)) = compiling.session.impure_function(&plan) {
        let fault = Problem::new(
            "cvm::plan::impure",
            &table.sql,
            sql::find_word(&table.sql, &function),
            format!("`{function}` gives another value in every run"),
            "a run must be repeatable: read `$as_of` instead of the clock, and draw no numbers",
        );
        compiling.problems.push(table.placed(fault));
    }
    rules::compare_with_contract(compiling, name, plan.schema().as_arrow(), &contract);
    if compiling.problems.len() > before {
        declare(compiling, name, promised);
        return None;
    }
    let scans = compiling.session.scans(&plan).unwrap_or_default();
    Some(CheckedSql {
        schema: promised,
        contract,
        statement: parsed.statement.clone(),
        scans,
        lineage: lineage::of(&plan),
        plan,
    })
}
