//! How standard error is told what is no event of a run: why the command failed, and what is odd.
//!
//! People get words, the cause first; whoever reads `--log json` gets lines of JSON and nothing else. A command has one standard
//! error: how it is told is decided once, before anything is.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use super::arguments::{Log, Verb};
use super::brief::message;
use super::{CliError, console};
use crate::run::Event;
use crate::spec::Problem;

/// Faults of the project's files that a failure tells in words at most: with what failed and how many there are more, ten lines.
const FAULTS: usize = 8;

static TELLING: OnceLock<Telling> = OnceLock::new();
/// Whether standard error knows already why the command failed.
static IS_TOLD: AtomicBool = AtomicBool::new(false);
/// The run that this process makes.
static RUN: OnceLock<String> = OnceLock::new();

/// Who reads standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Telling {
    /// Somebody at work on a project: its faults are drawn with their lines.
    Drawn,
    /// Somebody who runs it, or finds what a scheduler kept: ten lines.
    Brief,
    /// Both a machine and people: events and warnings are JSON, a failure is told in words after them.
    Mixed,
    /// A machine: JSON alone.
    Json,
}

impl Telling {
    /// How a command is to tell.
    pub(super) fn of(verb: &Verb) -> Self {
        let log = match verb {
            Verb::Run(run) => run.limits.log,
            Verb::Backtest(backtest) => backtest.limits.log,
            Verb::Backfill(backfill) => backfill.limits.log,
            Verb::Demo(demo) => demo.limits.log,
            _ => return Self::Drawn,
        };
        match log {
            Log::Json => Self::Json,
            Log::Human => Self::Brief,
            Log::Auto if console::is_terminal() => Self::Brief,
            Log::Auto => Self::Mixed,
        }
    }

    fn current() -> Self {
        TELLING.get().copied().unwrap_or(Self::Drawn)
    }
}

/// Decides how this process tells.
pub(super) fn begin(telling: Telling) {
    // Said twice, the first holds.
    let _ = TELLING.set(telling);
    std::panic::set_hook(Box::new(move |panic| match telling {
        Telling::Json => json_line(json!({ "event": "panic", "message": panic.to_string() })),
        Telling::Drawn | Telling::Brief | Telling::Mixed => {
            // Where RUST_BACKTRACE asks for it.
            let trace = Backtrace::capture();
            let trace = match trace.status() {
                BacktraceStatus::Captured => trace.to_string(),
                _ => String::new(),
            };
            console::err(&format!("{panic}\n{trace}"));
        }
    }));
}

/// From here on every line of JSON names the run: those of many runs come together in one place.
pub(super) fn run_began(run_id: &str) {
    // A process makes one run.
    let _ = RUN.set(run_id.to_owned());
}

/// Tells an object of JSON in a line.
pub(super) fn json_line(line: Value) {
    console::json_line(of_run(line, RUN.get()));
}

fn of_run(mut line: Value, run: Option<&String>) -> Value {
    if let (Some(run), Some(object)) = (run, line.as_object_mut()) {
        object.insert("run_id".to_owned(), run.as_str().into());
    }
    line
}

/// Tells why the command failed, once: whoever has to have the last word lets it be told before.
pub(super) fn failure(error: &CliError) {
    if IS_TOLD.swap(true, Ordering::Relaxed) {
        return;
    }
    match Telling::current() {
        Telling::Drawn => console::fault(error),
        Telling::Brief | Telling::Mixed => console::err(&in_words(error)),
        Telling::Json => {
            for line in in_json(error) {
                json_line(line);
            }
        }
    }
}

/// Whether a failure has the last line of JSON, after warnings of whoever could not be told of the run.
pub(super) fn tells_failure_last() -> bool {
    Telling::current() == Telling::Json
}

/// Tells of something odd that stops nothing.
pub(super) fn warning(message: &str) {
    match Telling::current() {
        Telling::Drawn | Telling::Brief => console::err(&format!("warning: {message}\n")),
        Telling::Mixed | Telling::Json => {
            json_line(json!({ "event": "warning", "message": message }));
        }
    }
}

/// A failure in ten lines at most: what failed, then why; of faults in the project's files each in a line.
fn in_words(error: &CliError) -> String {
    let CliError::Problems(problems) = error else {
        return console::told(error);
    };
    let mut text = format!("error: {error}; nothing was run\n");
    for problem in problems.iter().take(FAULTS) {
        text.push_str(&format!("  {}\n", in_a_line(&problem.shown())));
    }
    let more = problems.len().saturating_sub(FAULTS);
    if more > 0 {
        text.push_str(&format!(
            "  and {more} more; `cvm validate PIPELINE` shows all\n"
        ));
    }
    text
}

/// `file:line:column: message; help`.
fn in_a_line(problem: &Problem) -> String {
    let mut line = console::one_line(&problem.file.path);
    if problem.at.line > 0 {
        line.push_str(&format!(":{}:{}", problem.at.line, problem.at.column));
    }
    line.push_str(&format!(": {}", console::one_line(&problem.message)));
    if !problem.help.is_empty() {
        line.push_str(&format!("; {}", console::one_line(&problem.help)));
    }
    line
}

