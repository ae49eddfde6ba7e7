//! Printing: results to standard output, everything else to standard error.

use std::io::{self, IsTerminal, Write};

use miette::{GraphicalReportHandler, GraphicalTheme};

use super::CliError;
use crate::spec::problem::Problem;
use crate::store::redacted;

/// Prints a result. A reader that went away (`| head`) is no fault.
pub(super) fn out(text: &str) -> Result<(), CliError> {
    let mut stdout = io::stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Err(source) if source.kind() != io::ErrorKind::BrokenPipe => Err(CliError::Io {
            what: "write to standard output".to_owned(),
            source,
        }),
        _ => Ok(()),
    }
}

/// Prints to standard error; there is nowhere to complain if that fails.
pub(super) fn err(text: &str) {
    drop(io::stderr().lock().write_all(redacted(text).as_bytes()));
}

/// Whether a person looks at standard error.
pub(super) fn is_terminal() -> bool {
    io::stderr().is_terminal()
}

/// Prints a failure: every fault of the project's files with its snippet, or the chain of causes.
pub(super) fn fault(error: &CliError) {
    if let CliError::Problems(problems) = error {
        err(&render(problems));
    }
    let mut text = format!("error: {error}\n");
    let mut cause = std::error::Error::source(error);
    let mut said = error.to_string();
    while let Some(inner) = cause {
        let message = inner.to_string();
        // A cause that its effect has quoted already is not said again.
        if !said.contains(&message) {
            text.push_str(&format!(
                "  because: {}\n",
                message.replace('\n', "\n           ")
            ));
        }
        said = message;
        cause = inner.source();
    }
    err(&text);
}

/// Faults with snippets and remedies; plain characters where nobody looks.
pub(super) fn render(problems: &[Problem]) -> String {
    let theme = if is_terminal() {
        GraphicalTheme::unicode()
    } else {
        GraphicalTheme::none()
    };
    let handler = GraphicalReportHandler::new_themed(theme).with_links(false);
    let mut text = String::new();
    for problem in problems {
        // A string takes whatever is written to it.
        let _ = handler.render_report(&mut text, problem);
        text.push('\n');
    }
    text
}
