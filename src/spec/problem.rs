//! One fault in what the user wrote: where it stands, what is wrong, what to do.

use std::fmt;
use std::sync::Arc;

use miette::{Diagnostic, LabeledSpan, SourceCode};

use super::shown;

/// A text file of a project, by the path under which a user knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceText {
    /// Path relative to the project's root, with `/`.
    pub path: String,
    /// The whole text.
    pub text: String,
}

/// A longer message or remedy is cut where it is shown: what it quotes may be of any length.
const TOLD_CHARS: usize = 2_000;
/// A longer line is not drawn, nor are its neighbours: nobody finds a place in it.
const DRAWN_BYTES: usize = 2_000;

impl SourceText {
    fn line_start(&self, line: usize) -> usize {
        self.text
            .split_inclusive('\n')
            .take(line.saturating_sub(1))
            .map(str::len)
            .sum()
    }
}

/// A place in a file: lines and columns count from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct At {
    /// Line, from 1; 0 where the whole file is meant.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
}

/// One fault of a file, with a stable code, the place, and a remedy.
#[derive(Debug, Clone)]
pub struct Problem {
    /// Stable code, `cvm::<area>::<fault>`.
    pub code: &'static str,
    /// What is wrong, in one sentence that names the thing.
    pub message: String,
    /// What to do about it.
    pub help: String,
    /// The file.
    pub file: Arc<SourceText>,
    /// Where in the file.
    pub at: At,
}

impl Problem {
    /// A fault of `file` at `at`.
    pub fn new(
        code: &'static str,
        file: &Arc<SourceText>,
        at: At,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self {
            code,
            message: message.into(),
            help: help.into(),
            file: Arc::clone(file),
            at,
        }
    }

    /// The fault as it may be printed: without the secrets that are written into its file, and of bounded length.
    #[must_use]
    pub fn shown(&self) -> Self {
        let mut shown = self.clone();
        if let Some((text, secrets)) = shown::hidden(&self.file.text) {
            let path = self.file.path.clone();
            shown.file = Arc::new(SourceText { path, text });
            for secret in &secrets {
                shown.message = shown.message.replace(secret.as_str(), "(secret)");
                shown.help = shown.help.replace(secret.as_str(), "(secret)");
            }
        }
        // Not before: of a secret that is cut, the rest would not be known for one.
        shown.message = cut(shown.message);
        shown.help = cut(shown.help);
        shown
    }

    /// Whether the place and the lines around it can be shown.
    fn is_drawn(&self) -> bool {
        let lines = self.file.text.split('\n');
        let mut around = lines.skip(self.at.line.saturating_sub(2)).take(3);
        self.at.line > 0 && around.all(|line| line.len() <= DRAWN_BYTES)
    }

    /// Byte range of the place: from its column to the end of its line.
    fn byte_range(&self) -> (usize, usize) {
        let start_of_line = self.file.line_start(self.at.line);
        let rest = self.file.text.get(start_of_line..).unwrap_or_default();
        let line = rest.lines().next().unwrap_or_default().trim_end();
        let skipped: usize = line
            .chars()
            .take(self.at.column.saturating_sub(1))
            .map(char::len_utf8)
            .sum();
        (start_of_line + skipped, line.len().saturating_sub(skipped))
    }
}

impl fmt::Display for Problem {
    /// `file:line: message`, the form that tests and logs use.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at.line {
            0 => write!(f, "{}: {}", self.file.path, self.message),
            line => write!(f, "{}:{}: {}", self.file.path, line, self.message),
        }
    }
}

impl std::error::Error for Problem {}

impl Diagnostic for Problem {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.code))
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        (!self.help.is_empty()).then(|| Box::new(&self.help) as Box<dyn fmt::Display + 'a>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.is_drawn().then_some(&*self.file as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.is_drawn().then(|| {
            let (offset, length) = self.byte_range();
            Box::new(std::iter::once(LabeledSpan::new(
                Some("here".to_owned()),
                offset,
                length,
            ))) as Box<dyn Iterator<Item = LabeledSpan>>
        })
    }
}

