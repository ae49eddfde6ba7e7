//! What of a history a backfill would take away from its readers.

use std::collections::BTreeSet;

use chrono::NaiveDate;

use super::super::error::RunError;
use super::{Backfill, History};
use crate::publish::{Target, current_commit, run_manifest};

/// Refuses a history without tables or as-of days that readers of `target` see now, unless it is asked to replace what they see.
///
/// The days are those of the snapshots that the current commit's run lists. Where it lists none, tables alone are looked at.
///
/// # Errors
/// [`RunError::HistoryLost`], or where the store does not answer or holds what cannot be read.
pub(super) async fn refuse_loss(history: &History<'_>, target: &Target) -> Result<(), RunError> {
    if history.backfill.replace {
        return Ok(());
    }
    let Some(commit) = current_commit(target).await? else {
        return Ok(());
    };
    // That the target is another pipeline's is told when the publication begins.
    if commit.pipeline != history.plan.pipeline {
        return Ok(());
    }
    let run = run_manifest(target, &commit.run_id).await?;
    let snapshots = run.map(|run| run.snapshots).unwrap_or_default();
    let wanted = history.tables.iter().map(|table| &table.to_write.name);
    let wanted: BTreeSet<&String> = wanted.collect();
    let shown = commit.tables.keys();
    let tables: Vec<&String> = shown.filter(|table| !wanted.contains(*table)).collect();
    let days = days_beside(&snapshots, &wanted, &history.days);
    if tables.is_empty() && days.is_empty() {
        return Ok(());
    }
    Err(RunError::HistoryLost {
        lost: lost(&tables, &days),
        url: target.url.to_string(),
        remedy: remedy(history, &tables, &days),
    })
}

/// The as-of days of the snapshots of `tables` that are not among `days`.
fn days_beside(
    snapshots: &[String],
    tables: &BTreeSet<&String>,
    days: &[NaiveDate],
) -> BTreeSet<NaiveDate> {
    let shown = snapshots.iter().filter_map(|path| table_and_day(path));
    let shown = shown.filter(|(table, _)| tables.iter().any(|known| known.as_str() == *table));
    let shown = shown.map(|(_, day)| day);
    shown.filter(|day| !days.contains(day)).collect()
}

/// What a snapshot is of, from its path `…/<table>/<day>-<identity>.parquet`.
fn table_and_day(path: &str) -> Option<(&str, NaiveDate)> {
    let (folder, file) = path.rsplit_once('/')?;
    let (day, _) = file.rsplit_once('-')?;
    let table = folder.rsplit('/').next()?;
    Some((table, day.parse().ok()?))
}

/// What would go, in words.
fn lost(tables: &[&String], days: &BTreeSet<NaiveDate>) -> String {
    let mut lost: Vec<String> = Vec::new();
    let names: Vec<String> = tables.iter().map(|table| format!("`{table}`")).collect();
    match names.len() {
        0 => {}
        1 => lost.push(format!("the table {}", names.join(", "))),
        _ => lost.push(format!("the tables {}", names.join(", "))),
    }
    if let (Some(first), Some(last)) = (days.first(), days.last()) {
        lost.push(match days.len() {
            1 => format!("the as-of day {first}"),
            several => format!("{several} as-of days from {first} to {last}"),
        });
    }
    lost.join(" and ")
}

/// How to keep what would go, as far as that can be told, and how to let it go.
fn remedy(history: &History<'_>, tables: &[&String], days: &BTreeSet<NaiveDate>) -> String {
    let Backfill { from, to, .. } = *history.backfill;
    let mut options: Vec<String> = Vec::new();
    // What the pipeline no longer publishes has no history to come.
    let known = tables.iter().filter_map(|name| history.sources.get(*name));
    let known: Vec<&String> = known.collect();
    if !known.is_empty() {
        let asked = history.tables.iter().map(|table| &table.source);
        options.extend(asked.chain(known).map(|name| format!("--table {name}")));
    }
    if let Some(first) = days.first().filter(|day| **day < from) {
        options.push(format!("--from {first}"));
    }
    if let Some(last) = days.last().filter(|day| **day > to) {
        options.push(format!("--to {last}"));
    }
    let mut keep: Vec<String> = Vec::new();
    if !options.is_empty() {
        keep.push(format!("`{}`", options.join(" ")));
    }
    if days.iter().any(|day| (from..=to).contains(day)) {
        keep.push("steps of `--every` that meet these days".to_owned());
    }
    if keep.is_empty() {
        return "Leave that out with `--replace`".to_owned();
    }
    format!(
        "Ask for that too with {}, or leave it out with `--replace`",
        keep.join(" and ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_tells_its_table_and_day() {
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        let path = "_cvm/snapshots/kpi_history/2024-02-29-0f3a.parquet";
        assert_eq!(
            table_and_day(path),
            Some(("kpi_history", day("2024-02-29")))
        );
        for other in ["", "kpi_history", "_cvm/kpi_history/part-0.parquet"] {
            assert_eq!(table_and_day(other), None, "{other}");
        }
        let snapshots = [
            path.to_owned(),
            "_cvm/snapshots/kpi_history/2024-03-31-0f3a.parquet".to_owned(),
            "_cvm/snapshots/customer_history/2024-01-31-77aa.parquet".to_owned(),
        ];
        let kpis = "kpi_history".to_owned();
        let beside = days_beside(&snapshots, &BTreeSet::from([&kpis]), &[day("2024-03-31")]);
        assert_eq!(beside, BTreeSet::from([day("2024-02-29")]));
    }

    #[test]
    fn what_would_go_is_counted() {
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        let days = BTreeSet::from([day("2024-01-31"), day("2024-02-29")]);
        let (kpis, customers) = ("kpi_history".to_owned(), "customer_history".to_owned());
        assert_eq!(
            lost(&[&kpis], &days),
            "the table `kpi_history` and 2 as-of days from 2024-01-31 to 2024-02-29"
        );
        assert_eq!(
            lost(&[&customers, &kpis], &BTreeSet::new()),
            "the tables `customer_history`, `kpi_history`"
        );
        assert_eq!(
            lost(&[], &BTreeSet::from([day("2024-01-31")])),
            "the as-of day 2024-01-31"
        );
    }
}
