//! One JSON object a line.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use memchr::memchr;
use serde::de::IgnoredAny;

use super::cell::{Value, shown};
use super::drift::{Drift, Fits, one_of};
use super::error::SourceError;
use super::format::{FormatEntry, PieceReader, PieceScan, SourceFormat};
use super::number;
use super::set_aside::{Entry, raw_text};
use super::table::Table;
use super::text::{Records, Rows, Step, TextReader};
use crate::spec::SqlType;
use crate::spec::source::{Format, NdjsonFormat, SchemaDrift};

/// Keys that are not declared are remembered up to about this many bytes: there are objects whose keys are data.
const NEW_KEYS_BYTES: usize = 1024 * 1024;

/// What `cvm list formats` says.
pub(crate) const ENTRY: FormatEntry = FormatEntry {
    name: "ndjson",
    summary: "One JSON object a line; gzip and zstd",
    example: "ndjson: { compression: gzip }",
    make: |format| match format {
        Format::Ndjson(ndjson) => Some(Arc::new(Ndjson {
            format: ndjson.clone(),
        })),
        _ => None,
    },
};

/// The reader of [`Format::Ndjson`].
#[derive(Debug)]
struct Ndjson {
    format: NdjsonFormat,
}

#[async_trait]
impl SourceFormat for Ndjson {
    fn check(&self) -> Result<(), String> {
        Ok(())
    }

    async fn open(&self, scan: PieceScan) -> Result<Box<dyn PieceReader>, SourceError> {
        let table = Arc::clone(&scan.table);
        let columns = table.columns.len();
        let records = NdjsonRecords {
            cells: vec![Cell::Absent; columns],
            values: vec![Value::Null; columns],
            seen: vec![false; columns],
            fits: Fits::new(columns),
            new: BTreeSet::new(),
            new_bytes: 0,
            texts: Vec::new(),
            any: false,
            table,
        };
        Ok(Box::new(TextReader::new(
            scan,
            self.format.compression,
            records,
        )?))
    }
}

/// Where the value of a declared column stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cell {
    /// Nowhere: the key is missing.
    Absent,
    /// In the line, from one byte to another.
    Line(usize, usize),
    /// In the texts that had escapes, by index.
    Unescaped(usize),
}

/// Parses the lines of one object.
struct NdjsonRecords {
    table: Arc<Table>,
    cells: Vec<Cell>,
    values: Vec<Value>,
    texts: Vec<String>,
    /// Which declared columns any line had.
    seen: Vec<bool>,
    fits: Fits,
    /// The keys that lines had and that are not declared.
    new: BTreeSet<String>,
    new_bytes: usize,
    any: bool,
}

/// Why a line does not fit: the declared column, if it is one column's fault, and the reason.
type Misfit = (Option<usize>, String);

impl NdjsonRecords {
    fn parse(&mut self, line: &str, number: u64) -> Result<(), Misfit> {
        // Whether it is JSON is for a JSON parser to say; finding the keys of what is JSON is simple then. Numbers are read
        // from their text, because a parser would make doubles of decimals.
        serde_json::from_str::<IgnoredAny>(line).map_err(|error| {
            // The parser sees one line and calls it the first; the entry itself tells the line.
            let reason = error
                .to_string()
                .replace(" at line 1 column ", " at column ");
            (None, format!("no JSON: {reason}"))
        })?;
        if !line.trim_ascii_start().starts_with('{') {
            return Err((None, "no JSON object".to_owned()));
        }
        self.cells.fill(Cell::Absent);
        self.values.fill(Value::Null);
        self.texts.clear();
        self.any = true;
        let mut members = Members {
            text: line,
            at: line.find('{').map_or(line.len(), |at| at + 1),
        };
        // Values behind the first that does not fit are read too, so that each column is judged by all of its values.
        let mut first: Option<Misfit> = None;
        while let Some((key, start, end)) = members.next() {
            let member = (key, start, end);
            if let Err(misfit) = self.member(line, number, member)
                && first.is_none()
            {
                first = Some(misfit);
            }
        }
        if let Some(misfit) = first {
            return Err(misfit);
        }
        for (at, column) in self.table.columns.iter().enumerate() {
            if column.required && self.values.get(at) == Some(&Value::Null) {
                return Err((Some(at), "no value, but one is required".to_owned()));
            }
        }
        Ok(())
    }

