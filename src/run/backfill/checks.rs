//! The checks of a backfill, and what they found.
//!
//! A run makes all checks of its pipeline; a backfill makes those that ask of what its history is made of:
//!
//! - **Once, before anything is made:** those of raw tables alone that are the same on every day.
//! - **For each as-of day, before a snapshot of it is kept:** all others, freshness among them, which is that of the day. A snapshot
//!   that is taken up was held to the same when it was made: its name tells them.
//! - **Not at all:** how much a number of rows changed since an earlier run. No run was of the day before; the smallest and the
//!   largest number are held.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;

use super::super::events::{Event, Events};
use super::History;
use crate::plan::{Layer, Plan, PlannedStage, Work, parameters};
use crate::publish::CheckResult;

/// The checks of a backfill.
pub(super) struct Asked<'a> {
    plan: &'a Plan,
    once: BTreeSet<&'a str>,
    /// The others.
    of_days: BTreeSet<&'a str>,
    /// The tables that each asks of.
    about: BTreeMap<&'a str, BTreeSet<&'a str>>,
}

impl<'a> Asked<'a> {
    pub(super) fn of(history: &'a History<'_>) -> Self {
        let plan: &'a Plan = history.plan;
        let tables = history.tables.iter().map(|table| table.source.as_str());
        let tables: BTreeSet<&'a str> = plan.needed_for(tables);
        let mut asked = Self {
            plan,
            once: BTreeSet::new(),
            of_days: BTreeSet::new(),
            about: BTreeMap::new(),
        };
        let checks = plan.stages.iter();
        for check in checks.filter(|stage| stage.layer == Layer::Check) {
            let name = check.name.as_str();
            asked.about.insert(name, asked_of(plan, &tables, check));
            if check.inputs.iter().all(|input| asked.is_raw(input)) && !is_dated(check) {
                asked.once.insert(name);
            } else {
                asked.of_days.insert(name);
            }
        }
        asked
    }

    fn is_raw(&self, name: &str) -> bool {
        self.plan.sources.iter().any(|source| source.name == name)
    }

    /// Whether `check` is made once for all days.
    pub(super) fn is_once(&self, check: &PlannedStage) -> bool {
        self.once.contains(check.name.as_str())
    }

    /// What is to be made for `tables` of a day and for the checks that ask of any of it: one may compare it with what is not made
    /// otherwise because its snapshot is there.
    pub(super) fn needed_for<'t>(
        &'t self,
        tables: impl IntoIterator<Item = &'t str>,
    ) -> BTreeSet<&'t str> {
        let mut needed: BTreeSet<&'t str> = self.plan.needed_for(tables);
        let checks = self.about_any_of(&needed);
        let checks = checks.filter(|check| self.of_days.contains(check));
        let read = self.plan.needed_for(checks.collect::<Vec<_>>());
        needed.extend(read);
        needed
    }

    /// The checks that ask of anything that `table` is made of, with all that they read: a snapshot of it was held to these.
    pub(super) fn held<'t>(&'t self, table: &'t str) -> BTreeSet<&'t str> {
        let needed = self.plan.needed_for([table]);
        let checks: Vec<&'t str> = self.about_any_of(&needed).collect();
        self.plan.needed_for(checks)
    }

    fn about_any_of<'t>(&'t self, tables: &BTreeSet<&'t str>) -> impl Iterator<Item = &'t str> {
        let asks = |about: &BTreeSet<&str>| about.iter().any(|table| tables.contains(*table));
        let checks = self.about.iter().filter(move |(_, about)| asks(about));
        checks.map(|(check, _)| *check)
    }

    /// Whether `check` is made for a day of which `made` is what is made.
    pub(super) fn is_of_day(&self, check: &PlannedStage, made: &BTreeSet<&str>) -> bool {
        let is_there = |input: &String| made.contains(input.as_str()) || self.is_raw(input);
        !self.is_once(check) && check.inputs.iter().all(is_there)
    }
}

