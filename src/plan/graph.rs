//! What reads what: the graph of a pipeline, from its SQL's own table references.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::spec::problem::{At, Problem, SourceText, did_you_mean};

use super::compile::Compiling;
use super::score::CheckedScore;
use super::sql::{self, ParsedSql};
use super::{
    CheckKind, ENTITIES, Layer, ParameterValue, PlannedCheck, RESERVED_TABLES, ROWS_SET_ASIDE,
    contract_checks, declared_checks, entity, scheme,
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
        walk.visit_checks(compiling);
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

    /// Follows the checks below `sql/checks`, and those of all tables that the outputs or checks need.
    fn visit_checks(&mut self, compiling: &mut Compiling<'_>) {
        let reader = Reader {
            file: Arc::clone(&compiling.file),
            at: Some(At::default()),
        };
        let mut asked = 0;
        self.visit_checks_of_tables(compiling, &reader, &mut asked);
        let sources = &compiling.sources;
        let files = compiling
            .catalogue
            .checks(|name| sources.contains_key(name));
        for name in files {
            self.visit(compiling, &name, &reader);
            let (table, max_share) = self.is_about(compiling, &name);
            compiling.checks.push(PlannedCheck {
                name,
                table,
                kind: CheckKind::Sql,
                max_share,
            });
        }
        self.visit_checks_of_tables(compiling, &reader, &mut asked);
    }

    /// Follows what the contracts of tables ask, from the one at `asked` in the order; a check may need tables that nothing else does.
    fn visit_checks_of_tables(
        &mut self,
        compiling: &mut Compiling<'_>,
        reader: &Reader,
        asked: &mut usize,
    ) {
        while let Some(table) = self.order.get(*asked).cloned() {
            *asked += 1;
            let is_check = |node: &Node| node.layer == Layer::Check;
            if self.nodes.get(&table).is_some_and(is_check) {
                continue;
            }
            let declared = declared_checks::enter(compiling, &table);
            let promised = contract_checks::enter(compiling, &table);
            for check in declared.into_iter().chain(promised) {
                self.visit(compiling, &check, reader);
            }
        }
    }

    /// The table that a check below `sql/checks` says it is about, and the share of its rows that may break it.
    fn is_about(
        &self,
        compiling: &mut Compiling<'_>,
        check: &str,
    ) -> (Option<String>, Option<f64>) {
        let entered = compiling.catalogue.tables.get(check);
        let declared = entered.and_then(|entered| {
            let declared = entered.contract.as_ref()?.check.clone()?;
            Some((declared, entered.contract_file.clone()?))
        });
        let Some((declared, file)) = declared else {
            return (None, None);
        };
        if let Some(table) = &declared.table {
            let read = self.read_by(check);
            if !read.contains(table.value.as_str()) {
                compiling.problems.push(Problem::new(
                    "cvm::plan::check",
                    &file,
                    table.at,
                    format!(
                        "the check `{check}` is about `{}`, but does not read it",
                        table.value
                    ),
                    did_you_mean(&table.value, read),
                ));
            }
        }
        let table = declared.table.map(|table| table.value);
        (table, declared.max_share.map(|share| share.value))
    }

    /// All tables that `name` reads, directly or through others.
    fn read_by<'n>(&'n self, name: &'n str) -> BTreeSet<&'n str> {
        let mut read = BTreeSet::new();
        let mut next = vec![name];
        while let Some(name) = next.pop() {
            for input in self
                .nodes
                .get(name)
                .into_iter()
                .flat_map(|node| &node.inputs)
            {
                if read.insert(input.as_str()) {
                    next.push(input);
                }
            }
        }
        read
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
        let table = compiling.catalogue.tables.get(name)?;
        let layer = table.layer;
        let own = match &table.declared_at {
            Some((file, at)) => Reader {
                file: Arc::clone(file),
                at: Some(*at),
            },
            None => Reader {
                file: Arc::clone(&file),
                at: None,
            },
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
                compiling.problems.push(table.placed(problem));
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
        } else if name == ROWS_SET_ASIDE {
            "every run makes it itself, after all that SQL reads; how many rows may be set aside says `max_bad_share`".to_owned()
        } else if RESERVED_TABLES.contains(&name) {
            "every run makes it itself, after all that SQL reads".to_owned()
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
