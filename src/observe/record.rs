//! What is known of a run: its report, with the times that a report leaves away and how the run ended.

use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};

use crate::failure::FailureKind;
use crate::run::{Event, Observer, Reporter, RunReport, machine};

/// Why a run failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The class, which decides the exit code.
    pub kind: FailureKind,
    /// What went wrong, without secrets.
    pub message: String,
}

/// A stage at work.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Span {
    pub(super) stage: String,
    pub(super) kind: &'static str,
    pub(super) began: DateTime<Utc>,
    /// None while it works, and for ever where it failed.
    pub(super) ended: Option<DateTime<Utc>>,
    pub(super) rows: Option<u64>,
}

/// A run, so far or in all.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) run_id: String,
    pub(super) pipeline: String,
    /// The exclusive end of what the run sees, `YYYY-MM-DD`, where it is known.
    pub(super) as_of: Option<String>,
    /// When the command began, so that planning counts.
    pub(super) began: DateTime<Utc>,
    /// When it ended, or when this was noted.
    pub(super) ended: DateTime<Utc>,
    /// Empty where the run never began.
    pub(super) report: RunReport,
    pub(super) spans: Vec<Span>,
    pub(super) failure: Option<Failure>,
}

impl Record {
    pub(super) fn exit_code(&self) -> u8 {
        self.failure
            .as_ref()
            .map_or(0, |failure| failure.kind.exit_code())
    }

    /// How long it took: what the report says, or where there is none since the command began.
    pub(super) fn seconds(&self) -> f64 {
        let since = (self.ended - self.began).num_milliseconds() as f64 / 1_000.0;
        self.report.seconds.unwrap_or(since)
    }

    /// The midnight, in UTC, with which the as-of day begins.
    pub(super) fn as_of_midnight(&self) -> Option<DateTime<Utc>> {
        let day = self.as_of.as_ref()?.parse::<chrono::NaiveDate>().ok()?;
        Some(day.and_time(chrono::NaiveTime::MIN).and_utc())
    }
}

/// Notes what happens in a run.
#[derive(Debug)]
pub(super) struct Recorder {
    reporter: Reporter,
    spans: Mutex<Vec<Span>>,
    began: DateTime<Utc>,
}

impl Recorder {
    pub(super) fn new() -> Self {
        Self {
            reporter: Reporter::default(),
            spans: Mutex::default(),
            began: Utc::now(),
        }
    }

    /// What is known of the run by now. `run_id`, `pipeline` and `as_of` stand in for what no event has told yet.
    pub(super) fn record(
        &self,
        run_id: &str,
        pipeline: &str,
        as_of: Option<String>,
        failure: Option<Failure>,
    ) -> Record {
        let mut report = self.reporter.report();
        let spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        if report.peak_memory_bytes.is_none() {
            report.peak_memory_bytes = machine::peak_memory();
        }
        let told = |text: &String| (!text.is_empty()).then(|| text.clone());
        Record {
            run_id: run_id.to_owned(),
            pipeline: told(&report.pipeline).unwrap_or_else(|| pipeline.to_owned()),
            as_of: told(&report.as_of).or(as_of),
            began: self.began,
            ended: Utc::now(),
            spans: spans.clone(),
            report,
            failure,
        }
    }
}

impl Observer for Recorder {
    fn observe(&self, event: &Event) {
        self.reporter.observe(event);
        let mut spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::StageStarted { stage, kind } => spans.push(Span {
                stage: stage.clone(),
                kind,
                began: Utc::now(),
                ended: None,
                rows: None,
            }),
            Event::StageFinished {
                stage, kind, rows, ..
            } => {
                let mut open = spans.iter_mut().rev();
                let is_it = |span: &&mut Span| {
                    span.ended.is_none() && span.stage == *stage && span.kind == *kind
                };
                if let Some(span) = open.find(is_it) {
                    span.ended = Some(Utc::now());
                    span.rows = *rows;
                }
            }
            _ => {}
        }
    }
}