/// Whether a check depends on the as-of day.
fn is_dated(check: &PlannedStage) -> bool {
    match &check.work {
        Work::Sql(statement) => {
            let read = parameters::names(statement);
            parameters::DATES.iter().any(|date| read.contains(*date))
        }
        Work::Union(_) | Work::Score { .. } => false,
    }
}

/// The tables that `check` asks of: those that it reads, and in the place of one that is made for checks alone, which is not among
/// `tables`, what that reads.
fn asked_of<'a>(
    plan: &'a Plan,
    tables: &BTreeSet<&str>,
    check: &'a PlannedStage,
) -> BTreeSet<&'a str> {
    let mut asked: BTreeSet<&'a str> = BTreeSet::new();
    let mut open: Vec<&'a str> = check.inputs.iter().map(String::as_str).collect();
    while let Some(name) = open.pop() {
        match plan.stage(name).filter(|_| !tables.contains(name)) {
            Some(helper) => open.extend(helper.inputs.iter().map(String::as_str)),
            None => {
                asked.insert(name);
            }
        }
    }
    asked
}

/// What the checks of all days found: of those that hold one result for all days, of others one a day.
#[derive(Default)]
pub(super) struct OfDays {
    broken: Vec<CheckResult>,
    held: BTreeMap<String, Held>,
}

/// A check that holds as of some days.
struct Held {
    result: CheckResult,
    days: usize,
    first: NaiveDate,
    last: NaiveDate,
}

impl OfDays {
    /// Notes what was found of a day, which comes after those before.
    pub(super) fn note(&mut self, day: NaiveDate, results: Vec<CheckResult>) {
        for result in results {
            if !result.passed {
                self.broken.push(result);
            } else if let Some(held) = self.held.get_mut(&result.name) {
                let sum = |sum: Option<u64>, more: Option<u64>| Some(sum?.saturating_add(more?));
                held.result.rows_broken = sum(held.result.rows_broken, result.rows_broken);
                held.result.rows_checked = sum(held.result.rows_checked, result.rows_checked);
                held.days += 1;
                held.last = day;
            } else {
                let held = Held {
                    result,
                    days: 1,
                    first: day,
                    last: day,
                };
                self.held.insert(held.result.name.clone(), held);
            }
        }
    }

    /// All results; those that hold are told.
    pub(super) fn told(self, events: &Events) -> Vec<CheckResult> {
        let mut results = self.broken;
        for held in self.held.into_values() {
            let Held {
                mut result,
                days,
                first,
                last,
            } = held;
            result.detail = match days {
                1 => format!("holds as of {first}"),
                several => format!("holds as of {several} days, {first} to {last}"),
            };
            events.tell(&Event::Checked {
                result: result.clone(),
            });
            results.push(result);
        }
        results
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &str, passed: bool, rows_broken: Option<u64>) -> CheckResult {
        CheckResult {
            name: name.to_owned(),
            table: None,
            kind: "condition".to_owned(),
            severity: "warning".to_owned(),
            passed,
            rows_broken,
            rows_checked: Some(10),
            detail: "seen".to_owned(),
        }
    }

    #[test]
    fn what_holds_is_told_once_and_what_does_not_day_by_day() {
        let days = ["2024-01-31", "2024-02-29", "2024-03-31"].map(|day| day.parse().unwrap());
        let mut of_days = OfDays::default();
        of_days.note(
            days[0],
            vec![found("paid", true, Some(1)), found("kept", true, None)],
        );
        of_days.note(days[1], vec![found("paid", false, Some(7))]);
        of_days.note(days[2], vec![found("paid", true, Some(2))]);
        let results = of_days.told(&Events::new(Vec::new()));
        let told = results.iter().map(|result| {
            let rows = (result.rows_broken, result.rows_checked);
            (result.name.as_str(), rows, result.detail.as_str())
        });
        let told: Vec<_> = told.collect();
        let both = "holds as of 2 days, 2024-01-31 to 2024-03-31";
        assert_eq!(
            told,
            [
                ("paid", (Some(7), Some(10)), "seen"),
                ("kept", (None, Some(10)), "holds as of 2024-01-31"),
                ("paid", (Some(3), Some(20)), both),
            ]
        );
    }
}
