//! The parameters of a score as its scorer reads them.

use std::collections::BTreeSet;

use indexmap::IndexMap;

use super::error::BuildError;
use crate::spec::Spanned;
use crate::spec::pipeline::Scalar;
use crate::spec::problem::did_you_mean;

/// Parameters by name; those that were asked for are remembered, so that the rest can be told as unknown.
pub struct Parameters<'a> {
    given: &'a IndexMap<String, Spanned<Scalar>>,
    asked: BTreeSet<&'static str>,
    errors: Vec<BuildError>,
}

impl<'a> Parameters<'a> {
    /// The parameters that stand in the pipeline file.
    pub fn new(given: &'a IndexMap<String, Spanned<Scalar>>) -> Self {
        Self {
            given,
            asked: BTreeSet::new(),
            errors: Vec::new(),
        }
    }

    /// The value of `name`, one of `choices`; `default` where it is not given.
    pub fn choice(
        &mut self,
        name: &'static str,
        choices: &[&'static str],
        default: &'static str,
    ) -> &'static str {
        self.asked.insert(name);
        let Some(given) = self.given.get(name) else {
            return default;
        };
        let text = given.value.to_string();
        if let Some(choice) = choices.iter().find(|choice| **choice == text) {
            return choice;
        }
        self.errors.push(BuildError {
            parameter: Some(name.to_owned()),
            message: format!("`{text}` is no {name}"),
            help: did_you_mean(&text, choices.iter().copied()),
        });
        default
    }

    /// The values of `name`, a choice or a list of different ones; `default` alone where it is not given.
    pub fn choices(
        &mut self,
        name: &'static str,
        choices: &[&'static str],
        default: &'static str,
    ) -> Vec<&'static str> {
        self.asked.insert(name);
        let given = match self.given.get(name).map(|given| &given.value) {
            None => return vec![default],
            Some(Scalar::List(values)) => values.clone(),
            Some(value) => vec![value.clone()],
        };
        let mut chosen = Vec::new();
        let mut fault = |message: String, help: String| {
            self.errors.push(BuildError {
                parameter: Some(name.to_owned()),
                message,
                help,
            });
        };
        for value in &given {
            let text = value.to_string();
            match choices.iter().find(|choice| **choice == text) {
                Some(choice) if chosen.contains(choice) => {
                    let help = "name each once".to_owned();
                    fault(format!("`{text}` is named twice under {name}"), help);
                }
                Some(choice) => chosen.push(*choice),
                None => {
                    let help = did_you_mean(&text, choices.iter().copied());
                    fault(format!("`{text}` is no {name}"), help);
                }
            }
        }
        if given.is_empty() {
            fault(
                format!("no {name} is named"),
                format!("leave it out for {default}"),
            );
        }
        chosen
    }

    /// The name of a table; `default` where it is not given.
    pub fn table(&mut self, name: &'static str, default: &str) -> String {
        self.asked.insert(name);
        match self.given.get(name).map(|given| &given.value) {
            None => default.to_owned(),
            Some(Scalar::Text(table)) => table.clone(),
            Some(_) => {
                self.errors.push(BuildError {
                    parameter: Some(name.to_owned()),
                    message: format!("`{name}` is not the name of a table"),
                    help: format!("leave it out for {default}"),
                });
                default.to_owned()
            }
        }
    }

    /// The value of `name` as a number in `range`; `default` where it is not given.
    pub fn number(
        &mut self,
        name: &'static str,
        range: std::ops::RangeInclusive<f64>,
        default: f64,
    ) -> f64 {
        self.asked.insert(name);
        let value = match self.given.get(name).map(|given| &given.value) {
            None => return default,
            Some(Scalar::Number(value)) => *value,
            Some(Scalar::Integer(value)) => *value as f64,
            Some(_) => f64::NAN,
        };
        if range.contains(&value) {
            return value;
        }
        self.errors.push(BuildError {
            parameter: Some(name.to_owned()),
            message: format!(
                "`{name}` is not a number from {} to {}",
                range.start(),
                range.end()
            ),
            help: format!("leave it out for {default}"),
        });
        default
    }

    /// The value of `name` as a whole number in `range`; `default` where it is not given.
    pub fn whole(
        &mut self,
        name: &'static str,
        range: std::ops::RangeInclusive<u64>,
        default: Option<u64>,
    ) -> Option<u64> {
        self.asked.insert(name);
        let value = match self.given.get(name).map(|given| &given.value) {
            None => return default,
            Some(Scalar::Integer(value)) => u64::try_from(*value).ok(),
            Some(_) => None,
        };
        if let Some(value) = value.filter(|value| range.contains(value)) {
            return Some(value);
        }
        let (least, most) = (range.start(), range.end());
        self.errors.push(BuildError {
            parameter: Some(name.to_owned()),
            message: format!("`{name}` is not a whole number from {least} to {most}"),
            help: default.map_or_else(
                || "leave it out to have it chosen".to_owned(),
                |default| format!("leave it out for {default}"),
            ),
        });
        default
    }

    /// The different names of columns under `name`, one or a list; none where it is not given.
    pub fn columns(&mut self, name: &'static str) -> Vec<String> {
        self.asked.insert(name);
        let given = match self.given.get(name).map(|given| &given.value) {
            None => return Vec::new(),
            Some(Scalar::List(values)) => values.clone(),
            Some(value) => vec![value.clone()],
        };
        let mut columns: Vec<String> = Vec::new();
        for value in given {
            let message = match value {
                Scalar::Text(column) if !is_column(&column) => {
                    format!("`{column}` is no name of a column")
                }
                Scalar::Text(column) if columns.contains(&column) => {
                    format!("`{column}` is named twice under {name}")
                }
                Scalar::Text(column) => {
                    columns.push(column);
                    continue;
                }
                other => format!("`{other}` is no name of a column"),
            };
            self.refuse(
                name,
                message,
                "name columns of the score's input, each once",
            );
        }
        columns
    }

    /// Refuses the value of a parameter that was read.
    pub fn refuse(&mut self, name: &'static str, message: String, help: &str) {
        self.errors.push(BuildError {
            parameter: self.given.contains_key(name).then(|| name.to_owned()),
            message,
            help: help.to_owned(),
        });
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// Every parameter that did not fit, and every one that was never asked for.
    pub fn finish(&mut self) -> Result<(), Vec<BuildError>> {
        let mut errors = std::mem::take(&mut self.errors);
        for name in self.given.keys() {
            if !self.asked.contains(name.as_str()) {
                errors.push(BuildError {
                    parameter: Some(name.clone()),
                    message: format!("the scorer has no parameter `{name}`"),
                    help: did_you_mean(name, self.asked.iter().copied()),
                });
            }
        }
        if errors.is_empty() {
            Ok(())
        } else {
            Err(errors)
        }
    }
}

/// Whether a column of a contract can have that name.
fn is_column(name: &str) -> bool {
    let mut letters = name.chars();
    letters
        .next()
        .is_some_and(|first| first.is_ascii_lowercase())
        && letters.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}