    /// Takes a member of an object: its key, with the quotes, and where its value begins and ends.
    fn member(
        &mut self,
        line: &str,
        number: u64,
        (key, start, end): (&str, usize, usize),
    ) -> Result<(), Misfit> {
        let Some(key) = text_of(key) else {
            return Err((None, format!("a key has {NO_CHARACTER}")));
        };
        let Some(column) = self.table.columns.iter().position(|c| c.name == key) else {
            if self.table.tolerance.schema_drift == SchemaDrift::SetAside {
                return Err((None, format!("{} is no declared column", shown(&key))));
            }
            if self.new_bytes < NEW_KEYS_BYTES && !self.new.contains(key.as_ref()) {
                self.new_bytes += key.len();
                self.new.insert(key.into_owned());
            }
            return Ok(());
        };
        if self.cells.get(column) != Some(&Cell::Absent) {
            return Err((
                Some(column),
                "the key stands twice in the object".to_owned(),
            ));
        }
        self.take(line, column, start, end).map_err(|reason| {
            self.fits.misfit(column, number, &reason);
            (Some(column), reason)
        })
    }

    /// Takes the JSON value from `start` to `end` as the value of a column.
    fn take(&mut self, line: &str, at: usize, start: usize, end: usize) -> Result<(), String> {
        let json = line.get(start..end).unwrap_or_default();
        let mut cell = Cell::Line(start, end);
        let mut unescaped = None;
        if json.starts_with('"') {
            match text_of(json).ok_or(NO_CHARACTER)? {
                Cow::Borrowed(_) => cell = Cell::Line(start + 1, end - 1),
                Cow::Owned(text) => {
                    cell = Cell::Unescaped(self.texts.len());
                    unescaped = Some(text);
                }
            }
        }
        if let (Some(place), Some(seen)) = (self.cells.get_mut(at), self.seen.get_mut(at)) {
            (*place, *seen) = (cell, true);
        }
        let text = match (&unescaped, cell) {
            (Some(text), _) => text.as_str(),
            (None, Cell::Line(start, end)) => line.get(start..end).unwrap_or_default(),
            (None, _) => "",
        };
        let Some(column) = self.table.columns.get(at) else {
            return Ok(());
        };
        if json == "null" {
            return Ok(());
        }
        if let Some(other) = other_than(column.sql_type, json) {
            let wanted = one_of(column.sql_type);
            return Err(format!("{} is {other}, not {wanted}", shown(json)));
        }
        let value = column.parse(text).or_else(|reason| {
            // JSON's own way to write numbers, which no declaration has to allow. Text is taken as it stands.
            let is_exact = matches!(column.sql_type, SqlType::Bigint | SqlType::Decimal { .. });
            let plain = match is_exact && !json.starts_with('"') {
                true => number::without_exponent(json),
                false => None,
            };
            plain.map_or(Err(reason), |plain| column.parse(&plain))
        })?;
        if let Some(place) = self.values.get_mut(at) {
            *place = value;
        }
        self.fits.fit(at);
        self.texts.extend(unescaped);
        Ok(())
    }
}

impl Records for NdjsonRecords {
    const TOO_LONG: &'static str = "does each object stand in a line of its own?";

