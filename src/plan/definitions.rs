//! The values that SQL reads as `$name`: what every pipeline says of itself, the definitions that come with the SQL, and
//! those of the pipeline's own. Dates are added by whoever runs it: see [`dates`](super::parameters::dates).

use std::collections::BTreeMap;
use std::sync::Arc;

use indexmap::IndexMap;

use crate::spec::parameters::{ParameterDeclaration, ParametersFile};
use crate::spec::pipeline::{Parameter, Scalar};
use crate::spec::problem::{At, Problem, SourceText, did_you_mean};
use crate::spec::yaml::{Spanned, decode};
use crate::spec::{Project, SqlType};

use super::ParameterValue;
use super::check::is_name;
use super::compile::Compiling;
use super::parameters::DATES;

const FOLDER: &str = "sql/parameters/";
const GIVEN: &str = "cvm gives as_of, holdout_start, currency, measure, horizon_days, annual_discount_rate and timezone itself";

/// A definition that comes with the SQL, whose default is a value of its type and range.
#[derive(Debug, Clone)]
pub(super) struct Definition {
    declaration: ParameterDeclaration,
    default: ParameterValue,
}

/// All values but the dates.
pub(super) fn values(
    compiling: &mut Compiling<'_>,
    project: &Project,
) -> BTreeMap<String, ParameterValue> {
    let mut values = given(compiling);
    let shipped = shipped(project, &mut compiling.problems, &values);
    for (name, definition) in &shipped {
        values.insert(name.clone(), definition.default.clone());
    }
    for (name, Spanned { value, at }) in compiling.pipeline.parameters.clone() {
        match (value, shipped.get(&name)) {
            (Parameter::Setting(scalar), Some(definition)) => {
                match value_of(&scalar, &definition.declaration) {
                    Ok(value) => {
                        values.insert(name, value);
                    }
                    Err(fault) => {
                        let message = format!("the parameter `{name}` cannot be {scalar}: {fault}");
                        let help = definition.declaration.description.clone();
                        compiling.fault("cvm::plan::parameter", at, message, help);
                    }
                }
            }
            (Parameter::Own(_), Some(_)) => compiling.fault(
                "cvm::plan::parameter",
                at,
                format!("the parameter `{name}` comes with the SQL and has its type"),
                format!("write the value alone, as in `{name}: …`, or choose another name"),
            ),
            (Parameter::Setting(_), None) if values.contains_key(&name) => {
                reserved(compiling, &name, at);
            }
            (Parameter::Setting(scalar), None) => {
                let names = shipped.keys().map(String::as_str);
                let hint = did_you_mean(&name, names);
                let hint = if hint.starts_with("did") {
                    hint
                } else {
                    String::new()
                };
                let own = format!(
                    "one of your own has a type: `{name}: {{ type: {}, value: {scalar} }}`",
                    type_of(&scalar)
                );
                let help = if hint.is_empty() {
                    own
                } else {
                    format!("{hint}; {own}")
                };
                let message = format!("no parameter `{name}` comes with the SQL");
                compiling.fault("cvm::plan::parameter", at, message, help);
            }
            (Parameter::Own(own), None) => {
                if values.contains_key(&name) || DATES.contains(&name.as_str()) || !is_name(&name) {
                    reserved(compiling, &name, at);
                    continue;
                }
                match ParameterValue::parse(&own.value, own.sql_type) {
                    Some(value) => {
                        values.insert(name, value);
                    }
                    None => compiling.fault(
                        "cvm::plan::parameter",
                        at,
                        format!("the value of the parameter `{name}` is no {}", own.sql_type),
                        "change the value or the type",
                    ),
                }
            }
        }
    }
    values
}

fn reserved(compiling: &mut Compiling<'_>, name: &str, at: At) {
    let message = format!("a parameter cannot be named `{name}`");
    compiling.fault("cvm::plan::parameter", at, message, GIVEN);
}

