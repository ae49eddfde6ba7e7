//! What reads what: the graph of a pipeline, from its SQL's own table references.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::sql::parser::Statement;

use crate::engine::types::{arrow_type, sql_type};
use crate::score::FitContext;
use crate::spec::problem::{At, Problem, SourceText, did_you_mean};
use crate::spec::table::TableFile;

use super::compile::Compiling;
use super::lineage::{self, TableLineage};
use super::score::CheckedScore;
use super::sql::{self, ParsedSql};
use super::{
    ENTITIES, Layer, ParameterValue, PlannedStage, Work, entity, parameters, scheme,
    table_reference,
};

/// A table that the outputs need, directly or not.
pub(super) struct Node {
    pub(super) layer: Layer,
    pub(super) inputs: Vec<String>,
    pub(super) parsed: Option<ParsedSql>,
}

/// The tables that the outputs need, and an order in which each comes after what it reads.
pub(super) struct Graph {
    pub(super) nodes: BTreeMap<String, Node>,
    pub(super) order: Vec<String>,
    /// How often the SQL of a table goes over each table that it reads.
    pub(super) scans: BTreeMap<String, BTreeMap<String, usize>>,
}

impl Graph {
    pub(super) fn of(
        compiling: &mut Compiling<'_>,
        scores: &BTreeMap<String, CheckedScore>,
        parameters: &BTreeMap<String, ParameterValue>,
    ) -> Self {
        let mut walk = Walk {
            scores,
            parameters,
            nodes: BTreeMap::new(),
            order: Vec::new(),
            path: Vec::new(),
        };
        for table in compiling.pipeline.outputs.tables.clone() {
            let reader = Reader {
                file: Arc::clone(&compiling.file),
                at: Some(table.at),
            };
            walk.visit(compiling, &table.value, &reader);
        }
        let sources = &compiling.sources;
        for check in compiling
            .catalogue
            .checks(|name| sources.contains_key(name))
        {
            let reader = Reader {
                file: Arc::clone(&compiling.file),
                at: Some(At::default()),
            };
            walk.visit(compiling, &check, &reader);
        }
        let Walk { nodes, order, .. } = walk;
        let graph = Self {
            nodes,
            order,
            scans: BTreeMap::new(),
        };
        graph.refuse_unread_scores(compiling, scores);
        graph
    }

    fn refuse_unread_scores(
        &self,
        compiling: &mut Compiling<'_>,
        scores: &BTreeMap<String, CheckedScore>,
    ) {
        // What could not be followed to its end may well read the score.
        let followed = compiling.problems.is_empty();
        for (name, score) in scores {
            if followed && !score.is_default && !self.nodes.contains_key(name) {
                compiling.fault(
                    "cvm::plan::unreachable",
                    score.at,
                    format!("no output reads the score `{name}`"),
                    "read it in a mart that is published, or remove it",
                );
            }
        }
    }
}

/// Whose reference is being followed, for messages.
struct Reader {
    file: Arc<SourceText>,
    at: Option<At>,
}

impl Reader {
    fn place_of(&self, table: &str) -> At {
        self.at.unwrap_or_else(|| sql::find_word(&self.file, table))
    }
}

struct Walk<'a> {
    scores: &'a BTreeMap<String, CheckedScore>,
    parameters: &'a BTreeMap<String, ParameterValue>,
    nodes: BTreeMap<String, Node>,
    order: Vec<String>,
    path: Vec<String>,
}

