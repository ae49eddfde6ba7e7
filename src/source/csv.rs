//! Delimited text: comma, semicolon, tab or runs of blanks; with or without a header; quoted cells.

use std::sync::Arc;

use async_trait::async_trait;

use super::cell::Value;
use super::drift::{Drift, Fits, Verdict};
use super::error::SourceError;
use super::format::{FormatEntry, PieceReader, PieceScan, SourceFormat};
use super::set_aside::{Entry, raw_text};
use super::split::{Cells, Dialect, Split};
use super::table::Table;
use super::text::{Records, Rows, Step, TextReader};
use crate::spec::source::{CsvFormat, Delimiter, Format};

/// What `cvm list formats` says.
pub(crate) const ENTRY: FormatEntry = FormatEntry {
    name: "csv",
    summary: "Delimited text with or without a header; quoted cells, gzip and zstd",
    example: "csv: { delimiter: \";\", header: true, null_values: [\"\", \"NA\"], compression: auto }",
    make: |format| match format {
        Format::Csv(csv) => Some(Arc::new(Csv {
            format: csv.clone(),
        })),
        _ => None,
    },
};

/// The reader of [`Format::Csv`].
#[derive(Debug)]
struct Csv {
    format: CsvFormat,
}

impl Csv {
    fn dialect(&self) -> Result<Dialect, String> {
        let ascii = |what: &str, c: char| {
            u8::try_from(c)
                .ok()
                .filter(|byte| byte.is_ascii() && !matches!(byte, b'\r' | b'\n'))
                .ok_or_else(|| {
                    format!("the {what} {c:?} must be one ASCII character and no line break")
                })
        };
        let delimiter = match self.format.delimiter {
            Delimiter::Whitespace => None,
            Delimiter::Char(c) => Some(ascii("delimiter", c)?),
        };
        let quote = self.format.quote.map(|c| ascii("quote", c)).transpose()?;
        if quote.is_some() && quote == delimiter {
            return Err("the delimiter and the quote are the same".to_owned());
        }
        Ok(Dialect { delimiter, quote })
    }
}

#[async_trait]
impl SourceFormat for Csv {
    fn check(&self) -> Result<(), String> {
        self.dialect().map(|_| ())
    }

    async fn open(&self, scan: PieceScan) -> Result<Box<dyn PieceReader>, SourceError> {
        let table = Arc::clone(&scan.table);
        let dialect = self.dialect().map_err(|reason| SourceError::Declaration {
            table: table.source.to_string(),
            reason,
        })?;
        let layout = (!self.format.header).then(|| Layout {
            cells: (0..table.columns.len()).collect(),
            width: table.columns.len(),
            refused: None,
        });
        let records = CsvRecords {
            dialect,
            nulls: Nulls::new(&self.format.null_values),
            layout,
            cells: Cells::default(),
            values: vec![Value::Null; table.columns.len()],
            fits: Fits::new(table.columns.len()),
            table,
        };
        Ok(Box::new(TextReader::new(
            scan,
            self.format.compression,
            records,
        )?))
    }
}

/// Which cell texts mean "no value".
#[derive(Debug)]
struct Nulls {
    empty: bool,
    others: Vec<Vec<u8>>,
}

impl Nulls {
    fn new(texts: &[String]) -> Self {
        let others = texts.iter().filter(|text| !text.is_empty());
        Self {
            empty: texts.iter().any(String::is_empty),
            others: others.map(|text| text.clone().into_bytes()).collect(),
        }
    }

    fn contain(&self, cell: &[u8]) -> bool {
        if cell.is_empty() {
            self.empty
        } else {
            self.others.iter().any(|null| null == cell)
        }
    }
}

/// Which cell holds which declared column.
#[derive(Debug)]
struct Layout {
    cells: Vec<usize>,
    width: usize,
    /// Why all rows are set aside, if they are.
    refused: Option<String>,
}

/// Parses the records of one object.
struct CsvRecords {
    table: Arc<Table>,
    dialect: Dialect,
    nulls: Nulls,
    /// None until the header is read.
    layout: Option<Layout>,
    cells: Cells,
    values: Vec<Value>,
    fits: Fits,
}

/// Why a row does not fit: the declared column, if it is one column's fault, and the reason.
type Misfit = (Option<usize>, String);

