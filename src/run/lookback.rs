//! Rows that come later than a source says they may: they count, and are told.
//!
//! Nothing depends on it for what is read or kept: what was made of an object is known by the object's content (see `parts.rs`), so that
//! a late row, however late, is never missed. Whoever closed a month of books by then wants to know.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use chrono::{Datelike, Days, NaiveDate};

use super::broken_checks::BrokenCheck;
use super::checks::Checks;
use super::error::RunError;
use super::events::Event;
use super::previous::is_same_object;
use crate::publish::{CheckResult, ObjectManifest, SourceManifest};
use crate::spec::check::Severity;
use crate::spec::source::Lookback;

/// How days are written, and how long that is.
const FORMS: [(&str, usize); 2] = [("%Y-%m-%d", 10), ("%Y%m%d", 8)];
/// Eight digits may be any number: those of other years are.
const YEARS: RangeInclusive<i32> = 1900..=2200;
const UNDATED: &str = "no path of its objects tells a day, so that none of them is late";
/// How many objects are named.
const NAMED: usize = 3;

impl Checks<'_> {
    /// Holds the objects of each raw table that declares a lookback to it, beside those that the last published run read.
    ///
    /// # Errors
    /// [`RunError::Checks`], where later ones are declared to be an error.
    pub(super) async fn hold_lookbacks(&mut self) -> Result<(), RunError> {
        let mut broken = Vec::new();
        for source in &self.work.plan.sources {
            let Some(lookback) = source.table.lookback else {
                continue;
            };
            let name = &source.name;
            let found = self.found(name, lookback).await?;
            let (severity, detail) = match &found {
                Found::Undated => (Severity::Warning, UNDATED.to_owned()),
                Found::Late(detail) | Found::InTime(detail) => (lookback.severity, detail.clone()),
            };
            let passed = matches!(found, Found::InTime(_));
            self.note(CheckResult {
                name: format!("{name}__lookback"),
                table: Some(name.clone()),
                kind: "lookback".to_owned(),
                severity: severity.name().to_owned(),
                passed,
                rows_broken: None,
                rows_checked: None,
                detail: detail.clone(),
            });
            match severity {
                _ if passed => {}
                Severity::Warning => self.work.events.tell(&Event::Warning {
                    message: format!("{name}: {detail}"),
                }),
                Severity::Error => broken.push(BrokenCheck {
                    check: format!("{name}__lookback"),
                    description: "No object of a day that is over comes, changes or goes.".to_owned(),
                    found: detail,
                    examples: Vec::new(),
                    help: "find out why; `severity: warning` under `lookback` goes on with what is there now".to_owned(),
                    rows_at: None,
                }),
            }
        }
        match broken.is_empty() {
            true => Ok(()),
            false => Err(RunError::Checks { broken }),
        }
    }

    async fn found(&self, source: &str, lookback: Lookback) -> Result<Found, RunError> {
        let of = |sources: &[SourceManifest]| {
            let found = sources.iter().find(|read| read.name == source);
            found.map(|read| read.objects.clone()).unwrap_or_default()
        };
        let mut now = of(&self.work.read());
        if now.iter().all(|object| day_of(&object.path).is_none()) {
            return Ok(Found::Undated);
        }
        let Some(previous) = self.previous else {
            return Ok(Found::InTime("no earlier run read it".to_owned()));
        };
        let then = of(previous.read());
        if late_objects(&then, &now, lookback).is_none() {
            self.work.work_out_checksums().await?;
            now = of(&self.work.read());
        }
        let late = late_objects(&then, &now, lookback).unwrap_or_default();
        let mut detail = told(&late, lookback, previous.as_of());
        let undated = now.iter().filter(|object| day_of(&object.path).is_none());
        match undated.count() {
            0 => {}
            1 => detail.push_str("; 1 object tells no day"),
            objects => detail.push_str(&format!("; {objects} objects tell no day")),
        }
        Ok(match late.is_empty() {
            true => Found::InTime(detail),
            false => Found::Late(detail),
        })
    }
}

/// How the objects of a raw table stand to its lookback, in words.
enum Found {
    Undated,
    InTime(String),
    Late(String),
}

