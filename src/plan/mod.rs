//! Spec → Plan: what the user wrote, proven. Reads no data.
//!
//! A [`Plan`] in hand means: every name resolves, every SQL stage type-checks against what it reads, contracts,
//! layer rules and parameters hold, nothing goes round in a circle. Whoever runs it checks none of this again.

mod catalogue;
mod check;
mod compile;
mod contract_checks;
mod declared_checks;
mod definitions;
mod entity;
mod graph;
mod incremental;
pub mod lineage;
pub mod parameters;
mod planned_check;
mod relationship;
pub mod render;
mod rules;
pub mod scheme;
mod score;
mod source_checks;
mod sql;
mod type_check;
mod uses;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::TableReference;
use datafusion::sql::parser::Statement;
use indexmap::IndexMap;
use sha2::{Digest, Sha256};

use crate::score::{CheckedScorer, ValueSettings};
use crate::source::Tolerance;
use crate::spec::declared_store::StoreDeclaration;
use crate::spec::pipeline::Measure;
use crate::spec::problem::Problem;
use crate::spec::source::RawTable;
use crate::spec::table::TableFile;

pub use compile::compile;
pub use contract_checks::{BrokenRows, rows_that_break};
pub use definitions::defaults;
use lineage::TableLineage;
pub use parameters::ParameterValue;
pub use planned_check::{CheckKind, PlannedCheck, check_results_schema};
pub use scheme::ProvenScheme;

/// The schema, in SQL, of the canonical entities.
pub const ENTITIES: &str = "entities";
/// The table of rows that did not fit their contract; every run publishes it.
pub const ROWS_SET_ASIDE: &str = "rows_set_aside";
/// The table of what was fitted; every run with scores publishes it.
pub const MODEL_FITS: &str = "model_fits";

/// The table of predictions held against what came; every run with scores publishes it.
pub const MODEL_CALIBRATION: &str = "model_calibration";
/// The table of what every check found; every run publishes it.
pub const CHECK_RESULTS: &str = "check_results";
/// The tables that cvm itself makes.
pub const RESERVED_TABLES: [&str; 4] =
    [ROWS_SET_ASIDE, MODEL_FITS, MODEL_CALIBRATION, CHECK_RESULTS];

/// A fault in what the user wrote; [`Problem`] under the name that planning gives it.
pub type PlanError = Problem;

/// A proven pipeline.
pub struct Plan {
    /// The pipeline's name.
    pub pipeline: String,
    /// What it is for.
    pub description: String,
    /// What the pipeline says of time and value.
    pub settings: Settings,
    /// The values that SQL reads as `$name`, without [`parameters::DATES`], which a run gives.
    pub parameters: BTreeMap<String, ParameterValue>,
    /// Object stores by name.
    pub stores: IndexMap<String, StoreDeclaration>,
    /// The raw tables that are read.
    pub sources: Vec<PlannedSource>,
    /// Everything between raw tables and outputs, each after what it reads.
    pub stages: Vec<PlannedStage>,
    /// The segmentation schemes, where a table of the pipeline reads them.
    pub schemes: Vec<ProvenScheme>,
    /// The checks that are made, in the order of their stages.
    pub checks: Vec<PlannedCheck>,
    /// What is published.
    pub outputs: Vec<PlannedOutput>,
    /// The store that is written to.
    pub output_store: String,
    /// The folder below that store's URL.
    pub output_path: String,
    /// How many past runs are kept.
    pub retain: u32,
    /// What is allowed and yet likely a mistake.
    pub warnings: Vec<Problem>,
    /// SHA-256 over everything that decides what a run computes, the input data and `$as_of` aside.
    pub fingerprint: String,
}

/// What the pipeline says of time and value.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The IANA zone that says what a day is.
    pub timezone: chrono_tz::Tz,
    /// The ISO 4217 code of the currency.
    pub currency: String,
    /// What counts as value.
    pub measure: Measure,
    /// Horizon and discount rate.
    pub value: ValueSettings,
}