impl Walk<'_> {
    /// Follows a reference to `name`, depth first.
    fn visit(&mut self, compiling: &mut Compiling<'_>, name: &str, reader: &Reader) {
        if self.nodes.contains_key(name) && !self.path.iter().any(|table| table == name) {
            return;
        }
        if let Some(start) = self.path.iter().position(|table| table == name) {
            let circle = self.path.get(start..).unwrap_or_default().join("` reads `");
            compiling.problems.push(Problem::new(
                "cvm::plan::cycle",
                &reader.file,
                reader.place_of(name),
                format!("tables go round in a circle: `{circle}` reads `{name}`"),
                "one of them must read something else",
            ));
            return;
        }
        let Some((node, own)) = self.open(compiling, name, reader) else {
            return;
        };
        let inputs = node.inputs.clone();
        self.nodes.insert(name.to_owned(), node);
        self.path.push(name.to_owned());
        for input in &inputs {
            self.visit(compiling, input, &own);
        }
        self.path.pop();
        self.order.push(name.to_owned());
    }

    /// What `name` is and reads, and how faults of its own references are told.
    fn open(
        &self,
        compiling: &mut Compiling<'_>,
        name: &str,
        reader: &Reader,
    ) -> Option<(Node, Reader)> {
        if let Some(score) = self.scores.get(name) {
            let node = Node {
                layer: Layer::Score,
                inputs: score.inputs(),
                parsed: None,
            };
            return Some((
                node,
                Reader {
                    file: Arc::clone(&score.file),
                    at: Some(score.input.at),
                },
            ));
        }
        if let Some(entity) = entity::name_of(name)
            && compiling.catalogue.entities.contains_key(entity)
        {
            let binding = compiling.pipeline.entities.get(entity);
            let inputs =
                binding.map(|parts| parts.value.iter().map(|part| part.value.clone()).collect());
            let at = binding.map(|parts| parts.at);
            let node = Node {
                layer: Layer::Entity,
                inputs: inputs.unwrap_or_default(),
                parsed: None,
            };
            return Some((
                node,
                Reader {
                    file: Arc::clone(&compiling.file),
                    at,
                },
            ));
        }
        if compiling.sources.contains_key(name) {
            let node = Node {
                layer: Layer::Raw,
                inputs: Vec::new(),
                parsed: None,
            };
            return Some((
                node,
                Reader {
                    file: Arc::clone(&compiling.file),
                    at: None,
                },
            ));
        }
        if name == scheme::CLASSIFIED {
            return Some(self.open_schemes(compiling));
        }
        let Some(file) = compiling
            .catalogue
            .tables
            .get(name)
            .map(|table| Arc::clone(&table.sql))
        else {
            // A score that did not pass its own checks, or a binding to nothing, has been told already.
            let told = compiling.sources_are_partial
                && name.contains('.')
                && entity::name_of(name).is_none()
                || compiling.pipeline.scores.contains_key(name)
                || reader.at.is_some()
                    && Arc::ptr_eq(&reader.file, &compiling.file)
                    && compiling
                        .pipeline
                        .entities
                        .values()
                        .any(|parts| parts.value.iter().any(|part| part.value == name));
            if !told {
                compiling
                    .problems
                    .push(self.unknown_table(compiling, name, reader));
            }
            return None;
        };
        compiling
            .catalogue
            .read_contract_of(name, &mut compiling.problems);
        let layer = compiling.catalogue.tables.get(name)?.layer;
        let own = Reader {
            file: Arc::clone(&file),
            at: None,
        };
        match sql::parse(&file) {
            Ok(parsed) => Some((
                Node {
                    layer,
                    inputs: parsed.reads.clone(),
                    parsed: Some(parsed),
                },
                own,
            )),
            Err(problem) => {
                compiling.problems.push(problem);
                Some((
                    Node {
                        layer,
                        inputs: Vec::new(),
                        parsed: None,
                    },
                    own,
                ))
            }
        }
    }

    /// The table that is made of the segmentation schemes.
    fn open_schemes(&self, compiling: &mut Compiling<'_>) -> (Node, Reader) {
        let columns = |score: &CheckedScore| {
            let columns = score.checked.output().iter();
            columns
                .map(|column| (column.name.to_owned(), column.sql_type))
                .collect()
        };
        let chosen = compiling.pipeline.segments.as_deref();
        let with = scheme::Surroundings {
            chosen: chosen.map(|names| (names, &compiling.file)),
            parameters: self.parameters,
            score: &|name| self.scores.get(name).map(columns),
            scores: self.scores.keys().cloned().collect(),
        };
        let classified = scheme::classify(&mut compiling.catalogue, &with, &mut compiling.problems);
        compiling.schemes = classified.proven;
        let node = Node {
            layer: Layer::Intermediate,
            inputs: classified.inputs,
            parsed: classified.parsed,
        };
        let reader = Reader {
            file: Arc::clone(&compiling.file),
            at: Some(At::default()),
        };
        (node, reader)
    }

    fn unknown_table(&self, compiling: &Compiling<'_>, name: &str, reader: &Reader) -> Problem {
        let entity_names: Vec<String> = compiling
            .catalogue
            .entities
            .keys()
            .map(|entity| format!("{ENTITIES}.{entity}"))
            .collect();
        let help = if compiling.catalogue.entities.contains_key(name) {
            format!("the entity is written `{ENTITIES}.{name}`")
        } else {
            let tables = compiling.catalogue.tables.keys().map(String::as_str);
            let scores = self.scores.keys().map(String::as_str);
            let raw = compiling.sources.keys().map(String::as_str);
            let entities = entity_names.iter().map(String::as_str);
            did_you_mean(name, tables.chain(scores).chain(raw).chain(entities))
        };
        let message = format!("there is no table `{name}`");
        let at = reader.place_of(name);
        Problem::new("cvm::plan::unknown_table", &reader.file, at, message, help)
    }
}

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
}

/// Plans a SQL table; where that fails its contract stands in, so that what reads it is checked all the same.
async fn check_sql(
    compiling: &mut Compiling<'_>,
    name: &str,
    node: &Node,
    values: &BTreeMap<String, ParameterValue>,
) -> Option<CheckedSql> {
    let table = compiling.catalogue.tables.get(name)?.clone();
    let contract = table.contract?;
    let promised = schema_of(&contract);
    let Some(parsed) = &node.parsed else {
        declare(compiling, name, promised);
        return None;
    };
    let mut statement = parsed.statement.clone();
    let unknown = parameters::bind(&mut statement, values);
    for parameter in &unknown {
        let at = sql::find_word(&table.sql, &format!("${parameter}"));
        compiling.problems.push(Problem::new(
            "cvm::plan::parameter",
            &table.sql,
            at,
            format!("there is no parameter `${parameter}`"),
            did_you_mean(parameter, values.keys().map(String::as_str)),
        ));
    }
    if !unknown.is_empty() {
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
                compiling
                    .problems
                    .push(super::rules::sql_problem(&table.sql, &error));
            }
            declare(compiling, name, promised);
            return None;
        }
    };
    let before = compiling.problems.len();
    if let Ok(Some(function)) = compiling.session.impure_function(&plan) {
        compiling.problems.push(Problem::new(
            "cvm::plan::impure",
            &table.sql,
            sql::find_word(&table.sql, &function),
            format!("`{function}` gives another value in every run"),
            "a run must be repeatable: read `$as_of` instead of the clock, and draw no numbers",
        ));
    }
    super::rules::compare_with_contract(compiling, name, plan.schema().as_arrow(), &contract);
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
    })
}
