//! A scheme of rules: read against the contract of its input, and proven.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::plan::ParameterValue;
use crate::spec::problem::{At, Problem, SourceText, did_you_mean};
use crate::spec::scheme::SchemeRule;
use crate::spec::table::TableFile;
use crate::spec::yaml::Spanned;

use super::axis::{Axis, Column};
use super::condition::{Reading, Test};
use super::proof::{Finding, MOST_CELLS, prove};
use super::sql::Branch;

/// Rules whose conditions were read.
pub(super) struct Rules {
    columns: Vec<Column>,
    rules: Vec<Rule>,
}

struct Rule {
    segment: String,
    at: At,
    /// The column by its index, and what it must hold.
    tests: Vec<(usize, Test, At)>,
}

impl Rules {
    /// Reads the conditions of `rules` on the columns of `contract`.
    ///
    /// # Errors
    /// Every condition that cannot be read.
    pub(super) fn read(
        file: &Arc<SourceText>,
        rules: &[Spanned<SchemeRule>],
        contract: &TableFile,
        parameters: &BTreeMap<String, ParameterValue>,
    ) -> Result<Self, Vec<Problem>> {
        let mut columns: Vec<Column> = Vec::new();
        let mut problems = Vec::new();
        let mut read = Vec::new();
        for rule in rules {
            let mut tests = Vec::new();
            for (name, condition) in &rule.value.when {
                let mut fault = |message: String, help: String| {
                    let code = "cvm::plan::scheme_condition";
                    problems.push(Problem::new(code, file, condition.at, message, help));
                };
                let Some(declared) = contract.columns.get(name) else {
                    let help = did_you_mean(name, contract.columns.keys().map(String::as_str));
                    let table = &contract.table.value;
                    fault(format!("`{table}` has no column `{name}`"), help);
                    continue;
                };
                let known = columns.iter().position(|column| column.name == *name);
                let index = known.unwrap_or_else(|| {
                    columns.push(Column::of(name, &declared.value));
                    columns.len() - 1
                });
                let Some(column) = columns.get(index) else {
                    continue;
                };
                let reading = Reading { column, parameters };
                match reading.test(&condition.value) {
                    Ok(test) => tests.push((index, test, condition.at)),
                    Err(misfit) => fault(misfit.message, misfit.help),
                }
            }
            read.push(Rule {
                segment: rule.value.segment.value.clone(),
                at: rule.at,
                tests,
            });
        }
        if problems.is_empty() {
            let rules = read;
            Ok(Self { columns, rules })
        } else {
            Err(problems)
        }
    }

    /// The number of combinations of cells, each of which lies under exactly one rule.
    ///
    /// # Errors
    /// What is missing, what overlaps, what never holds.
    pub(super) fn prove(
        &self,
        file: &Arc<SourceText>,
        scheme: &Spanned<String>,
    ) -> Result<usize, Vec<Problem>> {
        let axes: Vec<Axis> = self
            .columns
            .iter()
            .enumerate()
            .map(|(index, column)| {
                let tests = self.rules.iter().map(|rule| rule.test(index));
                Axis::cut(column, &tests.collect::<Vec<_>>())
            })
            .collect();
        let looks_at = |rule: usize, axis: usize| {
            let rule = self.rules.get(rule);
            rule.is_some_and(|rule| rule.test(axis).is_some())
        };
        let (cells, findings) = prove(self.rules.len(), &axes, &looks_at);
        if findings.is_empty() {
            return Ok(cells);
        }
        let problem = |finding| self.problem(file, scheme, finding);
        Err(findings.into_iter().filter_map(problem).collect())
    }

    fn problem(
        &self,
        file: &Arc<SourceText>,
        scheme: &Spanned<String>,
        finding: Finding,
    ) -> Option<Problem> {
        let name = &scheme.value;
        let rows = |witness: String| {
            if witness.is_empty() {
                "any customer".to_owned()
            } else {
                witness
            }
        };
        let (at, message, help) = match finding {
            Finding::Gap { witness } => (
                scheme.at,
                format!("no rule of `{name}` holds for {}", rows(witness)),
                "add a rule that does, or widen one; `minimum`, `maximum` and `required` of the input's \
                 contract say what is possible",
            ),
            Finding::Overlap {
                first,
                second,
                witness,
            } => {
                let (first, second) = (self.rules.get(first)?, self.rules.get(second)?);
                let message = format!(
                    "the rules `{}` (line {}) and `{}` (line {}) both hold for {}",
                    first.segment,
                    first.at.line,
                    second.segment,
                    second.at.line,
                    rows(witness)
                );
                (
                    second.at,
                    message,
                    "narrow one of the two: of a scheme's rules exactly one holds",
                )
            }
            Finding::Never { rule, column } => {
                let rule = self.rules.get(rule)?;
                let at = rule.tests.iter().find(|(index, ..)| {
                    self.columns
                        .get(*index)
                        .is_some_and(|known| known.name == column)
                });
                let message = format!(
                    "the rule `{}` never holds: no possible `{column}` meets its condition",
                    rule.segment
                );
                let help = "mend the condition, or remove the rule; a range is written from its low end to its high \
                            end";
                (at.map_or(rule.at, |(_, _, at)| *at), message, help)
            }
            Finding::TooMany { cells } => (
                scheme.at,
                format!(
                    "the rules of `{name}` make {cells} combinations of values, more than the {MOST_CELLS} that are \
                     looked through"
                ),
                "look at fewer columns or bounds, or work the segment out in SQL and name its `table`",
            ),
        };
        Some(Problem::new(
            "cvm::plan::scheme_proof",
            file,
            at,
            message,
            help,
        ))
    }

    /// The rules as SQL wants them.
    pub(super) fn branches(&self) -> Vec<Branch<'_>> {
        self.rules
            .iter()
            .map(|rule| Branch {
                segment: &rule.segment,
                tests: rule
                    .tests
                    .iter()
                    .filter_map(|(index, test, _)| Some((self.columns.get(*index)?, test)))
                    .collect(),
            })
            .collect()
    }

    /// The segments, each once, in the order of the rules.
    pub(super) fn segments(&self) -> Vec<String> {
        let mut segments: Vec<String> = Vec::new();
        for rule in &self.rules {
            if !segments.contains(&rule.segment) {
                segments.push(rule.segment.clone());
            }
        }
        segments
    }

    pub(super) fn len(&self) -> usize {
        self.rules.len()
    }
}

impl Rule {
    fn test(&self, column: usize) -> Option<&Test> {
        self.tests
            .iter()
            .find(|(index, ..)| *index == column)
            .map(|(_, test, _)| test)
    }
}