    fn next(
        &mut self,
        text: &[u8],
        at_end: bool,
        line: u64,
        rows: &mut Rows,
    ) -> Result<Step, SourceError> {
        let (content, bytes) = match memchr(b'\n', text) {
            Some(end) => (text.get(..end).unwrap_or_default(), end + 1),
            None if at_end => (text, text.len()),
            None => return Ok(Step::More),
        };
        let step = Step::Record { bytes, lines: 1 };
        let content = content.strip_suffix(b"\r").unwrap_or(content);
        if content.trim_ascii().is_empty() {
            return Ok(step);
        }
        let parsed = match std::str::from_utf8(content) {
            Ok(content) => self.parse(content, line).map(|()| content),
            Err(_) => Err((None, "not valid UTF-8".to_owned())),
        };
        match parsed {
            Ok(content) => rows.keep(line, &self.values, |column| match self.cells.get(column) {
                Some(Cell::Line(start, end)) => content.get(*start..*end).unwrap_or_default(),
                Some(Cell::Unescaped(at)) => self.texts.get(*at).map_or("", String::as_str),
                _ => "",
            }),
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
        let (source, file) = (&self.table.source, rows.file());
        if !self.any {
            self.table
                .tally
                .warn(file, format!("{source}: {file} is empty"));
            return Ok(());
        }
        let unseen = self.table.columns.iter().zip(&self.seen);
        let unseen = unseen.filter(|(_, seen)| !**seen);
        let unseen: Vec<String> = unseen.map(|(column, _)| column.name.clone()).collect();
        // Writers leave out keys without a value, so that a key that no line has is no fault by itself. Where others came
        // instead it may have been renamed.
        let missing = if self.new.is_empty() {
            for name in unseen {
                self.table.tally.warn(
                    file,
                    format!("{source}: no line of {file} has the key `{name}`"),
                );
            }
            Vec::new()
        } else {
            unseen
        };
        let drift = Drift {
            missing,
            new: self.new.iter().cloned().collect(),
            unfit: self.fits.unfit(&self.table.columns),
            ..Drift::default()
        };
        drift.judge(&self.table, file).map(drop)
    }
}

/// What a JSON value is that no value of this type can be; none where its text is to be parsed. A number is text, too: many
/// systems write their identifiers so.
fn other_than(sql_type: SqlType, json: &str) -> Option<&'static str> {
    match json.as_bytes().first()? {
        b'{' => Some("an object"),
        b'[' => Some("an array"),
        b't' | b'f' if sql_type == SqlType::Varchar => Some("a boolean"),
        _ => None,
    }
}

/// What a text cannot have: JSON allows half of a pair of surrogates, Unicode does not.
const NO_CHARACTER: &str = "an escape that is no character";

/// A JSON string's text; borrowed unless it has escapes. None where one of them is no character.
fn text_of(json: &str) -> Option<Cow<'_, str>> {
    let inner = json
        .get(1..json.len().saturating_sub(1))
        .unwrap_or_default();
    if inner.contains('\\') {
        serde_json::from_str(json).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(inner))
    }
}

/// The members of an object that is known to be well formed.
struct Members<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Members<'a> {
    /// The key, with its quotes, and where the value begins and ends.
    fn next(&mut self) -> Option<(&'a str, usize, usize)> {
        self.skip(b" \t\r\n,");
        if self.byte()? != b'"' {
            return None;
        }
        let key = self.at;
        self.at = self.string_end();
        let key = self.text.get(key..self.at)?;
        self.skip(b" \t\r\n:");
        let start = self.at;
        self.at = self.value_end();
        Some((key, start, self.at))
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip(&mut self, bytes: &[u8]) {
        while self.byte().is_some_and(|byte| bytes.contains(&byte)) {
            self.at += 1;
        }
    }

    /// Behind the string that starts here.
    fn string_end(&self) -> usize {
        let mut at = self.at + 1;
        let bytes = self.text.as_bytes();
        while let Some(byte) = bytes.get(at) {
            match byte {
                b'"' => return at + 1,
                b'\\' => at += 2,
                _ => at += 1,
            }
        }
        bytes.len()
    }

    /// Behind the value that starts here.
    fn value_end(&self) -> usize {
        let bytes = self.text.as_bytes();
        let mut inner = Members {
            text: self.text,
            at: self.at,
        };
        let mut depth = 0_usize;
        while let Some(byte) = inner.byte() {
            match byte {
                b'"' => inner.at = inner.string_end(),
                b'{' | b'[' => {
                    depth += 1;
                    inner.at += 1;
                }
                b'}' | b']' if depth > 0 => {
                    depth -= 1;
                    inner.at += 1;
                }
                b',' | b'}' | b']' | b' ' | b'\t' | b'\r' | b'\n' if depth == 0 => return inner.at,
                _ => {
                    inner.at += 1;
                    continue;
                }
            }
            if depth == 0 {
                return inner.at;
            }
        }
        bytes.len()
    }
}
