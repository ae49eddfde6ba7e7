//! Watching a run: a display at a terminal, JSON lines elsewhere.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytesize::ByteSize;
use indicatif::{HumanCount, ProgressBar, ProgressStyle};

use super::{console, telling};
use crate::run::{Event, Observer};
use crate::store::redacted;

/// How often a log that nobody watches is told of progress.
const LOG_PROGRESS: Duration = Duration::from_secs(10);

/// One line that changes while a stage works, and one that stays when it is done.
pub(super) struct Display {
    bar: ProgressBar,
}

impl Display {
    pub(super) fn new() -> Self {
        let bar = ProgressBar::new_spinner();
        let style = ProgressStyle::with_template("{spinner} {elapsed_precise} {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        bar.enable_steady_tick(Duration::from_millis(120));
        Self { bar }
    }

    /// A bar prints nothing where standard error is no terminal, and a warning must be told there too.
    fn warn(&self, message: &str) {
        let line = format!("  warning   {message}");
        if self.bar.is_hidden() {
            console::err(&format!("{line}\n"));
        } else {
            self.bar.println(redacted(&line));
        }
    }
}

impl Observer for Display {
    fn observe(&self, event: &Event) {
        match event {
            Event::RunStarted {
                pipeline,
                as_of,
                threads,
                memory_limit,
                ..
            } => {
                let memory = ByteSize(*memory_limit as u64);
                self.bar.println(format!(
                    "{pipeline} as of {as_of}, {threads} threads, {memory} for operators"
                ));
            }
            Event::SourceFound {
                source,
                objects,
                bytes,
            } => {
                self.bar.println(format!(
                    "  found     {source}: {objects} objects, {}",
                    ByteSize(*bytes)
                ));
            }
            Event::StageStarted { stage, kind } => self.bar.set_message(format!("{kind} {stage}")),
            Event::Progress {
                stage,
                rows,
                bytes,
                bytes_total,
            } => {
                let rows = HumanCount(*rows);
                let (read, all) = (ByteSize(*bytes), ByteSize(*bytes_total));
                self.bar
                    .set_message(format!("{stage}: {rows} rows, {read} of {all} read"));
            }
            Event::StageFinished {
                stage,
                kind,
                rows,
                seconds,
            } => {
                let rows = rows
                    .map(|rows| format!(", {} rows", HumanCount(rows)))
                    .unwrap_or_default();
                self.bar
                    .println(format!("  {kind:<9} {stage}{rows}, {seconds:.2} s"));
            }
            Event::Reused { stage, kind, .. } => {
                self.bar
                    .println(format!("  {kind:<9} {stage}, done before"));
            }
            Event::PutTogether {
                stage,
                parts,
                parts_reused,
            } => {
                self.bar.println(format!(
                    "            {stage} of {parts} parts, {parts_reused} of them done before"
                ));
            }
            Event::SnapshotStarted {
                as_of,
                number,
                days,
            } => {
                self.bar
                    .println(format!("  as of     {as_of}, {number} of {days} days"));
            }
            Event::SnapshotKept {
                table,
                as_of,
                rows,
                reused,
            } => {
                let rows = HumanCount(*rows);
                let made = if *reused { "reused" } else { "kept" };
                self.bar
                    .println(format!("  {made:<9} {table} as of {as_of}, {rows} rows"));
            }
            Event::Warning { message } => self.warn(message),
            Event::Committed { commit, url } => {
                self.bar.println(format!("  committed {commit} to {url}"));
            }
            Event::RunFinished { .. } | Event::RunFailed { .. } => self.bar.finish_and_clear(),
            Event::SourceRead { .. }
            | Event::TableWritten { .. }
            | Event::Checked { .. }
            | Event::Unchanged { .. } => {}
        }
    }
}

/// One JSON object a line on standard error.
#[derive(Default)]
pub(super) struct JsonLines {
    last_progress: Mutex<Option<Instant>>,
}

impl Observer for JsonLines {
    fn observe(&self, event: &Event) {
        if matches!(event, Event::Progress { .. }) {
            let mut last = self
                .last_progress
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            if last.is_some_and(|last| last.elapsed() < LOG_PROGRESS) {
                return;
            }
            *last = Some(Instant::now());
        }
        if let Event::RunStarted { run_id, .. } = event {
            telling::run_began(run_id);
        }
        if matches!(event, Event::RunFailed { .. }) && telling::tells_failure_last() {
            return;
        }
        if let Ok(line) = serde_json::to_value(event) {
            telling::json_line(line);
        }
    }
}
