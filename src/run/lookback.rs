//! Rows that come later than a source says they may: they count, and are told.
//!
//! Nothing depends on it for what is read or kept: what was made of an object is known by the object's content (see `parts.rs`), so that
//! a late row, however late, is never missed. Whoever closed a month of books by then wants to know.

use std::collections::BTreeMap;

use chrono::{Days, NaiveDate};

use super::broken_checks::BrokenCheck;
use super::checks::Checks;
use super::error::RunError;
use super::events::Event;
use super::previous::is_same_object;
use crate::publish::{CheckResult, ObjectManifest, SourceManifest};
use crate::spec::check::Severity;
use crate::spec::source::Lookback;

/// How many objects are named.
const NAMED: usize = 3;

impl Checks<'_> {
    /// Holds the objects of each raw table that declares a lookback to it, beside those that the last published run read.
    ///
    /// # Errors
    /// [`RunError::Checks`], where later ones are declared to be an error.
    pub(super) async fn hold_lookbacks(&mut self) -> Result<(), RunError> {
        let Some(previous) = self.previous else {
            return Ok(());
        };
        let read = self.work.read();
        let mut broken = Vec::new();
        for source in &self.work.plan.sources {
            let Some(lookback) = source.table.lookback else {
                continue;
            };
            let of = |sources: &[SourceManifest]| {
                let found = sources.iter().find(|read| read.name == source.name);
                found.map(|read| read.objects.clone()).unwrap_or_default()
            };
            let (then, now) = (of(previous.read()), of(&read));
            let late = late_objects(&then, &now, lookback);
            let detail = told(&late, lookback, previous.as_of());
            self.note(CheckResult {
                name: format!("{}__lookback", source.name),
                table: Some(source.name.clone()),
                kind: "lookback".to_owned(),
                severity: lookback.severity.name().to_owned(),
                passed: late.is_empty(),
                rows_broken: None,
                rows_checked: None,
                detail: detail.clone(),
            });
            if late.is_empty() {
                continue;
            }
            match lookback.severity {
                Severity::Warning => self.work.events.tell(&Event::Warning {
                    message: format!("{}: {detail}; their rows count", source.name),
                }),
                Severity::Error => broken.push(BrokenCheck {
                    check: format!("{}__lookback", source.name),
                    description: "No object comes later than its source says.".to_owned(),
                    found: detail,
                    examples: Vec::new(),
                    help: "find out why it came so late; `severity: warning` under `lookback` lets its rows in".to_owned(),
                    rows_at: None,
                }),
            }
        }
        match broken.is_empty() {
            true => Ok(()),
            false => Err(RunError::Checks { broken }),
        }
    }
}

/// The objects of days that were over by the lookback and that came, changed or went, and those whose day is not to be told.
fn late_objects<'a>(
    then: &'a [ObjectManifest],
    now: &'a [ObjectManifest],
    lookback: Lookback,
) -> Vec<&'a str> {
    let newest = then.iter().filter_map(|object| day_of(&object.path)).max();
    let Some(newest) = newest else {
        return Vec::new();
    };
    let first = newest.checked_sub_days(Days::new(lookback.days.into()));
    let is_over =
        |path: &str| day_of(path).is_none_or(|day| first.is_some_and(|first| day < first));
    let by_path = |objects: &'a [ObjectManifest]| -> BTreeMap<&'a str, &'a ObjectManifest> {
        let objects = objects.iter();
        objects
            .map(|object| (object.path.as_str(), object))
            .collect()
    };
    let (before, after) = (by_path(then), by_path(now));
    let is_as_before = |path: &str| {
        let both = before.get(path).zip(after.get(path));
        both.is_some_and(|(then, now)| is_same_object(then, now))
    };
    let mut paths: Vec<&str> = before.keys().chain(after.keys()).copied().collect();
    paths.sort_unstable();
    paths.dedup();
    paths.retain(|path| is_over(path) && !is_as_before(path));
    paths
}

fn told(late: &[&str], lookback: Lookback, since: NaiveDate) -> String {
    let days = lookback.days;
    if late.is_empty() {
        return format!("no object of a day that was over for {days} days came, changed or went");
    }
    let named = late.iter().take(NAMED).copied().collect::<Vec<_>>();
    let more = match late.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let objects = match late.len() {
        1 => "1 object".to_owned(),
        objects => format!("{objects} objects"),
    };
    format!(
        "{objects} of days that were over for more than {days} days came, changed or went since the run as of {since}: {}{more}",
        named.join(", ")
    )
}

/// The last date in a path that is written as `2024-07-01`.
fn day_of(path: &str) -> Option<NaiveDate> {
    let is_digit = |at: usize| path.as_bytes().get(at).is_some_and(u8::is_ascii_digit);
    let dates = (0..path.len()).rev().filter_map(|start| {
        let end = start + "2024-07-01".len();
        // A part of a longer number is no date.
        if is_digit(end) || start.checked_sub(1).is_some_and(is_digit) {
            return None;
        }
        NaiveDate::parse_from_str(path.get(start..end)?, "%Y-%m-%d").ok()
    });
    dates.into_iter().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(path: &str, sha256: &str) -> ObjectManifest {
        ObjectManifest {
            path: path.to_owned(),
            bytes: 1,
            e_tag: None,
            version: None,
            last_modified: String::new(),
            sha256: Some(sha256.to_owned()),
        }
    }

    #[test]
    fn the_day_of_an_object_is_the_last_in_its_path() {
        let day = NaiveDate::from_ymd_opt(2024, 7, 1);
        for path in [
            "orders/2024-07-01.csv",
            "2023-01-01/day=2024-07-01/part-2024.csv",
        ] {
            assert_eq!(day_of(path), day, "{path}");
        }
        for path in [
            "orders/all.csv",
            "orders/2024-13-01.csv",
            "12024-07-011.csv",
            "é-2024-7-1",
        ] {
            assert_eq!(day_of(path), None, "{path}");
        }
    }

    #[test]
    fn what_comes_after_the_lookback_is_late() {
        let lookback = Lookback {
            days: 2,
            severity: Severity::Warning,
        };
        let then: Vec<ObjectManifest> = (1..=5)
            .map(|day| object(&format!("a/2024-07-0{day}.csv"), "1"))
            .collect();
        let mut now = then.clone();
        assert_eq!(late_objects(&then, &now, lookback), Vec::<&str>::new());
        // Within two days of the fifth, and new days.
        now[2] = object("a/2024-07-03.csv", "2");
        now.push(object("a/2024-07-06.csv", "1"));
        assert_eq!(late_objects(&then, &now, lookback), Vec::<&str>::new());
        // One changed, one went, one came, and one has no day.
        now[1] = object("a/2024-07-02.csv", "2");
        now.remove(0);
        now.push(object("a/2024-06-30.csv", "1"));
        now.push(object("a/rest.csv", "1"));
        let late = late_objects(&then, &now, lookback);
        assert_eq!(
            late,
            [
                "a/2024-06-30.csv",
                "a/2024-07-01.csv",
                "a/2024-07-02.csv",
                "a/rest.csv"
            ]
        );
        let since = NaiveDate::from_ymd_opt(2024, 7, 6).unwrap();
        assert_eq!(
            told(&late, lookback, since),
            "4 objects of days that were over for more than 2 days came, changed or went since the run as of 2024-07-06: \
             a/2024-06-30.csv, a/2024-07-01.csv, a/2024-07-02.csv and 1 more"
        );
        // What was never read before has nothing to be late for.
        assert_eq!(late_objects(&[], &now, lookback), Vec::<&str>::new());
    }
}