impl SourceCode for SourceText {
    fn read_span<'a>(
        &'a self,
        span: &miette::SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn miette::SpanContents<'a> + 'a>, miette::MietteError> {
        let inner = self.text.read_span(span, before, after)?;
        Ok(Box::new(miette::MietteSpanContents::new_named(
            self.path.clone(),
            inner.data(),
            *inner.span(),
            inner.line(),
            inner.column(),
            inner.line_count(),
        )))
    }
}

fn cut(mut text: String) -> String {
    if let Some((at, _)) = text.char_indices().nth(TOLD_CHARS) {
        text.truncate(at);
        text.push('…');
    }
    text
}

/// "did you mean `x`?" for the candidate that is closest to `wrong`, else the list of what there is.
pub fn did_you_mean<'a>(wrong: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    let mut all: Vec<&str> = candidates.into_iter().collect();
    all.sort_unstable();
    all.dedup();
    let most = |candidate: &str| (candidate.len() / 3).max(2);
    // The distance takes time and memory of the product of the lengths, and is at least their difference.
    let length = wrong.chars().count();
    let closest = all
        .iter()
        .filter(|candidate| length.abs_diff(candidate.chars().count()) <= most(candidate))
        .map(|candidate| (strsim::damerau_levenshtein(wrong, candidate), *candidate))
        .min()
        .filter(|(distance, candidate)| *distance <= most(candidate));
    match closest {
        Some((_, candidate)) => format!("did you mean `{candidate}`?"),
        None if all.is_empty() => "there is none to choose from".to_owned(),
        None => format!("there is: {}", all.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_close_name_is_suggested_and_a_far_one_gets_the_list() {
        assert_eq!(
            did_you_mean("ordrs", ["orders", "returns"]),
            "did you mean `orders`?"
        );
        assert_eq!(
            did_you_mean("x", ["orders", "returns"]),
            "there is: orders, returns"
        );
    }

    #[test]
    fn a_text_of_any_length_is_told_in_short() {
        let long = "x".repeat(1_000_000);
        assert_eq!(did_you_mean(&long, ["orders"]), "there is: orders");
        let file = Arc::new(SourceText {
            path: "a.yml".into(),
            text: format!("x: {long}\ny: 1\n\n\nz: 1\n"),
        });
        let problem = |line| {
            let at = At { line, column: 1 };
            Problem::new("cvm::spec::test", &file, at, long.as_str(), "do")
        };
        assert_eq!(problem(1).shown().message.chars().count(), TOLD_CHARS + 1);
        let drawn = [1, 2, 4, 5].map(|line| problem(line).source_code().is_some());
        assert_eq!(drawn, [false, false, true, true]);
    }

    #[test]
    fn a_fault_is_printed_without_the_secrets_of_its_file() {
        let file = Arc::new(SourceText {
            path: "a.yml".into(),
            text: "options: { token:abcd }\n".into(),
        });
        let at = At {
            line: 1,
            column: 12,
        };
        let problem = Problem::new("cvm::spec::test", &file, at, "no: \"token:abcd\"", "abcd");
        let shown = problem.shown();
        assert_eq!(shown.to_string(), "a.yml:1: no: \"token:(secret)\"");
        assert_eq!(shown.help, "(secret)");
        assert_eq!(shown.file.text, "options: { token:**** }\n");
        assert_eq!(shown.byte_range(), problem.byte_range());
    }

    #[test]
    fn a_long_secret_is_hidden_before_the_message_is_cut() {
        let secret = "k3y".repeat(TOLD_CHARS);
        let file = Arc::new(SourceText {
            path: "a.yml".into(),
            text: format!("options: {{ service_account_key:{secret} }}\n"),
        });
        let message = format!("no: \"service_account_key:{secret}\"");
        let problem = Problem::new("cvm::spec::test", &file, At::default(), message, "do");
        let shown = problem.shown();
        assert_eq!(shown.message, "no: \"service_account_key:(secret)\"");
    }

    #[test]
    fn the_snippet_is_the_line_from_the_column_on() {
        let file = Arc::new(SourceText {
            path: "a.yml".into(),
            text: "x: 1\n  wrong: é\n".into(),
        });
        let problem = Problem::new(
            "cvm::spec::test",
            &file,
            At { line: 2, column: 3 },
            "no",
            "do",
        );
        assert_eq!(problem.byte_range(), (7, 9));
        assert_eq!(problem.to_string(), "a.yml:2: no");
    }
}
