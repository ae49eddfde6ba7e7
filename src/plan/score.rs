//! Scores: the scorer exists, its parameters fit, its name is free.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::score::{CheckedScorer, Parameters, ValueSettings};
use crate::spec::Project;
use crate::spec::pipeline::{Score, ScoreFile};
use crate::spec::problem::{At, Problem, SourceText, did_you_mean};
use crate::spec::yaml::{Spanned, decode};

use super::check::is_name;
use super::compile::Compiling;
use super::{RESERVED_TABLES, Settings};

impl CheckedScore {
    /// The tables that it reads: what it scores first.
    pub(super) fn inputs(&self) -> Vec<String> {
        let others = self.checked.other_inputs();
        std::iter::once(self.input.value.clone())
            .chain(others.into_iter().map(|(table, _)| table))
            .collect()
    }
}

/// A score whose parameters were checked.
pub(super) struct CheckedScore {
    /// The file that declares it.
    pub(super) file: Arc<SourceText>,
    pub(super) at: At,
    pub(super) input: Spanned<String>,
    pub(super) scorer: &'static str,
    /// Its parameters and what the pipeline says of value, as text.
    pub(super) declared: String,
    pub(super) checked: Arc<dyn CheckedScorer>,
    /// Whether it comes with the SQL: such a score needs no reader.
    pub(super) is_default: bool,
}

/// A score as it is declared.
struct Declared {
    name: String,
    file: Arc<SourceText>,
    score: Spanned<Score>,
    is_default: bool,
}

const FOLDER: &str = "sql/scores/";

pub(super) fn check(
    compiling: &mut Compiling<'_>,
    project: &Project,
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
    for declared in declared(compiling, project) {
        check_name(compiling, &declared);
        if let Some(checked) = build(compiling, &declared, &value) {
            scores.insert(declared.name, checked);
        }
    }
    scores
}

/// The pipeline's own scores, and those that come with the SQL and have no other of their name.
fn declared(compiling: &mut Compiling<'_>, project: &Project) -> Vec<Declared> {
    let own = compiling.pipeline.scores.clone().into_iter();
    let mut declared: Vec<Declared> = own
        .map(|(name, score)| Declared {
            name,
            file: Arc::clone(&compiling.file),
            score,
            is_default: false,
        })
        .collect();
    for file in project.files() {
        let stem = file.path.strip_prefix(FOLDER);
        let Some(name) = stem.and_then(|stem| stem.strip_suffix(".yml")) else {
            continue;
        };
        match decode::<ScoreFile>(file, &|_| None) {
            Ok(score) if score.score.value != name => {
                let message = format!(
                    "the score is `{}`, but the file is named `{name}`",
                    score.score.value
                );
                let (at, help) = (score.score.at, "rename one of the two");
                let problem = Problem::new("cvm::plan::score", file, at, message, help);
                compiling.problems.push(problem);
            }
            Ok(score) if !compiling.pipeline.scores.contains_key(name) => declared.push(Declared {
                name: name.to_owned(),
                file: Arc::clone(file),
                score: score.declaration,
                is_default: true,
            }),
            Ok(_) => {}
            Err(found) => compiling.problems.extend(found),
        }
    }
    declared
}

fn check_name(compiling: &mut Compiling<'_>, declared: &Declared) {
    let name = &declared.name;
    let (message, help) = if !is_name(name) || RESERVED_TABLES.contains(&name.as_str()) {
        (
            format!("a score cannot be named `{name}`"),
            "start with a lower-case letter; rows_set_aside, model_fits and model_calibration are taken",
        )
    } else if let Some(table) = compiling.catalogue.tables.get(name) {
        (
            format!("the score `{name}` has the name of {}", table.sql.path),
            "rename the score or the file",
        )
    } else {
        return;
    };
    let (file, at) = (&declared.file, declared.score.at);
    let problem = Problem::new("cvm::plan::score", file, at, message, help);
    compiling.problems.push(problem);
}

fn build(
    compiling: &mut Compiling<'_>,
    declared: &Declared,
    value: &ValueSettings,
) -> Option<CheckedScore> {
    let Declared { file, score, .. } = declared;
    let scorer_name = &score.value.scorer;
    let Some(scorer) = compiling.registry.scorer(&scorer_name.value) else {
        let known = compiling.registry.scorers();
        let names: Vec<_> = known.map(|scorer| scorer.name()).collect();
        let help = did_you_mean(&scorer_name.value, names);
        let message = format!("there is no scorer `{}`", scorer_name.value);
        let code = "cvm::plan::scorer";
        let problem = Problem::new(code, file, scorer_name.at, message, help);
        compiling.problems.push(problem);
        return None;
    };
    let mut parameters = Parameters::new(&score.value.parameters);
    match scorer.build(&mut parameters, value) {
        Ok(checked) => Some(CheckedScore {
            file: Arc::clone(file),
            at: score.at,
            input: score.value.input.clone(),
            scorer: scorer.name(),
            declared: format!("{:?} {value:?}", score.value.parameters),
            checked: Arc::from(checked),
            is_default: declared.is_default,
        }),
        Err(errors) => {
            for error in errors {
                let written = error.parameter.as_ref();
                let written = written.and_then(|name| score.value.parameters.get(name));
                let at = written.map_or(score.at, |value| value.at);
                let (message, help) = (error.message, error.help);
                let code = "cvm::plan::score_parameter";
                let problem = Problem::new(code, file, at, message, help);
                compiling.problems.push(problem);
            }
            None
        }
    }
}
