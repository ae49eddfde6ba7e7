//! `cvm list`.

use super::arguments::{ListArguments, Listed};
use super::{CliError, console};
use crate::engine::functions;
use crate::score::Registry;
use crate::source::FORMATS;
use crate::spec::problem::Problem;
use crate::spec::{ParametersFile, Project, SchemeFile, TableFile, yaml};

pub(super) fn list(arguments: &ListArguments, registry: &Registry) -> Result<(), CliError> {
    let text = match arguments.what {
        Listed::Scorers => registry
            .scorers()
            .map(|scorer| entry(scorer.name(), scorer.description(), scorer.example()))
            .collect(),
        Listed::Formats => FORMATS
            .iter()
            .map(|format| entry(format.name, format.summary, format.example))
            .collect(),
        Listed::Entities => tables("sql/entities/")?,
        Listed::Marts => tables("sql/marts/")?,
        Listed::Schemes => schemes()?,
        Listed::Functions => sql_functions(),
        Listed::Parameters => parameters()?,
    };
    console::out(&text)
}

fn entry(name: &str, description: &str, example: &str) -> String {
    let example: String = example
        .lines()
        .map(|line| format!("    {line}\n"))
        .collect();
    format!("{name}\n  {description}\n{example}\n")
}

/// How each SQL function is called, and the first sentence on what it does.
fn sql_functions() -> String {
    let documented = functions::documented().into_iter();
    documented
        .filter_map(|(_, documentation)| documentation)
        .map(|function| {
            let (first, stop) = match function.description.split_once(". ") {
                Some((first, _)) => (first, "."),
                None => (function.description.as_str(), ""),
            };
            format!("{}\n  {first}{stop}\n\n", function.syntax_example)
        })
        .collect()
}

/// The definitions that come with the SQL: name, type, default, range, description.
fn parameters() -> Result<String, CliError> {
    let project = Project::shipped(std::path::PathBuf::new());
    let mut text = String::new();
    let folder = |path: &str| path.starts_with("sql/parameters/") && path.ends_with(".yml");
    for file in project.files().filter(|file| folder(&file.path)) {
        let topic = yaml::decode::<ParametersFile>(file, &|_| None).map_err(CliError::Problems)?;
        if let Some(description) = &topic.description {
            text.push_str(&format!(
                "# {}: {}\n\n",
                topic.topic.value,
                description.trim()
            ));
        }
        for (name, declared) in &topic.parameters {
            let declared = &declared.value;
            let mut range = String::new();
            if let Some(minimum) = &declared.minimum {
                range.push_str(&format!(", at least {minimum}"));
            }
            if let Some(maximum) = &declared.maximum {
                range.push_str(&format!(", at most {maximum}"));
            }
            if let Some(values) = &declared.values {
                range.push_str(&format!(", one of {}", values.join(", ")));
            }
            text.push_str(&format!(
                "{name}: {} ({}{range})\n  {}\n\n",
                declared.default,
                declared.sql_type,
                declared.description.trim()
            ));
        }
    }
    Ok(text)
}

/// The shipped tables of a folder: name, grain, description, columns.
fn tables(folder: &str) -> Result<String, CliError> {
    let project = Project::shipped(std::path::PathBuf::new());
    let mut text = String::new();
    let mut problems: Vec<Problem> = Vec::new();
    for file in project.files() {
        if !file.path.starts_with(folder) || !file.path.ends_with(".yml") {
            continue;
        }
        match yaml::decode::<TableFile>(file, &|_| None) {
            Ok(table) => {
                text.push_str(&format!(
                    "{} — {}\n  {}\n",
                    table.table.value,
                    table.grain,
                    table.description.trim()
                ));
                let columns: Vec<&str> = table.columns.keys().map(String::as_str).collect();
                text.push_str(&format!("  {}\n\n", columns.join(", ")));
            }
            Err(found) => problems.extend(found),
        }
    }
    if problems.is_empty() {
        Ok(text)
    } else {
        Err(CliError::Problems(problems))
    }
}

/// The shipped schemes: name, what they look at, description, segments.
fn schemes() -> Result<String, CliError> {
    let project = Project::shipped(std::path::PathBuf::new());
    let mut text = String::new();
    let mut problems: Vec<Problem> = Vec::new();
    for file in project.files() {
        if !file.path.starts_with("sql/schemes/") || !file.path.ends_with(".yml") {
            continue;
        }
        match yaml::decode::<SchemeFile>(file, &|_| None) {
            Ok(scheme) => text.push_str(&told(&scheme)),
            Err(found) => problems.extend(found),
        }
    }
    if problems.is_empty() {
        Ok(text)
    } else {
        Err(CliError::Problems(problems))
    }
}

fn told(scheme: &SchemeFile) -> String {
    let rules = scheme.rules.as_ref().map(|rules| &rules.value);
    let mut segments: Vec<&str> = Vec::new();
    for rule in rules.into_iter().flatten() {
        if !segments.contains(&rule.value.segment.value.as_str()) {
            segments.push(&rule.value.segment.value);
        }
    }
    let reads = scheme.input.as_ref().or(scheme.table.as_ref());
    let reads = reads.map_or("", |table| table.value.as_str());
    let (name, description) = (&scheme.scheme.value, scheme.description.trim());
    let segments = match rules {
        Some(rules) => format!("{} by {} rules", segments.join(", "), rules.len()),
        None => "the segments that the table tells".to_owned(),
    };
    format!("{name} — reads {reads}\n  {description}\n  {segments}\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_told_by_signature_and_first_sentence() {
        let text = sql_functions();
        assert_eq!(text.split_terminator("\n\n").count(), 31);
        assert!(
            text.contains(
                "\n\nbg_nbd_probability_alive(r, alpha, a, b, frequency, recency_age, customer_age)\n  \
                 The probability that a customer of this history still is one at customer_age, by BG/NBD.\n\n"
            ),
            "{text}"
        );
        // Each has one line of each.
        for function in text.split_terminator("\n\n") {
            let lines: Vec<&str> = function.lines().collect();
            assert_eq!(lines.len(), 2, "{function}");
            assert!(
                lines[0].ends_with(')') && lines[1].ends_with('.'),
                "{function}"
            );
        }
    }
    #[test]
    fn schemes_are_told_by_what_they_read_and_their_segments() {
        let text = schemes().unwrap();
        let expected = "stuck_at_orders — reads int_customers_featured\n  \
                        Customers who have made exactly stuck_at_orders orders, and no more.\n  \
                        member, not_member by 2 rules\n\n";
        assert!(text.contains(expected), "{text}");
    }
}
