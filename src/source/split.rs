//! Delimited text cut into records and cells without copying what need not be copied.

use memchr::{memchr, memchr_iter, memchr2};

/// How cells are separated and quoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dialect {
    /// The byte between cells; none for runs of spaces and tabs.
    pub(crate) delimiter: Option<u8>,
    /// The quoting byte, if any.
    pub(crate) quote: Option<u8>,
}

/// What stands at the start of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Split {
    /// The record has not ended: more text is needed.
    More,
    /// A record: its bytes with and without the line end, and the line ends within and behind it.
    Record {
        bytes: usize,
        content: usize,
        lines: u64,
    },
    /// The text has ended inside quotes that opened this many lines below the record's first.
    Unclosed { line: u64 },
}

#[derive(Debug, Clone, Copy)]
struct Cell {
    start: usize,
    end: usize,
    /// Whether the cell had doubled quotes and lies, with one of each two, in the scratch space.
    unescaped: bool,
}

/// The cells of one record.
#[derive(Debug, Default)]
pub(crate) struct Cells {
    cells: Vec<Cell>,
    scratch: Vec<u8>,
    /// The first cell with text behind its closing quote.
    pub(crate) badly_quoted: Option<usize>,
}

impl Cells {
    /// How many cells there are.
    pub(crate) fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether a record has nothing in it: an empty line.
    pub(crate) fn is_blank(&self) -> bool {
        matches!(
            self.cells.as_slice(),
            [] | [Cell {
                start: 0,
                end: 0,
                unescaped: false
            }]
        )
    }

    /// The bytes of a cell of the record that `text` starts with.
    pub(crate) fn bytes<'a>(&'a self, text: &'a [u8], at: usize) -> &'a [u8] {
        let Some(cell) = self.cells.get(at) else {
            return b"";
        };
        let space = if cell.unescaped { &self.scratch } else { text };
        space.get(cell.start..cell.end).unwrap_or_default()
    }

    /// A cell as text; `record` is the whole record as text, checked once for all its cells, if it is text.
    pub(crate) fn text<'a>(
        &'a self,
        text: &'a [u8],
        record: Option<&'a str>,
        at: usize,
    ) -> Option<&'a str> {
        match (record, self.cells.get(at)) {
            // Cells end at ASCII bytes, so they are cut between characters.
            (Some(record), Some(cell)) if !cell.unescaped => record.get(cell.start..cell.end),
            _ => std::str::from_utf8(self.bytes(text, at)).ok(),
        }
    }
}

/// Where the scan of a cell stopped.
enum End {
    Delimiter,
    Line,
    Text,
}

impl Dialect {
    /// Cuts the first record of `text` into `cells`. `at_end` says that no text follows.
    ///
    /// A record ends at a line feed outside quotes; a carriage return right before it belongs to the line end. A quote
    /// opens only at the start of a cell; elsewhere it is text.
    pub(crate) fn split(self, text: &[u8], at_end: bool, cells: &mut Cells) -> Split {
        cells.cells.clear();
        cells.scratch.clear();
        cells.badly_quoted = None;
        match self.delimiter {
            Some(delimiter) => self.split_by(delimiter, text, at_end, cells),
            None => self.split_by_blanks(text, at_end, cells),
        }
    }

    fn split_by(self, delimiter: u8, text: &[u8], at_end: bool, cells: &mut Cells) -> Split {
        let (mut at, mut lines) = (0, 0);
        loop {
            let start = at;
            let end = if self.quote.is_some() && text.get(at).copied() == self.quote {
                match self.quoted(text, at, at_end, lines, cells) {
                    Ok((after, breaks)) => {
                        lines += breaks;
                        at = after;
                    }
                    Err(stopped) => return stopped,
                }
                let rest = text.get(at..).unwrap_or_default();
                let run = memchr2(delimiter, b'\n', rest).unwrap_or(rest.len());
                let junk = rest.get(..run).unwrap_or_default();
                let ends_line = rest.get(run) != Some(&delimiter);
                if !(junk.is_empty() || junk == b"\r" && ends_line) {
                    let cell = cells.cells.len() - 1;
                    cells.badly_quoted.get_or_insert(cell);
                }
                at += run;
                stop(text.get(at).copied(), delimiter)
            } else {
                let rest = text.get(at..).unwrap_or_default();
                at += memchr2(delimiter, b'\n', rest).unwrap_or(rest.len());
                let end = stop(text.get(at).copied(), delimiter);
                let content = if matches!(end, End::Delimiter) {
                    at
                } else {
                    without_return(text, start, at)
                };
                cells.cells.push(Cell {
                    start,
                    end: content,
                    unescaped: false,
                });
                end
            };
            match end {
                End::Delimiter => at += 1,
                End::Line => return record(text, at, at + 1, lines + 1),
                End::Text if at_end => return record(text, at, at, lines + 1),
                End::Text => return Split::More,
            }
        }
    }

