//! What is wrong with a file, from where parsing or decoding stopped to the [`Problem`] that the user reads.
//!
//! Each problem has a code, a place and a help. A value that the environment gave is not quoted by a fault at
//! that value.

use std::fmt;
use std::sync::Arc;

use serde::de;

use super::tree::{Node, Step};
use crate::spec::problem::{At, Problem, SourceText, did_you_mean};

/// What is wrong, kept apart as far as the help for it differs.
#[derive(Debug)]
pub(super) enum FaultKind {
    Unknown(String, &'static [&'static str]),
    Missing(&'static str),
    Other(String),
}

/// What decoding stopped at. The innermost decoder that sees it adds the path.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) kind: FaultKind,
    pub(super) path: Option<Vec<Step>>,
    /// The place of the key, when the fault is the key and not what it holds.
    pub(super) at_key: Option<At>,
}

impl Fault {
    /// The fault with `path`, unless it has one already.
    pub(super) fn within(mut self, path: &[Step]) -> Self {
        self.path.get_or_insert_with(|| path.to_vec());
        self
    }

    pub(super) fn into_problem(self, file: &Arc<SourceText>, root: &Node) -> Problem {
        let node = root.find(self.path.as_deref().unwrap_or_default());
        let at = self.at_key.or(node.map(|node| node.at)).unwrap_or_default();
        let problem =
            |code, message: String, help: String| Problem::new(code, file, at, message, help);
        match self.kind {
            FaultKind::Unknown(key, expected) => problem(
                "cvm::spec::unknown_key",
                format!("unknown key `{key}`"),
                did_you_mean(&key, expected.iter().copied()),
            ),
            FaultKind::Missing(key) => problem(
                "cvm::spec::missing_key",
                format!("the key `{key}` is missing"),
                format!("add `{key}:` here"),
            ),
            FaultKind::Other(_) if node.is_some_and(|node| node.from_environment) => problem(
                "cvm::spec::environment",
                "the value that the environment gives does not fit here".to_owned(),
                "look at the variable that this line names".to_owned(),
            ),
            FaultKind::Other(message) => problem(
                "cvm::spec::wrong_value",
                message,
                "change the value".to_owned(),
            ),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            FaultKind::Unknown(key, _) => write!(f, "unknown key `{key}`"),
            FaultKind::Missing(key) => write!(f, "the key `{key}` is missing"),
            FaultKind::Other(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for Fault {}

impl de::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self {
            kind: FaultKind::Other(message.to_string()),
            path: None,
            at_key: None,
        }
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self {
            kind: FaultKind::Unknown(field.to_owned(), expected),
            path: None,
            at_key: None,
        }
    }

    fn missing_field(field: &'static str) -> Self {
        Self {
            kind: FaultKind::Missing(field),
            path: None,
            at_key: None,
        }
    }
}

/// The fault of a file that is not YAML.
pub(super) fn syntax_problem(file: &Arc<SourceText>, error: &serde_saphyr::Error) -> Problem {
    let at = error
        .location()
        .map(|location| At {
            line: usize::try_from(location.line()).unwrap_or_default(),
            column: usize::try_from(location.column()).unwrap_or_default(),
        })
        .unwrap_or_default();
    let error = error.without_snippet();
    let (message, help) = if let serde_saphyr::Error::DuplicateMappingKey { key, .. } = error {
        let key = key.as_ref().map(|key| format!("`{key}`"));
        let key = key.unwrap_or_else(|| "a key".to_owned());
        (format!("{key} is there twice"), "keep one")
    } else {
        let message = error.to_string();
        let first_line = message.lines().next().unwrap_or("the file is not YAML");
        (first_line.to_owned(), "mend the YAML here")
    };
    Problem::new("cvm::spec::syntax", file, at, message, help)
}
