//! What is read and how often, which decides what is written down between stages.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::spec::problem::Problem;

use super::compile::{Compiling, DeclaredSource};
use super::graph::Graph;
use super::{ENTITIES, Layer, PlannedSource};

impl Graph {
    /// Notes what is declared and never read.
    pub(super) fn warn_of_unread(&self, compiling: &mut Compiling<'_>) {
        let read = |name: &str| self.nodes.contains_key(name);
        let mut warnings = Vec::new();
        for (name, binding) in &compiling.pipeline.entities {
            if !read(&format!("{ENTITIES}.{name}")) {
                let message = format!("no output reads the entity `{name}`");
                let help = "publish a mart that reads it, or remove the binding";
                let code = "cvm::plan::unreachable";
                warnings.push(Problem::new(
                    code,
                    &compiling.file,
                    binding.at,
                    message,
                    help,
                ));
            }
        }
        // A source file serves several pipelines: one that reads none of its tables is likely a mistake.
        for (name, source) in &compiling.sources {
            let same_file = |other: &&DeclaredSource| Arc::ptr_eq(&other.file, &source.file);
            let mut siblings = compiling.sources.values().filter(same_file);
            if !siblings.any(|sibling| read(&sibling.planned.name)) {
                let message = format!("no output reads the raw table `{name}`");
                let help = "bind a staging table that reads it, or remove the source file";
                let code = "cvm::plan::unreachable";
                warnings.push(Problem::new(code, &source.file, source.at, message, help));
            }
        }
        compiling.warnings.extend(warnings);
    }

    /// The raw tables that are read, by name.
    pub(super) fn read_sources(&self, compiling: &mut Compiling<'_>) -> Vec<PlannedSource> {
        let uses = self.uses(compiling);
        let sources = std::mem::take(&mut compiling.sources);
        let read = sources
            .into_iter()
            .filter(|(name, _)| self.nodes.contains_key(name));
        read.map(|(name, declared)| {
            let uses = uses.get(&name).copied().unwrap_or_default();
            PlannedSource {
                uses,
                ..declared.planned
            }
        })
        .collect()
    }

    /// How often each table is worked out: once for each output and each time that a table written down goes over it,
    /// directly or through views.
    pub(super) fn uses(&self, compiling: &Compiling<'_>) -> BTreeMap<String, usize> {
        let mut uses: BTreeMap<String, usize> = BTreeMap::new();
        for table in &compiling.pipeline.outputs.tables {
            *uses.entry(table.value.clone()).or_default() += 1;
        }
        for (name, node) in &self.nodes {
            if node.layer == Layer::Check {
                *uses.entry(name.clone()).or_default() += 1;
            }
        }
        let scored = |name: &str| {
            let mut scores = self
                .nodes
                .values()
                .filter(|node| node.layer == Layer::Score);
            scores.any(|node| node.inputs.iter().any(|input| input == name))
        };
        let is_output = |name: &str| {
            let mut outputs = compiling.pipeline.outputs.tables.iter();
            outputs.any(|output| output.value == name)
        };
        // Whatever reads a table comes after it in the order.
        for name in self.order.iter().rev() {
            let Some(node) = self.nodes.get(name) else {
                continue;
            };
            let own = uses.get(name).copied().unwrap_or_default();
            let written = match node.layer {
                Layer::Score => true,
                Layer::Raw | Layer::Entity => false,
                _ => own > 1 || scored(name),
            };
            let scans = self.scans.get(name);
            for input in &node.inputs {
                // A check reads what was written of a published table.
                if node.layer == Layer::Check && is_output(input) {
                    continue;
                }
                let scans = scans.and_then(|scans| scans.get(input)).copied();
                let times = if written { 1 } else { own };
                *uses.entry(input.clone()).or_default() += times * scans.unwrap_or(1);
            }
        }
        uses
    }
}
