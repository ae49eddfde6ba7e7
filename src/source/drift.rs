//! The columns of an object held against those that are declared.

use std::fmt;

use super::cell::shown;
use super::error::SourceError;
use super::table::Table;
use crate::spec::source::SchemaDrift;

/// So many new columns are told by name. There are files of hundreds of thousands, and the reason stands beside each of their rows
/// that is set aside.
const TOLD: usize = 10;

/// How the columns of an object differ from those that are declared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Drift {
    /// Declared columns that are not there.
    pub(crate) missing: Vec<String>,
    /// Columns that are not declared.
    pub(crate) new: Vec<String>,
    /// Columns of another type: name, the type there, the declared one.
    pub(crate) retyped: Vec<(String, String, String)>,
}

/// What follows for an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Its rows are read.
    Read,
    /// Its rows are set aside for this reason.
    SetAside(String),
}

impl Drift {
    /// How the columns that are `there` differ from those of `table`, types aside.
    pub(crate) fn between(table: &Table, there: &[String]) -> Self {
        let declared = table.columns.iter().map(|column| &column.name);
        let missing = declared.filter(|name| !there.contains(name)).cloned();
        let is_new = |name: &&String| !table.columns.iter().any(|column| column.name == **name);
        Self {
            missing: missing.collect(),
            new: there.iter().filter(is_new).cloned().collect(),
            retyped: Vec::new(),
        }
    }

    /// What the policy of `table` says of an object that differs so.
    ///
    /// # Errors
    /// [`SourceError::Drift`] where it is refused.
    pub(crate) fn judge(self, table: &Table, file: &str) -> Result<Verdict, SourceError> {
        if self == Self::default() {
            return Ok(Verdict::Read);
        }
        let only_new = self.missing.is_empty() && self.retyped.is_empty();
        match table.tolerance.schema_drift {
            SchemaDrift::IgnoreNew if only_new => {
                table.tally.warn(
                    file,
                    format!(
                        "{}: columns that are not declared are ignored: {}",
                        table.source,
                        list(&self.new)
                    ),
                );
                Ok(Verdict::Read)
            }
            SchemaDrift::SetAside => Ok(Verdict::SetAside(self.to_string())),
            SchemaDrift::Refuse | SchemaDrift::IgnoreNew => Err(SourceError::Drift {
                table: table.source.to_string(),
                file: file.to_owned(),
                changes: self.to_string(),
            }),
        }
    }
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        let renamed = |name: &str| {
            let closest = self.new.iter().max_by(|a, b| {
                let near = |other: &str| strsim::jaro_winkler(name, other);
                near(a).total_cmp(&near(b))
            });
            let lone = self.missing.len() == 1 && self.new.len() == 1;
            closest.filter(|new| lone || strsim::jaro_winkler(name, new) > 0.85)
        };
        for name in &self.missing {
            parts.push(match renamed(name) {
                Some(new) => format!("`{name}` is missing (is it {} now?)", shown(new)),
                None => format!("`{name}` is missing"),
            });
        }
        for (name, found, declared) in &self.retyped {
            parts.push(format!(
                "`{name}` is {found}, which cannot be read as {declared} without loss"
            ));
        }
        match self.new.as_slice() {
            [] => {}
            [one] => parts.push(format!("{} is new", shown(one))),
            several => parts.push(format!("{} are new", list(several))),
        }
        f.write_str(&parts.join("; "))
    }
}

fn list(names: &[String]) -> String {
    let told: Vec<String> = names.iter().take(TOLD).map(|name| shown(name)).collect();
    match names.len().saturating_sub(TOLD) {
        0 => told.join(", "),
        more => format!("{} and at least {more} more", told.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drift(missing: &[&str], new: &[&str]) -> String {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let drift = Drift {
            missing: owned(missing),
            new: owned(new),
            retyped: Vec::new(),
        };
        drift.to_string()
    }

    #[test]
    fn a_column_that_may_have_been_renamed_is_asked_for() {
        assert_eq!(drift(&["total"], &[]), "`total` is missing");
        assert_eq!(
            drift(&["total"], &["amount"]),
            "`total` is missing (is it `amount` now?); `amount` is new"
        );
        assert_eq!(
            drift(&["customer_id", "total"], &["customerid", "zone"]),
            "`customer_id` is missing (is it `customerid` now?); `total` is missing; `customerid`, `zone` are new"
        );
    }
}
