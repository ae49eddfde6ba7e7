//! What tables are made of, as addresses: two tables of one address hold the same rows.
//!
//! An address is a fingerprint of all that decides what a table holds: this very build of cvm, the declaration or the statement with its
//! parameters, and the addresses of what it reads; of raw tables the objects. A table that something undecided goes into has none.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::time::UNIX_EPOCH;

use crate::plan::{
    ParameterValue, Plan, PlannedSource, PlannedStage, Work, fingerprint, parameters,
};
use crate::publish::{ObjectManifest, SourceManifest};
use crate::score::FitContext;
use crate::stage::Promises;

/// The addresses of a run's tables.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    /// Empty where it cannot be told which build this is: then nothing has an address.
    build: String,
    of_tables: BTreeMap<String, String>,
    /// What decides a table's rows but for the objects that they are read from.
    shapes: BTreeMap<String, String>,
}

impl Addresses {
    /// No addresses yet.
    pub(super) fn new() -> Self {
        Self {
            build: build().unwrap_or_default(),
            of_tables: BTreeMap::new(),
            shapes: BTreeMap::new(),
        }
    }

    /// The address of a table.
    pub(super) fn of(&self, table: &str) -> Option<&String> {
        self.of_tables.get(table)
    }

    /// The address of `what` is made of a table.
    pub(super) fn of_made(&self, what: &str, table: &str) -> Option<String> {
        let table = self.of(table)?;
        Some(fingerprint([self.build.as_str(), what, table]))
    }

    /// The address of what `stage` makes of a slice of a raw table, which it reads alone.
    pub(super) fn of_part(&self, stage: &str, slice: &str) -> Option<String> {
        let shape = self.shapes.get(stage)?;
        Some(fingerprint([self.build.as_str(), "part", shape, slice]))
    }

    /// Notes a raw table; returns the addresses of its slices.
    pub(super) fn add_source(
        &mut self,
        source: &PlannedSource,
        url: &str,
        found: &SourceManifest,
        slices: &[Range<usize>],
    ) -> Vec<Option<String>> {
        // Checks are made of what was read.
        let read = source.table.as_read();
        let declared = format!("{read:?} {:?}", source.tolerance);
        let shape = fingerprint([source.name.as_str(), &declared, url]);
        self.shapes.insert(source.name.clone(), shape);
        let address = |slice: &Range<usize>| {
            if self.build.is_empty() {
                return None;
            }
            let objects = found.objects.get(slice.clone())?.iter().map(identity);
            let objects = objects.collect::<Option<Vec<String>>>()?;
            let made_of = ["raw", &self.build, &source.name, &declared, url];
            let objects = objects.iter().map(String::as_str);
            Some(fingerprint(made_of.into_iter().chain(objects)))
        };
        let of_slices: Vec<Option<String>> = slices.iter().map(address).collect();
        if let Some(all) = of_slices.iter().cloned().collect::<Option<Vec<String>>>() {
            let address = fingerprint(all.iter().map(String::as_str));
            self.of_tables.insert(source.name.clone(), address);
        }
        of_slices
    }

    /// Notes the stages of a plan, whose raw tables are noted.
    pub(super) fn add_stages(
        &mut self,
        plan: &Plan,
        values: &BTreeMap<String, ParameterValue>,
        days: &FitContext,
        threads: usize,
    ) {
        if self.build.is_empty() {
            return;
        }
        for stage in &plan.stages {
            let made = made_by(stage, values, days, threads);
            for known in [&mut self.of_tables, &mut self.shapes] {
                let of_inputs = stage.inputs.iter().map(|input| known.get(input));
                let Some(of_inputs) = of_inputs.collect::<Option<Vec<_>>>() else {
                    continue;
                };
                let inputs = stage.inputs.iter().zip(of_inputs);
                let inputs = inputs.flat_map(|(input, address)| [input.as_str(), address]);
                let parts = [self.build.as_str(), stage.name.as_str(), &made];
                let address = fingerprint(parts.into_iter().chain(inputs));
                known.insert(stage.name.clone(), address);
            }
        }
    }
}

/// All that decides what a stage makes of its inputs.
fn made_by(
    stage: &PlannedStage,
    values: &BTreeMap<String, ParameterValue>,
    days: &FitContext,
    threads: usize,
) -> String {
    let work = match &stage.work {
        Work::Sql(statement) => {
            let mut statement = statement.as_ref().clone();
            parameters::bind(&mut statement, values);
            let contract = stage.contract.as_deref();
            let key = contract.and_then(|file| file.key.first());
            let key = key.map(|key| &key.value);
            // Rows that are written down were held to it.
            let promises = contract.and_then(Promises::of);
            // How the rows lie depends on the threads.
            format!("sql {threads} {key:?} {promises:?} {statement}")
        }
        Work::Union(tables) => format!("union {tables:?}"),
        Work::Score {
            scorer, declared, ..
        } => format!("score {scorer} {days:?} {declared}"),
    };
    format!("{work} {:?}", stage.schema.fields())
}

/// What tells the content of an object from any other; none where nothing does.
fn identity(object: &ObjectManifest) -> Option<String> {
    let content = match (&object.sha256, &object.e_tag, &object.version) {
        (Some(sha256), ..) => sha256.clone(),
        (None, None, None) => return None,
        (None, tag, version) => format!("{tag:?} {version:?} {}", object.last_modified),
    };
    Some(format!("{} {} {content}", object.path, object.bytes))
}

/// Tells this build from any other: a version is built many times while cvm is worked on.
fn build() -> Option<String> {
    let binary = fs::metadata(std::env::current_exe().ok()?).ok()?;
    let built = binary.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    let (version, bytes) = (env!("CARGO_PKG_VERSION"), binary.len());
    Some(format!("{version} {bytes} {}", built.as_nanos()))
}