    fn split_by_blanks(self, text: &[u8], at_end: bool, cells: &mut Cells) -> Split {
        let (mut at, mut lines) = (0, 0);
        loop {
            while matches!(text.get(at), Some(b' ' | b'\t')) {
                at += 1;
            }
            match text.get(at) {
                None if at_end => return record(text, at, at, lines + 1),
                None => return Split::More,
                Some(b'\n') => return record(text, at, at + 1, lines + 1),
                Some(b'\r') if text.get(at + 1) == Some(&b'\n') => {
                    return record(text, at + 1, at + 2, lines + 1);
                }
                Some(b'\r') if at + 1 == text.len() => {
                    return if at_end {
                        record(text, at, at + 1, lines + 1)
                    } else {
                        Split::More
                    };
                }
                Some(byte) if Some(*byte) == self.quote => {
                    match self.quoted(text, at, at_end, lines, cells) {
                        Ok((after, breaks)) => {
                            lines += breaks;
                            at = after;
                        }
                        Err(stopped) => return stopped,
                    }
                    let run = blank_or_end(text.get(at..).unwrap_or_default());
                    if without_return(text, at, at + run) > at {
                        let cell = cells.cells.len() - 1;
                        cells.badly_quoted.get_or_insert(cell);
                    }
                    at = without_return(text, at, at + run);
                }
                Some(_) => {
                    let start = at;
                    at += blank_or_end(text.get(at..).unwrap_or_default());
                    // A carriage return at the end of what is there may still be followed by a line feed.
                    if at == text.len() && !at_end {
                        return Split::More;
                    }
                    if matches!(text.get(at), None | Some(b'\n')) {
                        at = without_return(text, start, at);
                    }
                    cells.cells.push(Cell {
                        start,
                        end: at,
                        unescaped: false,
                    });
                }
            }
        }
    }

    /// Reads the quoted cell that opens at `open`; gives the place behind its closing quote and the line breaks in it.
    fn quoted(
        self,
        text: &[u8],
        open: usize,
        at_end: bool,
        lines: u64,
        cells: &mut Cells,
    ) -> Result<(usize, u64), Split> {
        let quote = self.quote.unwrap_or(b'"');
        let stopped = if at_end {
            Split::Unclosed { line: lines }
        } else {
            Split::More
        };
        let mut from = open + 1;
        let (copied, mut unescaped) = (cells.scratch.len(), false);
        loop {
            let rest = text.get(from..).unwrap_or_default();
            let Some(run) = memchr(quote, rest) else {
                return Err(stopped);
            };
            let close = from + run;
            match text.get(close + 1) {
                Some(next) if *next == quote => {
                    cells
                        .scratch
                        .extend_from_slice(text.get(from..=close).unwrap_or_default());
                    unescaped = true;
                    from = close + 2;
                }
                None if !at_end => return Err(Split::More),
                _ => {
                    let cell = if unescaped {
                        cells
                            .scratch
                            .extend_from_slice(text.get(from..close).unwrap_or_default());
                        Cell {
                            start: copied,
                            end: cells.scratch.len(),
                            unescaped,
                        }
                    } else {
                        Cell {
                            start: from,
                            end: close,
                            unescaped,
                        }
                    };
                    cells.cells.push(cell);
                    let within = text.get(open..close).unwrap_or_default();
                    return Ok((close + 1, memchr_iter(b'\n', within).count() as u64));
                }
            }
        }
    }
}

fn stop(byte: Option<u8>, delimiter: u8) -> End {
    match byte {
        None => End::Text,
        Some(byte) if byte == delimiter => End::Delimiter,
        Some(_) => End::Line,
    }
}

