//! The closing table of a run.

use bytesize::ByteSize;
use comfy_table::{CellAlignment, Table, presets};
use indicatif::HumanCount;

use crate::run::RunReport;

/// Rows in, set aside and published, the snapshots of a backfill, the time of each stage, the peak of memory.
pub(super) fn of(report: &RunReport) -> String {
    // A run without news read, made and wrote nothing.
    if let (Some(since), Some(commit), Some(url)) =
        (&report.unchanged_since, report.commit, &report.url)
    {
        return format!(
            "nothing has changed since the run {since}: commit {commit} of {url} stands; --no-cache runs all the same\n"
        );
    }
    let mut sources = table(&["source", "objects", "read", "rows in", "kept", "set aside"]);
    for source in &report.sources {
        sources.add_row([
            source.source.clone(),
            HumanCount(source.objects as u64).to_string(),
            ByteSize(source.bytes).to_string(),
            HumanCount(source.rows_read).to_string(),
            HumanCount(source.rows_kept).to_string(),
            HumanCount(source.rows_set_aside).to_string(),
        ]);
    }
    let mut stages = table(&["stage", "kind", "rows", "seconds"]);
    for stage in &report.stages {
        stages.add_row([
            stage.stage.clone(),
            stage.kind.to_owned(),
            stage
                .rows
                .map(|rows| HumanCount(rows).to_string())
                .unwrap_or_default(),
            if stage.reused {
                "done before".to_owned()
            } else {
                format!("{:.2}", stage.seconds)
            },
        ]);
    }
    let mut tables = table(&["published", "rows", "size"]);
    for published in &report.tables {
        tables.add_row([
            published.table.clone(),
            HumanCount(published.rows).to_string(),
            ByteSize(published.bytes).to_string(),
        ]);
    }
    align(&mut sources, 1);
    align(&mut stages, 2);
    align(&mut tables, 1);
    let mut text = format!("\n{sources}\n\n{stages}\n\n");
    if !report.snapshots.is_empty() {
        text.push_str(&format!("{}\n\n", snapshots(report)));
    }
    text.push_str(&format!("{tables}\n\n"));
    let seconds = report.seconds.unwrap_or_default();
    let memory = report
        .peak_memory_bytes
        .map(|bytes| format!(", {} at the peak", ByteSize(bytes)));
    text.push_str(&format!("{seconds:.2} s{}", memory.unwrap_or_default()));
    let reused = report.stages.iter().filter(|stage| stage.reused).count();
    if reused > 0 {
        text.push_str(&format!(
            ", {reused} of {} steps done before",
            report.stages.len()
        ));
    }
    if let (Some(commit), Some(url)) = (report.commit, &report.url) {
        text.push_str(&format!(", commit {commit} of {url}"));
    }
    text.push('\n');
    for published in &report.tables {
        if let Some(reason) = &published.empty_because {
            text.push_str(&format!("{} is empty: {reason}\n", published.table));
        }
    }
    text
}

/// What a history is made of, and what of it an earlier backfill had made.
fn snapshots(report: &RunReport) -> Table {
    let mut snapshots = table(&["snapshot", "as of", "made", "rows"]);
    for snapshot in &report.snapshots {
        snapshots.add_row([
            snapshot.table.clone(),
            snapshot.as_of.clone(),
            if snapshot.reused { "before" } else { "now" }.to_owned(),
            HumanCount(snapshot.rows).to_string(),
        ]);
    }
    align(&mut snapshots, 3);
    snapshots
}

pub(super) fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_preset(presets::UTF8_BORDERS_ONLY)
        .set_header(header);
    table
}

/// Numbers stand to the right.
pub(super) fn align(table: &mut Table, first_number: usize) {
    for (index, column) in table.column_iter_mut().enumerate() {
        if index >= first_number {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}
