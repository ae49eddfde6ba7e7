//! Scores: the scorer exists, its parameters fit, its name is free.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::score::{CheckedScorer, Parameters, ValueSettings};
use crate::spec::problem::{At, did_you_mean};

use super::check::is_name;
use super::compile::Compiling;
use super::{RESERVED_TABLES, Settings};

impl CheckedScore {
    /// The tables that it reads: what it scores first.
    pub(super) fn inputs(&self) -> Vec<String> {
        let others = self.checked.other_inputs();
        std::iter::once(self.input.clone())
            .chain(others.into_iter().map(|(table, _)| table))
            .collect()
    }
}

/// A score whose parameters were checked.
pub(super) struct CheckedScore {
    pub(super) at: At,
    pub(super) input: String,
    pub(super) scorer: &'static str,
    pub(super) checked: Arc<dyn CheckedScorer>,
}

pub(super) fn check(
    compiling: &mut Compiling<'_>,
    settings: Option<&Settings>,
) -> BTreeMap<String, CheckedScore> {
    let value = settings.map_or(
        ValueSettings {
            horizon_days: 365,
            annual_discount_rate: 0.1,
            validation: None,
        },
        |known| known.value,
    );
    let mut scores = BTreeMap::new();
    for (name, entry) in compiling.pipeline.scores.clone() {
        if !is_name(&name) || RESERVED_TABLES.contains(&name.as_str()) {
            let help = "start with a lower-case letter; rows_set_aside, model_fits and model_calibration are taken";
            compiling.fault(
                "cvm::plan::score",
                entry.at,
                format!("a score cannot be named `{name}`"),
                help,
            );
        } else if let Some(table) = compiling.catalogue.tables.get(&name) {
            let message = format!("the score `{name}` has the name of {}", table.sql.path);
            compiling.fault(
                "cvm::plan::score",
                entry.at,
                message,
                "rename the score or the file",
            );
        }
        let scorer_name = &entry.value.scorer;
        let Some(scorer) = compiling.registry.scorer(&scorer_name.value) else {
            let names: Vec<_> = compiling
                .registry
                .scorers()
                .map(|scorer| scorer.name())
                .collect();
            let help = did_you_mean(&scorer_name.value, names);
            let message = format!("there is no scorer `{}`", scorer_name.value);
            compiling.fault("cvm::plan::scorer", scorer_name.at, message, help);
            continue;
        };
        let mut parameters = Parameters::new(&entry.value.parameters);
        match scorer.build(&mut parameters, &value) {
            Ok(checked) => {
                let score = CheckedScore {
                    at: entry.at,
                    input: entry.value.input.value.clone(),
                    scorer: scorer.name(),
                    checked: Arc::from(checked),
                };
                scores.insert(name, score);
            }
            Err(errors) => {
                for error in errors {
                    let at = error
                        .parameter
                        .as_ref()
                        .and_then(|name| entry.value.parameters.get(name))
                        .map_or(entry.at, |value| value.at);
                    compiling.fault("cvm::plan::score_parameter", at, error.message, error.help);
                }
            }
        }
    }
    scores
}
