//! The columns of an object held against those that are declared.

use std::fmt;

use super::cell::{Column, shown};
use super::error::SourceError;
use super::table::Table;
use crate::spec::SqlType;
use crate::spec::source::SchemaDrift;

/// So many new columns are told by name. There are files of hundreds of thousands, and the reason stands beside each of their rows
/// that is set aside.
const TOLD: usize = 10;
/// Fewer values may all be slips; how many of these may be is for `max_bad_share` to say.
const RETYPED_VALUES: u64 = 10;

/// How the columns of an object differ from those that are declared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Drift {
    /// Declared columns that are not there.
    pub(crate) missing: Vec<String>,
    /// Columns that are not declared.
    pub(crate) new: Vec<String>,
    /// Columns of another type: name, the type there, the declared one.
    pub(crate) retyped: Vec<(String, String, String)>,
    /// Columns of text none of whose values fits.
    pub(crate) unfit: Vec<Unfit>,
}

/// A column of text none of whose values fits the declared type. Text tells no types: this is how another one shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unfit {
    /// The declared column.
    pub(crate) column: String,
    /// The declared type.
    pub(crate) declared: SqlType,
    /// How many values it has.
    pub(crate) values: u64,
    /// The line of the first.
    pub(crate) line: u64,
    /// Why that does not fit.
    pub(crate) reason: String,
}

/// How the values of an object of text fit the declared columns.
#[derive(Debug)]
pub(crate) struct Fits {
    columns: Vec<Fit>,
}

#[derive(Debug, Clone, Default)]
struct Fit {
    /// Whether any value fits. Others are no longer counted then.
    any: bool,
    misfits: u64,
    /// The line and the reason of the first value that does not fit.
    first: Option<(u64, String)>,
}

impl Fits {
    /// Of so many declared columns, none of which has a value yet.
    pub(crate) fn new(columns: usize) -> Self {
        Self {
            columns: vec![Fit::default(); columns],
        }
    }

    /// Notes a value that fits its column.
    pub(crate) fn fit(&mut self, column: usize) {
        if let Some(fit) = self.columns.get_mut(column) {
            fit.any = true;
        }
    }

    /// Notes a value that does not.
    pub(crate) fn misfit(&mut self, column: usize, line: u64, reason: &str) {
        let fit = self.columns.get_mut(column);
        if let Some(fit) = fit.filter(|fit| !fit.any) {
            fit.misfits += 1;
            if fit.first.is_none() {
                fit.first = Some((line, reason.to_owned()));
            }
        }
    }

    /// Those of the declared columns none of whose values fits, where there are enough to tell.
    pub(crate) fn unfit(&self, declared: &[Column]) -> Vec<Unfit> {
        let mut unfit = Vec::new();
        for (column, fit) in declared.iter().zip(&self.columns) {
            if let Some((line, reason)) = &fit.first
                && !fit.any
                && fit.misfits >= RETYPED_VALUES
            {
                unfit.push(Unfit {
                    column: column.name.clone(),
                    declared: column.sql_type,
                    values: fit.misfits,
                    line: *line,
                    reason: reason.clone(),
                });
            }
        }
        unfit
    }
}

/// What a value of this type is, for a sentence.
pub(crate) fn one_of(sql_type: SqlType) -> String {
    match sql_type {
        SqlType::Varchar => "text".to_owned(),
        other => format!("a {other}"),
    }
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
            ..Self::default()
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
        match table.tolerance.schema_drift {
            SchemaDrift::IgnoreNew if self.is_only_new() => {
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
                remedy: self.remedy(),
            }),
        }
    }

    fn is_only_new(&self) -> bool {
        self.missing.is_empty() && self.retyped.is_empty() && self.unfit.is_empty()
    }

    /// What to do where it is refused. New columns alone are refused only where they are not ignored.
    fn remedy(&self) -> &'static str {
        if self.is_only_new() {
            "Mend the declaration, or say schema_drift: ignore_new or set_aside"
        } else if self.retyped.is_empty() && self.unfit.is_empty() {
            "Mend the file or the declaration, or say schema_drift: set_aside, which sets its rows aside as far as \
             max_bad_share allows"
        } else {
            "Mend the file or the declared type or format, or say schema_drift: set_aside, which sets its rows aside as \
             far as max_bad_share allows"
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
        for unfit in &self.unfit {
            parts.push(format!(
                "none of the {} values of `{}` is {} (line {}: {})",
                unfit.values,
                unfit.column,
                one_of(unfit.declared),
                unfit.line,
                unfit.reason
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
            ..Drift::default()
        };
        drift.to_string()
    }

    fn columns() -> Vec<Column> {
        let table = super::super::tests::declared(super::super::tests::ORDERS);
        let columns = table.columns.iter();
        let made = columns.map(|(name, declared)| Column::new(name, &declared.value));
        made.collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn a_column_is_unfit_if_it_has_ten_values_and_none_fits() {
        let columns = columns();
        let mut fits = Fits::new(columns.len());
        for line in 2..=10 {
            fits.misfit(1, line, "no day");
        }
        assert!(fits.unfit(&columns).is_empty());
        fits.misfit(1, 11, "no day either");
        let day = Unfit {
            column: "day".to_owned(),
            declared: SqlType::Date,
            values: 10,
            line: 2,
            reason: "no day".to_owned(),
        };
        assert_eq!(fits.unfit(&columns), std::slice::from_ref(&day));
        let drift = Drift {
            unfit: vec![day],
            ..Drift::default()
        };
        assert_eq!(
            drift.to_string(),
            "none of the 10 values of `day` is a date (line 2: no day)"
        );
        fits.fit(1);
        assert!(fits.unfit(&columns).is_empty());
    }

    #[test]
    fn what_is_advised_helps() {
        let names = || vec!["a".to_owned()];
        let new = Drift {
            new: names(),
            ..Drift::default()
        };
        assert!(new.remedy().contains("ignore_new"));
        let missing = Drift {
            missing: names(),
            ..new.clone()
        };
        let retyped = Drift {
            retyped: vec![("a".to_owned(), "Utf8".to_owned(), "date".to_owned())],
            ..new
        };
        for drift in [missing, retyped] {
            assert!(!drift.remedy().contains("ignore_new"), "{drift}");
            assert!(drift.remedy().contains("set_aside"), "{drift}");
        }
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
