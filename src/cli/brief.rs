//! What came of a run, in a kilobyte or two of JSON, for schedulers: Airflow's XCom, Kubernetes' termination message.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use super::{CliError, console, telling};
use crate::run::{Event, Observer};
use crate::store::{redacted, redacted_json};

/// The brief has to fit into the 4,096 bytes that Kubernetes keeps of a termination message.
const MESSAGE_CHARS: usize = 1_000;
const WARNING_CHARS: usize = 200;
const WARNINGS: usize = 5;

/// The file's name that stands for standard output.
const STANDARD_OUTPUT: &str = "-";

#[derive(Debug, Clone, Default, Serialize)]
struct Brief {
    exit_code: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<Failure>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pipeline: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    as_of: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    commit: Option<u64>,
    /// The run that published before what this one would have: it published nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    unchanged_since: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peak_memory_bytes: Option<u64>,
    rows: BTreeMap<String, u64>,
    rows_set_aside: BTreeMap<String, u64>,
    warnings: Vec<String>,
}

#[derive(Debug, Clone, Serialize)]
struct Failure {
    kind: String,
    message: String,
}

/// Whether a brief goes to standard output. Such a one is to be the last thing that is said: Airflow takes the last line of both
/// streams in one.
pub(super) fn is_printed(file: &Path) -> bool {
    file.as_os_str() == STANDARD_OUTPUT
}

/// Gathers the brief of a run while it runs.
#[derive(Debug, Default)]
pub(super) struct Briefing {
    brief: Mutex<Brief>,
}

impl Briefing {
    /// Writes the brief with how the run ended; where it is printed, standard error is told before why the run failed. The tables are
    /// published or not by now: a brief that cannot be written is told and fails nothing.
    pub(super) fn write(&self, file: &Path, result: &Result<(), CliError>) {
        let mut brief = self.lock().clone();
        if let Err(error) = result {
            // Nothing is published.
            brief.rows.clear();
            brief.exit_code = error.kind().exit_code();
            brief.failure = Some(Failure {
                kind: format!("{:?}", error.kind()),
                message: cut(&message(error), MESSAGE_CHARS),
            });
        }
        let written = serde_json::to_value(&brief)
            .map_err(std::io::Error::other)
            .map(|brief| format!("{}\n", redacted_json(brief)))
            .and_then(|text| {
                if is_printed(file) {
                    if let Err(error) = result {
                        telling::failure(error);
                    }
                    console::out(&text).map_err(std::io::Error::other)
                } else {
                    std::fs::write(file, text)
                }
            });
        if let Err(source) = written {
            let file = file.display();
            telling::warning(&format!("no report: cannot write {file}: {source}"));
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Brief> {
        self.brief.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Briefing {
    fn observe(&self, event: &Event) {
        let mut brief = self.lock();
        match event.clone() {
            Event::RunStarted {
                run_id,
                pipeline,
                as_of,
                ..
            } => {
                brief.run_id = Some(run_id);
                brief.pipeline = Some(pipeline);
                brief.as_of = Some(as_of);
            }
            Event::SourceRead {
                source,
                rows_set_aside,
                ..
            } if rows_set_aside > 0 => {
                brief.rows_set_aside.insert(source, rows_set_aside);
            }
            Event::TableWritten { table, rows, .. } => {
                brief.rows.insert(table, rows);
            }
            Event::Warning { message } if brief.warnings.len() < WARNINGS => {
                brief.warnings.push(cut(&message, WARNING_CHARS));
            }
            Event::Committed { commit, url } => {
                brief.commit = Some(commit);
                brief.url = Some(url);
            }
            Event::Unchanged {
                commit,
                unchanged_since,
                url,
            } => {
                brief.commit = Some(commit);
                brief.unchanged_since = Some(unchanged_since);
                brief.url = Some(url);
            }
            Event::RunFinished {
                seconds,
                peak_memory_bytes,
            } => {
                brief.seconds = Some(seconds);
                brief.peak_memory_bytes = peak_memory_bytes;
            }
            _ => {}
        }
    }
}

/// A failure, its cause first; of faults in the project's files the first, and how many there are.
pub(super) fn message(error: &CliError) -> String {
    match error {
        CliError::Problems(problems) => problems.first().map_or_else(
            || error.to_string(),
            |first| format!("{error}: {}", first.shown()),
        ),
        _ => {
            let told = console::told(error);
            let lines = told.lines().map(str::trim);
            let lines: Vec<&str> = lines
                .map(|line| line.trim_start_matches("error: "))
                .collect();
            lines.join("; ")
        }
    }
}

/// The first `chars` of a text. Secrets go first: of one that is cut in two, neither part would be known.
fn cut(text: &str, chars: usize) -> String {
    let text = redacted(text);
    match text.char_indices().nth(chars) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(briefing: &Briefing, result: &Result<(), CliError>) -> serde_json::Value {
        let file = tempfile::NamedTempFile::new().unwrap();
        briefing.write(file.path(), result);
        serde_json::from_str(&std::fs::read_to_string(file.path()).unwrap()).unwrap()
    }

    #[test]
    fn a_run_that_published_tells_its_tables_and_what_was_odd() {
        let briefing = Briefing::default();
        for event in [
            Event::RunStarted {
                run_id: "r1".to_owned(),
                pipeline: "shop".to_owned(),
                as_of: "2025-01-01".to_owned(),
                fingerprint: "f".to_owned(),
                threads: 2,
                memory_limit: 1,
            },
            Event::TableWritten {
                table: "customers".to_owned(),
                rows: 3,
                bytes: 9,
                empty_because: None,
            },
            Event::Warning {
                message: "w".repeat(300),
            },
            Event::Committed {
                commit: 7,
                url: "file:///lake".to_owned(),
            },
        ] {
            briefing.observe(&event);
        }
        let expected = serde_json::json!({
            "exit_code": 0, "run_id": "r1", "pipeline": "shop", "as_of": "2025-01-01", "commit": 7, "url": "file:///lake",
            "rows": { "customers": 3 }, "rows_set_aside": {}, "warnings": [format!("{}…", "w".repeat(200))],
        });
        assert_eq!(written(&briefing, &Ok(())), expected);
    }

    #[test]
    fn a_run_that_never_began_tells_why() {
        let failure = Err(CliError::Io {
            what: "read the pipeline".to_owned(),
            source: std::io::Error::other("gone"),
        });
        let brief = written(&Briefing::default(), &failure);
        assert_eq!(brief["exit_code"], 1);
        assert_eq!(
            brief["failure"]["message"],
            "cannot read the pipeline; because: gone"
        );
    }

    /// What Kubernetes keeps.
    const TERMINATION_MESSAGE: u64 = 4_096;

    #[test]
    fn what_is_told_fits_into_a_termination_message() {
        let briefing = Briefing::default();
        for number in 0..60 {
            briefing.observe(&Event::TableWritten {
                table: format!("customer_segments_{number}"),
                rows: 1_000_000,
                bytes: 1,
                empty_because: None,
            });
            briefing.observe(&Event::Warning {
                message: "w".repeat(1_000),
            });
        }
        let size_of = |result| {
            let file = tempfile::NamedTempFile::new().unwrap();
            briefing.write(file.path(), &result);
            std::fs::metadata(file.path()).unwrap().len()
        };
        assert!(size_of(Ok(())) <= TERMINATION_MESSAGE);
        let failure = CliError::Io {
            what: "é".repeat(5_000),
            source: std::io::Error::other("gone"),
        };
        assert!(size_of(Err(failure)) <= TERMINATION_MESSAGE);
    }
}