/// A raw table that the pipeline reads.
#[derive(Debug, Clone)]
pub struct PlannedSource {
    /// `<system>.<table>`.
    pub name: String,
    /// The store it lies in.
    pub store: String,
    /// Path, format and columns.
    pub table: RawTable,
    /// What it may have that is not as declared.
    pub tolerance: Tolerance,
    /// How often it is read.
    pub uses: usize,
}

/// The layer of a table, which says what it may read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Layer {
    /// A raw table, as it lies in a store.
    Raw,
    /// One raw table, renamed, cast and cleaned.
    Staging,
    /// A canonical entity: the union of the staging tables bound to it.
    Entity,
    /// A business step that marts and scores share.
    Intermediate,
    /// A table made by a scorer.
    Score,
    /// What readers see.
    Mart,
    /// The rows that break a rule, of which there should be none.
    Check,
}

impl Layer {
    /// The name in messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw table",
            Self::Staging => "staging table",
            Self::Entity => "entity",
            Self::Intermediate => "intermediate table",
            Self::Score => "score",
            Self::Mart => "mart",
            Self::Check => "check",
        }
    }
}

/// One table between the raw ones and the outputs.
pub struct PlannedStage {
    /// The table's name as SQL says it: `customers`, `entities.orders`.
    pub name: String,
    /// Its layer.
    pub layer: Layer,
    /// The tables it reads.
    pub inputs: Vec<String>,
    /// Its columns.
    pub schema: SchemaRef,
    /// What it promises.
    pub contract: Option<Arc<TableFile>>,
    /// What its columns come from.
    pub lineage: TableLineage,
    /// How often it is worked out where it is a view: by outputs and by tables written down.
    pub uses: usize,
    /// How it is made.
    pub work: Work,
    /// The raw table that it groups, where its groups are kept in parts, one for each object.
    pub in_parts_of: Option<String>,
}

impl PlannedStage {
    /// Whether the table may be written down between stages: it is used more than once, or scored. A run still
    /// leaves it a view where reading it again costs no more than reading it back.
    ///
    /// An entity is a view over staging tables, which are written down themselves where it matters.
    pub fn is_materialised(&self, scored: bool) -> bool {
        match self.work {
            Work::Sql(_) => self.uses > 1 || scored,
            Work::Score { .. } => true,
            Work::Union(_) => false,
        }
    }
}

/// How a table is made.
pub enum Work {
    /// By a SQL statement, parameters not yet bound.
    Sql(Box<Statement>),
    /// By uniting staging tables by column name.
    Union(Vec<String>),
    /// By a scorer.
    Score {
        /// The scorer's name.
        scorer: &'static str,
        /// All that decides what it computes, its input aside: its parameters and what the pipeline says of value.
        declared: String,
        /// The scorer, its parameters checked.
        checked: Arc<dyn CheckedScorer>,
    },
}

/// A table that readers see.
#[derive(Debug, Clone)]
pub struct PlannedOutput {
    /// The table.
    pub table: String,
    /// What it promises; its key sorts the published rows.
    pub contract: Arc<TableFile>,
}

impl Plan {
    /// The stage that makes `name`.
    pub fn stage(&self, name: &str) -> Option<&PlannedStage> {
        self.stages.iter().find(|stage| stage.name == name)
    }

    /// `names` and all tables, raw ones too, that they are made of.
    pub fn needed_for<'a>(&'a self, names: impl IntoIterator<Item = &'a str>) -> BTreeSet<&'a str> {
        let mut needed: BTreeSet<&str> = names.into_iter().collect();
        // A stage comes after what it reads.
        for stage in self.stages.iter().rev() {
            if needed.contains(stage.name.as_str()) {
                needed.extend(stage.inputs.iter().map(String::as_str));
            }
        }
        needed
    }

