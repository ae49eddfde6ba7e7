//! Printing: results to standard output, everything else to standard error.

use std::error::Error;
use std::io::{self, IsTerminal, Write};
use std::iter;

use datafusion::error::DataFusionError;
use miette::{GraphicalReportHandler, GraphicalTheme};
use serde_json::Value;

use super::CliError;
use crate::publish::PublishError;
use crate::run::{RunError, told_within};
use crate::source::SourceError;
use crate::spec::problem::Problem;
use crate::store::{redacted, redacted_json};

/// What a person is shown of causes and effects at most, besides the failure itself.
const MORE_LINES: usize = 9;
/// Characters of what a store or the engine says: some answer with a page.
const LINE_CHARS: usize = 500;

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

/// Prints an object of JSON with the time to standard error, as a line.
pub(super) fn json_line(mut line: Value) {
    if let Some(object) = line.as_object_mut() {
        let now = chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
        object.insert("time".to_owned(), now.into());
    }
    let text = format!("{}\n", redacted_json(line));
    // Whoever reads the log may be gone; the work goes on.
    drop(io::stderr().lock().write_all(text.as_bytes()));
}

/// Whether a person looks at standard error.
pub(super) fn is_terminal() -> bool {
    io::stderr().is_terminal()
}

/// Prints a failure: every fault of the project's files with its snippet, then what [`told`] says.
pub(super) fn fault(error: &CliError) {
    if let CliError::Problems(problems) = error {
        err(&render(problems));
    }
    err(&told(error));
}

/// A failure with its cause first, which is the innermost error that names a raw table or a published object, or else the
/// failure itself; then why, each in a line; then what did not come about for it.
pub(super) fn told(error: &(dyn Error + 'static)) -> String {
    let chain: Vec<&(dyn Error + 'static)> =
        iter::successors(Some(error), |error| (*error).source()).collect();
    let is_cause =
        |error: &&(dyn Error + 'static)| error.is::<SourceError>() || error.is::<PublishError>();
    let cause = chain.iter().rposition(is_cause).unwrap_or(0);
    let mut text = String::new();
    let mut more = Vec::new();
    let mut said = String::new();
    for (at, error) in chain.iter().enumerate().skip(cause) {
        let message = words(*error);
        if at == cause {
            text = format!("error: {message}\n");
        } else if !said.contains(&message) {
            // A cause that its effect has quoted already is not said again.
            more.push(format!("  because: {}\n", in_a_line(*error, &message)));
        }
        said = message;
    }
    let effects = chain
        .iter()
        .take(cause)
        .rev()
        .map(|error| error.to_string());
    let quoted = text.trim_start_matches("error: ").trim_end().to_owned();
    for effect in effects.filter(|effect| !effect.contains(&quoted)) {
        more.push(format!("  so: {}\n", effect.replace('\n', " ")));
    }
    text.extend(more.into_iter().take(MORE_LINES));
    text
}

/// What an error says; of many broken checks the first.
fn words(error: &(dyn Error + 'static)) -> String {
    match error.downcast_ref::<CliError>() {
        Some(CliError::Run(RunError::Checks { broken })) => told_within(broken, 1 + MORE_LINES),
        _ => error.to_string(),
    }
}

/// What others say, in a line.
fn in_a_line(error: &(dyn Error + 'static), message: &str) -> String {
    let engine = error.downcast_ref::<DataFusionError>();
    if let Some(DataFusionError::ResourcesExhausted(reason)) =
        engine.map(DataFusionError::find_root)
    {
        // The engine lists who holds how much, and names options that are not ours.
        let last = reason
            .rsplit_once("Error: ")
            .map_or(reason.as_str(), |(_, last)| last);
        return format!(
            "it does not fit into the memory for operators, even with what they spill; raise --memory-limit: {}",
            last.trim()
        );
    }
    one_line(message)
}

/// A text of any length and form, in a line.
pub(super) fn one_line(text: &str) -> String {
    // Secrets first: of one that is cut in two, neither part would be known.
    let text = redacted(text);
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ");
    match line.char_indices().nth(LINE_CHARS) {
        Some((end, _)) => format!("{} …", line.get(..end).unwrap_or(&line)),
        None => line,
    }
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
        let _ = handler.render_report(&mut text, &problem.shown());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::BrokenCheck;
    use crate::stage::StageError;
    use crate::store::StoreError;

    fn stage(source: DataFusionError) -> CliError {
        CliError::Run(RunError::Stage(StageError::Engine {
            stage: "stg_shop__orders".to_owned(),
            source,
        }))
    }

    #[test]
    fn the_cause_comes_first_and_a_page_takes_one_line() {
        let page = "502 Bad Gateway: <html>\r\n<body>\r\n<p>no</p>\r\n</body>\r\n</html>\r\n";
        let source = SourceError::Store {
            table: "shop.orders".to_owned(),
            file: "orders/1.csv".to_owned(),
            source: Box::new(StoreError::Access {
                url: "s3://raw/orders/1.csv".to_owned(),
                source: object_store::Error::Generic {
                    store: "S3",
                    source: page.into(),
                },
            }),
        };
        assert_eq!(
            told(&stage(source.into())),
            "error: shop.orders: cannot read `orders/1.csv`\n  \
             because: cannot reach `s3://raw/orders/1.csv`\n  \
             because: Generic S3 error: 502 Bad Gateway: <html> <body> <p>no</p> </body> </html>\n  \
             so: the table `stg_shop__orders` could not be made\n"
        );
    }

    #[test]
    fn too_little_memory_names_the_option() {
        let engine = DataFusionError::ResourcesExhausted(
            "Additional allocation failed for Sort[0] with top memory consumers as:\n  Sort[0] consumed 0 B.\n\
             Error: Failed to allocate additional 10.0 MB for Sort[0]"
                .to_owned(),
        );
        assert_eq!(
            told(&stage(DataFusionError::Context(
                "more words".to_owned(),
                Box::new(engine)
            ))),
            "error: the table `stg_shop__orders` could not be made\n  \
             because: it does not fit into the memory for operators, even with what they spill; raise --memory-limit: \
             Failed to allocate additional 10.0 MB for Sort[0]\n"
        );
    }

    #[test]
    fn many_broken_checks_take_ten_lines() {
        let broken = |number: usize| BrokenCheck {
            check: format!("check_{number}"),
            description: "Everybody is known.".to_owned(),
            found: "1 row breaks it".to_owned(),
            examples: vec!["id = 1".to_owned()],
            help: "look at the shop".to_owned(),
            rows_at: None,
        };
        let failure = CliError::Run(RunError::Checks {
            broken: (0..20).map(broken).collect(),
        });
        let text = told(&failure);
        assert_eq!(text.lines().count(), 10);
        assert!(
            text.starts_with("error: 20 checks are broken; nothing was published\n  `check_0`: ")
        );
        assert!(text.ends_with("and 16 more, as `check_4`; --log json tells all of them\n"));
    }
}
