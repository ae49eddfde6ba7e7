//! `${NAME}` and `${NAME:-default}` in the texts of a file; `${file:PATH}` is a name like any other, which whoever
//! gives the environment looks up in a file.
//!
//! A variable that is empty counts as not set. Substitution comes after parsing and is done once, in values
//! and not in keys: what a variable holds stays one text, and can neither change the structure of the file
//! nor name a further variable. A `${` that is never closed stays as it is written.

use super::tree::{Node, Value};
use crate::spec::problem::At;

/// How the environment is asked for a variable; a function so that tests need no process state.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Node {
    /// Replaces `${NAME}` and `${NAME:-default}` in every text below.
    pub(super) fn substitute(
        &mut self,
        environment: Environment<'_>,
        missing: &mut dyn FnMut(At, &str),
    ) {
        match &mut self.value {
            Value::Text(text) if text.contains("${") => {
                let at = self.at;
                *text = substitute_text(text, environment, &mut |name| missing(at, name));
                self.from_environment = true;
            }
            Value::List(items) => items
                .iter_mut()
                .for_each(|n| n.substitute(environment, missing)),
            Value::Map(entries) => {
                entries
                    .iter_mut()
                    .for_each(|(_, n)| n.substitute(environment, missing));
            }
            _ => {}
        }
    }
}

fn substitute_text(
    text: &str,
    environment: Environment<'_>,
    missing: &mut dyn FnMut(&str),
) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        out.push_str(before);
        let Some((inside, tail)) = after.split_once('}') else {
            out.push_str("${");
            rest = after;
            continue;
        };
        let (name, default) = match inside.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inside, None),
        };
        match environment(name).filter(|value| !value.is_empty()) {
            Some(value) => out.push_str(&value),
            None => match default {
                Some(default) => out.push_str(default),
                None => missing(name),
            },
        }
        rest = tail;
    }
    out.push_str(rest);
    out
}