    /// What makes the outputs among `names` and holds what they are made of to its checks, and nothing else. Its fingerprint stays
    /// that of the whole.
    #[must_use]
    pub fn only(mut self, names: &BTreeSet<String>) -> Self {
        let needed = self.needed_for(names.iter().map(String::as_str));
        let mut needed: BTreeSet<String> = needed.into_iter().map(str::to_owned).collect();
        let checks = self.checks_of(&needed);
        needed.extend(checks);
        self.outputs.retain(|output| names.contains(&output.table));
        self.stages.retain(|stage| needed.contains(&stage.name));
        self.sources.retain(|source| needed.contains(&source.name));
        self.checks.retain(|check| needed.contains(&check.name));
        self
    }

    /// The checks that ask of at least one of `tables`, and else of them and of raw tables alone, with all that they read. What is made
    /// for checks alone counts as what it is made of.
    fn checks_of(&self, tables: &BTreeSet<String>) -> BTreeSet<String> {
        let for_checks = self.made_for_checks();
        let mut about: BTreeSet<&str> = tables.iter().map(String::as_str).collect();
        let mut there = about.clone();
        there.extend(self.sources.iter().map(|source| source.name.as_str()));
        // A stage comes after what it reads.
        for stage in &self.stages {
            let reads = |tables: &BTreeSet<&str>, input: &String| tables.contains(input.as_str());
            let mut inputs = stage.inputs.iter();
            if !for_checks.contains(stage.name.as_str())
                || !inputs.all(|input| reads(&there, input))
            {
                continue;
            }
            there.insert(&stage.name);
            if stage.inputs.iter().any(|input| reads(&about, input)) {
                about.insert(&stage.name);
            }
        }
        let checks = self.checks.iter().map(|check| check.name.as_str());
        let checks = checks.filter(|check| about.contains(check));
        let read = self.needed_for(checks);
        read.into_iter().map(str::to_owned).collect()
    }

    /// The checks, and the tables that are made for nothing but checks.
    fn made_for_checks(&self) -> BTreeSet<&str> {
        let mut for_checks: BTreeSet<&str> = BTreeSet::new();
        // Who reads a stage comes after it.
        for stage in self.stages.iter().rev() {
            let is_output = self.outputs.iter().any(|output| output.table == stage.name);
            let mut readers = self.stages.iter();
            let is_read_otherwise = readers.any(|reader| {
                reader.inputs.contains(&stage.name) && !for_checks.contains(reader.name.as_str())
            });
            if stage.layer == Layer::Check || !is_output && !is_read_otherwise {
                for_checks.insert(&stage.name);
            }
        }
        for_checks
    }

    /// The entities that `name` needs, directly or not, and that nothing is bound to; in the order of the stages.
    pub fn unbound_entities(&self, name: &str) -> Vec<&str> {
        let mut needed: BTreeSet<&str> = BTreeSet::from([name]);
        let mut unbound = Vec::new();
        // A stage comes after what it reads.
        for stage in self.stages.iter().rev() {
            if needed.contains(stage.name.as_str()) {
                needed.extend(stage.inputs.iter().map(String::as_str));
                if stage.layer == Layer::Entity && stage.inputs.is_empty() {
                    let bare = stage.name.split_once('.').map(|(_, entity)| entity);
                    unbound.extend(bare);
                }
            }
        }
        unbound.reverse();
        unbound
    }

    /// Whether a scorer reads `name`.
    pub fn is_scored(&self, name: &str) -> bool {
        self.stages.iter().any(|stage| {
            matches!(stage.work, Work::Score { .. })
                && stage.inputs.iter().any(|input| input == name)
        })
    }

    /// Whether the pipeline has scores, and so publishes `model_fits` and `model_calibration`.
    pub fn has_scores(&self) -> bool {
        self.stages.iter().any(|stage| stage.layer == Layer::Score)
    }
}

/// `name` as the engine refers to a table.
pub fn table_reference(name: &str) -> TableReference {
    match name.split_once('.') {
        Some((schema, table)) => TableReference::partial(schema, table),
        None => TableReference::bare(name),
    }
}

/// Hex SHA-256 over parts, each with its length, so that no two lists of parts look the same.
pub(crate) fn fingerprint<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_le_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