/// The objects of days that were over by the lookback and that came, changed or went; none where it takes checksums that are not known
/// yet to tell.
fn late_objects<'a>(
    then: &'a [ObjectManifest],
    now: &'a [ObjectManifest],
    lookback: Lookback,
) -> Option<Vec<&'a str>> {
    let newest = then.iter().filter_map(|object| day_of(&object.path)).max();
    let first = newest.and_then(|day| day.checked_sub_days(Days::new(lookback.days.into())));
    let Some(first) = first else {
        return Some(Vec::new());
    };
    let is_over = |path: &str| day_of(path).is_some_and(|day| day < first);
    let by_path = |objects: &'a [ObjectManifest]| -> BTreeMap<&'a str, &'a ObjectManifest> {
        let objects = objects.iter();
        objects
            .map(|object| (object.path.as_str(), object))
            .collect()
    };
    let (before, after) = (by_path(then), by_path(now));
    let mut paths: Vec<&str> = before.keys().chain(after.keys()).copied().collect();
    paths.sort_unstable();
    paths.dedup();
    let mut late = Vec::new();
    for path in paths.into_iter().filter(|path| is_over(path)) {
        let is_as_before = match (before.get(path), after.get(path)) {
            (Some(then), Some(now)) => is_same_object(then, now)?,
            _ => false,
        };
        if !is_as_before {
            late.push(path);
        }
    }
    Some(late)
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

/// The last date in a path that is written as `2024-07-01`, `2024/07/01`, `20240701` or `year=2024/month=7/day=1`.
fn day_of(path: &str) -> Option<NaiveDate> {
    let parts = path.split('/').map(|part| match part.split_once('=') {
        Some(("year", year)) => year.to_owned(),
        Some(("month" | "day", number)) => format!("{number:0>2}"),
        _ => part.to_owned(),
    });
    let path = parts.collect::<Vec<_>>().join("-");
    let is_digit = |at: usize| path.as_bytes().get(at).is_some_and(u8::is_ascii_digit);
    let dates = (0..path.len()).rev().filter_map(|start| {
        FORMS.iter().find_map(|(form, length)| {
            let end = start + length;
            // A part of a longer number is no date.
            if is_digit(end) || start.checked_sub(1).is_some_and(is_digit) {
                return None;
            }
            let day = NaiveDate::parse_from_str(path.get(start..end)?, form).ok()?;
            YEARS.contains(&day.year()).then_some(day)
        })
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
            "orders/2024/07/01/part-00000.csv",
            "orders/year=2024/month=07/day=01/part-12345678.csv",
            "orders/year=2024/month=7/day=1/part-0.csv",
            "orders/20240701.csv",
            "orders/20230101/20240701T030000.csv",
        ] {
            assert_eq!(day_of(path), day, "{path}");
        }
        for path in [
            "orders/all.csv",
            "orders/2024-13-01.csv",
            "12024-07-011.csv",
            "é-2024-7-1",
            "é/12345678.csv",
        ] {
            assert_eq!(day_of(path), None, "{path}");
        }
    }

    #[test]
    fn an_object_that_was_put_back_as_it_was_is_not_late() {
        let lookback = Lookback {
            days: 0,
            severity: Severity::Error,
        };
        let then = ["1", "2"].map(|day| object(&format!("a/2024-07-0{day}.csv"), day));
        let mut now = then.clone();
        now[0].e_tag = Some("another".to_owned());
        assert_eq!(late_objects(&then, &now, lookback), Some(Vec::new()));
        // Before its checksum is worked out there is no telling.
        now[0].sha256 = None;
        assert_eq!(late_objects(&then, &now, lookback), None);
        now[0].sha256 = Some("3".to_owned());
        assert_eq!(
            late_objects(&then, &now, lookback),
            Some(vec!["a/2024-07-01.csv"])
        );
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
        assert_eq!(late_objects(&then, &now, lookback), Some(Vec::new()));
        // Within two days of the fifth, and new days.
        now[2] = object("a/2024-07-03.csv", "2");
        now.push(object("a/2024-07-06.csv", "1"));
        assert_eq!(late_objects(&then, &now, lookback), Some(Vec::new()));
        // One changed, one went, one came; that which has no day belongs to none that is over.
        now[1] = object("a/2024-07-02.csv", "2");
        now.remove(0);
        now.push(object("a/2024-06-30.csv", "1"));
        now.push(object("a/rest.csv", "1"));
        let late = late_objects(&then, &now, lookback).unwrap();
        assert_eq!(
            late,
            ["a/2024-06-30.csv", "a/2024-07-01.csv", "a/2024-07-02.csv",]
        );
        let since = NaiveDate::from_ymd_opt(2024, 7, 6).unwrap();
        assert_eq!(
            told(&late, lookback, since),
            "3 objects of days that were over for more than 2 days came, changed or went since the run as of 2024-07-06: \
             a/2024-06-30.csv, a/2024-07-01.csv, a/2024-07-02.csv"
        );
        // What was never read before has nothing to be late for.
        assert_eq!(late_objects(&[], &now, lookback), Some(Vec::new()));
    }
}