fn blank_or_end(text: &[u8]) -> usize {
    text.iter()
        .position(|byte| matches!(byte, b' ' | b'\t' | b'\n'))
        .unwrap_or(text.len())
}

/// `end` without a carriage return right before it.
fn without_return(text: &[u8], start: usize, end: usize) -> usize {
    if end > start && text.get(end - 1) == Some(&b'\r') {
        end - 1
    } else {
        end
    }
}

fn record(text: &[u8], end: usize, bytes: usize, lines: u64) -> Split {
    Split::Record {
        bytes,
        content: without_return(text, 0, end),
        lines,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CSV: Dialect = Dialect {
        delimiter: Some(b','),
        quote: Some(b'"'),
    };
    const BLANKS: Dialect = Dialect {
        delimiter: None,
        quote: Some(b'"'),
    };

    /// All records with their first lines; must be the same however the text is cut into what is there and what follows.
    fn records(dialect: Dialect, text: &str) -> Vec<(u64, Vec<String>)> {
        let (mut rest, mut line, mut found) = (text.as_bytes(), 1, Vec::new());
        let mut cells = Cells::default();
        while !rest.is_empty() {
            let whole = dialect.split(rest, true, &mut cells);
            let Split::Record { bytes, lines, .. } = whole else {
                panic!("{whole:?}")
            };
            let row: Vec<String> = (0..cells.len())
                .map(|at| {
                    cells
                        .text(rest, std::str::from_utf8(rest).ok(), at)
                        .unwrap()
                        .to_owned()
                })
                .collect();
            for cut in 0..bytes {
                let early = dialect.split(&rest[..cut], false, &mut cells);
                assert_eq!(early, Split::More, "{:?}", &rest[..cut]);
            }
            found.push((line, row));
            rest = &rest[bytes..];
            line += lines;
        }
        found
    }

    fn row(line: u64, cells: &[&str]) -> (u64, Vec<String>) {
        (line, cells.iter().map(|cell| (*cell).to_owned()).collect())
    }

    #[test]
    fn cells_and_lines() {
        assert_eq!(
            records(
                CSV,
                "a,b\r\n1,\"x\ny\"\r\n\"he said \"\"no\"\"\",\n\n5\" disc,é\n\"\",z"
            ),
            [
                row(1, &["a", "b"]),
                row(2, &["1", "x\ny"]),
                row(4, &["he said \"no\"", ""]),
                row(5, &[""]),
                row(6, &["5\" disc", "é"]),
                row(7, &["", "z"]),
            ]
        );
    }

    #[test]
    fn runs_of_blanks() {
        assert_eq!(
            records(
                BLANKS,
                " id  date\r\n 00001 19970101  1   11.77\r\n\t2 \"a  b\" \n\nx y"
            ),
            [
                row(1, &["id", "date"]),
                row(2, &["00001", "19970101", "1", "11.77"]),
                row(3, &["2", "a  b"]),
                row(4, &[]),
                row(5, &["x", "y"]),
            ]
        );
    }

    #[test]
    fn without_quoting_a_quote_is_text() {
        let dialect = Dialect {
            delimiter: Some(b'\t'),
            quote: None,
        };
        assert_eq!(records(dialect, "\"a\tb\"\n"), [row(1, &["\"a", "b\""])]);
    }

    #[test]
    fn text_behind_a_closing_quote_is_noticed() {
        let mut cells = Cells::default();
        for (dialect, text) in [(CSV, "1,\"a\" b,3\n"), (BLANKS, "1 \"a\"b 3\n")] {
            let split = dialect.split(text.as_bytes(), true, &mut cells);
            assert_eq!(
                split,
                Split::Record {
                    bytes: text.len(),
                    content: text.len() - 1,
                    lines: 1
                }
            );
            assert_eq!((cells.badly_quoted, cells.len()), (Some(1), 3));
        }
        assert_eq!(
            CSV.split(b"\"a\"\r\n", true, &mut cells),
            Split::Record {
                bytes: 5,
                content: 3,
                lines: 1
            }
        );
        assert_eq!(cells.badly_quoted, None);
    }

    #[test]
    fn a_quote_that_is_never_closed_is_noticed() {
        let mut cells = Cells::default();
        assert_eq!(
            CSV.split(b"\"a\nb\",\"c\n", true, &mut cells),
            Split::Unclosed { line: 1 }
        );
    }
}