impl CsvRecords {
    /// Finds the declared columns in a header.
    fn read_header(&self, text: &[u8], file: &str) -> Result<Layout, SourceError> {
        let name = |at: usize| String::from_utf8_lossy(self.cells.bytes(text, at)).into_owned();
        let names: Vec<String> = (0..self.cells.len()).map(name).collect();
        let source = || self.table.source.to_string();
        let mut cells = Vec::with_capacity(self.table.columns.len());
        for column in &self.table.columns {
            let mut places = names
                .iter()
                .enumerate()
                .filter(|(_, name)| **name == column.name)
                .map(|(at, _)| at);
            let place = places.next();
            if places.next().is_some() {
                return Err(SourceError::DuplicateColumn {
                    table: source(),
                    file: file.to_owned(),
                    column: column.name.clone(),
                });
            }
            cells.extend(place);
        }
        let refused = match Drift::between(&self.table, &names).judge(&self.table, file)? {
            Verdict::Read => None,
            Verdict::SetAside(reason) => Some(reason),
        };
        Ok(Layout {
            cells,
            width: names.len(),
            refused,
        })
    }

    /// Parses every declared column, also those that nobody asked for: whether a row fits must not depend on who reads it.
    /// Those behind the first that does not fit are parsed too, so that each column is judged by all of its values.
    fn parse(&mut self, text: &[u8], record: Option<&str>, line: u64) -> Result<(), Misfit> {
        let Some(layout) = &self.layout else {
            return Ok(());
        };
        if let Some(reason) = &layout.refused {
            return Err((None, reason.clone()));
        }
        if self.cells.len() != layout.width {
            let (width, found) = (layout.width, self.cells.len());
            return Err((None, format!("{width} cells expected, {found} found")));
        }
        if let Some(cell) = self.cells.badly_quoted {
            let column = layout.cells.iter().position(|at| *at == cell);
            return Err((column, "text behind a closing quote".to_owned()));
        }
        let columns = self
            .table
            .columns
            .iter()
            .zip(&layout.cells)
            .zip(&mut self.values)
            .enumerate();
        let mut first: Option<Misfit> = None;
        for (at, ((column, cell), value)) in columns {
            if self.nulls.contain(self.cells.bytes(text, *cell)) {
                *value = Value::Null;
                if column.required && first.is_none() {
                    first = Some((Some(at), "no value, but one is required".to_owned()));
                }
                continue;
            }
            let parsed = match self.cells.text(text, record, *cell) {
                Some(cell) => column.parse(cell),
                None => Err("not valid UTF-8".to_owned()),
            };
            match parsed {
                Ok(parsed) => {
                    *value = parsed;
                    self.fits.fit(at);
                }
                Err(reason) => {
                    self.fits.misfit(at, line, &reason);
                    if first.is_none() {
                        first = Some((Some(at), reason));
                    }
                }
            }
        }
        first.map_or(Ok(()), Err)
    }
}

impl Records for CsvRecords {
    const TOO_LONG: &'static str = "is a quote never closed?";

    fn next(
        &mut self,
        text: &[u8],
        at_end: bool,
        line: u64,
        rows: &mut Rows,
    ) -> Result<Step, SourceError> {
        let (bytes, content, lines) = match self.dialect.split(text, at_end, &mut self.cells) {
            Split::More => return Ok(Step::More),
            Split::Record {
                bytes,
                content,
                lines,
            } => (bytes, content, lines),
            Split::Unclosed { line: below } => {
                let reason = format!(
                    "a quote that opens in line {} is never closed",
                    line + below
                );
                return Err(rows.damaged(reason));
            }
        };
        let step = Step::Record { bytes, lines };
        if self.cells.is_blank() {
            return Ok(step);
        }
        if self.layout.is_none() {
            self.layout = Some(self.read_header(text, rows.file())?);
            return Ok(step);
        }
        let content = text.get(..content).unwrap_or_default();
        let record = std::str::from_utf8(content).ok();
        match self.parse(content, record, line) {
            Ok(()) => {
                let cells = self.layout.as_ref().map_or(&[][..], |layout| &layout.cells);
                rows.keep(line, &self.values, |column| {
                    let cell = cells.get(column).copied().unwrap_or(usize::MAX);
                    self.cells.text(content, record, cell).unwrap_or_default()
                });
            }
            Err((column, reason)) => rows.set_aside(Entry {
                line,
                raw_text: raw_text(content),
                column: column
                    .and_then(|at| self.table.columns.get(at))
                    .map(|c| c.name.clone()),
                reason,
            })?,
        }
        Ok(step)
    }

    fn end(&mut self, rows: &mut Rows) -> Result<(), SourceError> {
        if self.layout.is_none() {
            let warning = format!("{}: {} is empty", self.table.source, rows.file());
            self.table.tally.warn(rows.file(), warning);
        }
        let drift = Drift {
            unfit: self.fits.unfit(&self.table.columns),
            ..Drift::default()
        };
        drift.judge(&self.table, rows.file()).map(drop)
    }
}
