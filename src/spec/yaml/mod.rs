//! YAML files into typed values, with the place of each value and *every* fault of a file at once.
//!
//! serde stops at the first fault. So a file is first read into a tree of nodes; then the tree is decoded,
//! and whenever that fails the fault is noted, the faulty node is cut out, or a missing one is stood in for, and
//! decoding starts again. Files are a page long, so the repetition costs nothing.

mod access;
mod deserializer;
mod environment;
mod fault;
mod spanned;
mod tree;

use std::sync::Arc;

use serde::de::DeserializeOwned;

use self::deserializer::NodeDecoder;
use self::fault::{FaultKind, syntax_problem};
use self::tree::{Node, Step};
use super::problem::{Problem, SourceText};

pub use self::environment::Environment;
pub use self::spanned::Spanned;

/// Of more faults the first are told: each is found by decoding once more.
const MOST_FAULTS: usize = 100;

/// Decodes `file` into `T`.
///
/// # Errors
/// Every fault of the file, or the first hundred of them: syntax, unknown, missing or duplicate keys, wrong types, variables without a value.
pub fn decode<T: DeserializeOwned>(
    file: &Arc<SourceText>,
    environment: Environment<'_>,
) -> Result<T, Vec<Problem>> {
    let mut root = Node::parse(&file.text).map_err(|error| vec![syntax_problem(file, &error)])?;
    let mut problems = Vec::new();
    root.substitute(environment, &mut |at, name| {
        if problems.len() == MOST_FAULTS {
            return;
        }
        let (message, remedy) = match name.strip_prefix("file:") {
            Some(path) => (
                format!("the file `{path}` is empty or cannot be read"),
                "mount it there",
            ),
            None => (
                format!("the environment variable `{name}` is not set"),
                "set it",
            ),
        };
        problems.push(Problem::new(
            "cvm::spec::environment",
            file,
            at,
            message,
            format!("{remedy}, or give a default: `${{{name}:-default}}`"),
        ));
    });
    let mut cut: Vec<Vec<Step>> = Vec::new();
    while problems.len() < MOST_FAULTS {
        let fault = match T::deserialize(NodeDecoder {
            node: &root,
            path: Vec::new(),
        }) {
            Ok(value) if problems.is_empty() => return Ok(value),
            Ok(_) => break,
            Err(fault) => fault,
        };
        let path = fault.path.clone().unwrap_or_default();
        let stands_in = root.is_within_stand_in(&path);
        if let FaultKind::Missing(key) = fault.kind {
            let mut child = path.clone();
            child.push(Step::Key(key.to_owned()));
            let follows_from_a_cut = cut.contains(&child);
            if !stands_in && !follows_from_a_cut {
                problems.push(fault.into_problem(file, &root));
            }
            if root.stand_in(&path, key) {
                continue;
            }
            break;
        }
        // What no value can stand in for ends the search, as do faults of the whole file.
        if stands_in {
            break;
        }
        problems.push(fault.into_problem(file, &root));
        if path.is_empty() || !root.cut(&path) {
            break;
        }
        cut.push(path);
    }
    problems.sort_by_key(|problem| problem.at);
    Err(problems)
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