/// A failure in objects of JSON: the faults of the project's files, and last that and why nothing came of the command.
fn in_json(error: &CliError) -> Vec<Value> {
    let mut lines = Vec::new();
    if let CliError::Problems(problems) = error {
        lines.extend(problems.iter().map(Problem::shown).map(|problem| {
            json!({
                "event": "fault",
                "code": problem.code,
                "file": problem.file.path,
                "line": problem.at.line,
                "column": problem.at.column,
                "message": problem.message,
                "help": problem.help,
            })
        }));
    }
    let failed = Event::RunFailed {
        kind: format!("{:?}", error.kind()),
        exit_code: error.kind().exit_code(),
        message: message(error),
    };
    lines.extend(serde_json::to_value(failed).ok());
    lines
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use clap::Parser;

    use super::*;
    use crate::cli::arguments::Arguments;
    use crate::spec::problem::{At, SourceText};

    fn faults(count: usize) -> CliError {
        let file = Arc::new(SourceText {
            path: "pipelines/shop.yml".to_owned(),
            text: "a: 1\n".repeat(count),
        });
        let fault = |line: usize| {
            let at = At { line, column: 3 };
            let (message, help) = (format!("no\n  key {line}"), "did you mean `b`?");
            Problem::new("cvm::spec::unknown_key", &file, at, message, help)
        };
        CliError::Problems((1..=count).map(fault).collect())
    }

    #[test]
    fn faults_of_files_are_told_in_ten_lines_and_what_failed_comes_first() {
        assert_eq!(
            in_words(&faults(2)),
            "error: 2 faults in the project's files; nothing was run\n  \
             pipelines/shop.yml:1:3: no key 1; did you mean `b`?\n  \
             pipelines/shop.yml:2:3: no key 2; did you mean `b`?\n"
        );
        let text = in_words(&faults(60));
        assert_eq!(text.lines().count(), 10);
        assert!(text.starts_with("error: 60 faults in the project's files; nothing was run\n"));
        assert!(text.ends_with("  and 52 more; `cvm validate PIPELINE` shows all\n"));
    }

    #[test]
    fn a_fault_of_a_whole_file_has_no_line_and_one_without_a_remedy_none() {
        let file = Arc::new(SourceText {
            path: "sql/a.sql".to_owned(),
            text: String::new(),
        });
        let problem = Problem::new("cvm::plan::test", &file, At::default(), "is empty", "");
        assert_eq!(in_a_line(&problem), "sql/a.sql: is empty");
    }

    #[test]
    fn a_failure_in_json_is_a_line_a_fault_and_how_it_ended() {
        let fault = json!({
            "event": "fault", "code": "cvm::spec::unknown_key", "file": "pipelines/shop.yml", "line": 1, "column": 3,
            "message": "no\n  key 1", "help": "did you mean `b`?",
        });
        let failed = json!({
            "event": "run_failed", "kind": "Configuration", "exit_code": 2,
            "message": "1 fault in the project's files: pipelines/shop.yml:1: no\n  key 1",
        });
        assert_eq!(in_json(&faults(1)), [fault, failed]);
        let gone = CliError::Io {
            what: "read the pipeline".to_owned(),
            source: std::io::Error::other("gone"),
        };
        let failed = json!({
            "event": "run_failed", "kind": "Internal", "exit_code": 1,
            "message": "cannot read the pipeline; because: gone",
        });
        assert_eq!(in_json(&gone), [failed]);
    }

    #[test]
    fn every_line_of_a_run_names_it() {
        let line = json!({ "event": "committed", "commit": 1 });
        let run = "01a2".to_owned();
        let named = json!({ "event": "committed", "commit": 1, "run_id": "01a2" });
        assert_eq!(of_run(line.clone(), Some(&run)), named);
        assert_eq!(of_run(named.clone(), Some(&run)), named);
        assert_eq!(of_run(line.clone(), None), line);
    }

    #[test]
    fn who_reads_is_known_by_what_was_typed() {
        let telling = |words: &[&str]| {
            let words = std::iter::once(&"cvm").chain(words);
            Telling::of(&Arguments::try_parse_from(words).unwrap().verb)
        };
        let run = ["run", "a.yml", "--as-of", "2025-01-01", "--log"];
        assert_eq!(telling(&[&run[..], &["json"]].concat()), Telling::Json);
        assert_eq!(telling(&[&run[..], &["human"]].concat()), Telling::Brief);
        let backtest = ["backtest", "a.yml", "--cutoffs", "2025-01-01"];
        let backtest = [&backtest[..], &["--log", "json"]].concat();
        assert_eq!(telling(&backtest), Telling::Json);
        assert_eq!(telling(&["validate", "a.yml"]), Telling::Drawn);
        assert_eq!(telling(&["plan", "a.yml"]), Telling::Drawn);
    }
}