/// What the pipeline says of itself.
fn given(compiling: &Compiling<'_>) -> BTreeMap<String, ParameterValue> {
    let pipeline = &compiling.pipeline;
    let value = &pipeline.value.value;
    let zone = pipeline.timezone.as_ref();
    let zone = zone.map_or("UTC", |zone| zone.value.as_str());
    [
        (
            "currency",
            ParameterValue::Varchar(value.currency.value.clone()),
        ),
        (
            "measure",
            ParameterValue::Varchar(value.measure.name().to_owned()),
        ),
        (
            "horizon_days",
            ParameterValue::Bigint(value.horizon_days.value),
        ),
        (
            "annual_discount_rate",
            ParameterValue::Double(value.annual_discount_rate.value),
        ),
        ("timezone", ParameterValue::Varchar(zone.to_owned())),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

/// The definitions below `sql/parameters`.
fn shipped(
    project: &Project,
    problems: &mut Vec<Problem>,
    given: &BTreeMap<String, ParameterValue>,
) -> IndexMap<String, Definition> {
    let mut shipped = IndexMap::new();
    for (file, topic) in files(project) {
        let parsed = match decode::<ParametersFile>(file, &|_| None) {
            Ok(parsed) => parsed,
            Err(found) => {
                problems.extend(found);
                continue;
            }
        };
        let mut fault = |at, message: String, help: &str| {
            problems.push(Problem::new(
                "cvm::plan::parameter",
                file,
                at,
                message,
                help,
            ));
        };
        if parsed.topic.value != topic {
            let message = format!(
                "the topic is `{}`, but the file is named `{topic}`",
                parsed.topic.value
            );
            fault(parsed.topic.at, message, "rename one of the two");
        }
        for (name, Spanned { value, at }) in parsed.parameters {
            if given.contains_key(&name) || DATES.contains(&name.as_str()) || !is_name(&name) {
                fault(at, format!("a parameter cannot be named `{name}`"), GIVEN);
                continue;
            }
            let default = match value_of(&value.default, &value) {
                Ok(default) => default,
                Err(told) => {
                    let message = format!(
                        "the default of `{name}` cannot be {}: {told}",
                        value.default
                    );
                    fault(at, message, "change the default, its type or its range");
                    continue;
                }
            };
            let definition = Definition {
                declaration: value,
                default,
            };
            if shipped.insert(name.clone(), definition).is_some() {
                let message = format!("the parameter `{name}` is declared twice");
                fault(
                    at,
                    message,
                    "a parameter belongs to one topic: remove one of the two",
                );
            }
        }
    }
    shipped
}

/// The defaults of the definitions below `sql/parameters` of a project whose files are sound; of others what is sound.
pub fn defaults(project: &Project) -> BTreeMap<String, ParameterValue> {
    let shipped = shipped(project, &mut Vec::new(), &BTreeMap::new());
    let defaults = shipped.into_iter();
    defaults
        .map(|(name, definition)| (name, definition.default))
        .collect()
}

/// The files below `sql/parameters`, each with its topic.
fn files(project: &Project) -> impl Iterator<Item = (&Arc<SourceText>, &str)> {
    project.files().filter_map(|file| {
        let topic = file.path.strip_prefix(FOLDER)?.strip_suffix(".yml")?;
        Some((file, topic))
    })
}

/// `scalar` as a value of the declared type and range, or what is wrong with it.
fn value_of(scalar: &Scalar, declared: &ParameterDeclaration) -> Result<ParameterValue, String> {
    let value = ParameterValue::parse(scalar, declared.sql_type)
        .ok_or_else(|| format!("it is no {}", declared.sql_type))?;
    if let (Some(number), Some(minimum)) = (number_of(scalar), declared.minimum.as_ref())
        && number_of(minimum).is_some_and(|least| number < least)
    {
        return Err(format!("the least is {minimum}"));
    }
    if let (Some(number), Some(maximum)) = (number_of(scalar), declared.maximum.as_ref())
        && number_of(maximum).is_some_and(|most| number > most)
    {
        return Err(format!("the most is {maximum}"));
    }
    match (&declared.values, scalar) {
        (Some(values), Scalar::Text(text)) if !values.contains(text) => {
            Err(format!("it is one of {}", values.join(", ")))
        }
        _ => Ok(value),
    }
}

fn number_of(scalar: &Scalar) -> Option<f64> {
    match scalar {
        Scalar::Integer(value) => Some(*value as f64),
        Scalar::Number(value) => Some(*value),
        _ => None,
    }
}

/// The type that a value of one's own most likely has.
fn type_of(scalar: &Scalar) -> SqlType {
    match scalar {
        Scalar::Boolean(_) => SqlType::Boolean,
        Scalar::Integer(_) => SqlType::Bigint,
        Scalar::Number(_) => SqlType::Double,
        Scalar::Text(_) | Scalar::List(_) => SqlType::Varchar,
    }
}
