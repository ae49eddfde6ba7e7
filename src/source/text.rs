//! What line-oriented formats share: objects as a stream of text, records into rows, a batch at a time.
//!
//! An object is never held whole: what is in memory is a few ranges on their way from the store, about a megabyte
//! of plain text, and the record being read.

use std::sync::Arc;

use arrow::array::RecordBatch;
use async_trait::async_trait;
use bytes::Bytes;

use super::bytes::ByteSource;
use super::cell::Value;
use super::decompress::Decompressor;
use super::error::SourceError;
use super::format::{PieceReader, PieceScan};
use super::rows::RowBuilder;
use super::set_aside::{Attempt, Entry};
use super::table::Table;
use super::tally::Counts;
use crate::spec::source::Compression;
use crate::store::StoreKind;

/// A longer record is taken for one that was never ended.
const MAX_RECORD_BYTES: usize = 16 * 1024 * 1024;
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// What a step through the text did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// The record at the start of the text does not end in it.
    More,
    /// A record was dealt with: its bytes and lines, with the line end.
    Record { bytes: usize, lines: u64 },
}

/// A format's way to read records.
pub(crate) trait Records: Send {
    /// What to ask oneself where a record has no end.
    const TOO_LONG: &'static str;

    /// Deals with the record at the start of `text`, which is not empty. `line` is its first line.
    ///
    /// # Errors
    /// Only what is wrong with the object as a whole; a row that does not fit is set aside.
    fn next(
        &mut self,
        text: &[u8],
        at_end: bool,
        line: u64,
        rows: &mut Rows,
    ) -> Result<Step, SourceError>;

    /// The object has ended.
    fn end(&mut self, rows: &mut Rows) -> Result<(), SourceError>;
}

/// Where rows go: into the batch being built, or aside.
#[derive(Debug)]
pub(crate) struct Rows {
    table: Arc<Table>,
    file: Arc<str>,
    piece: usize,
    builder: RowBuilder,
    attempt: Option<Attempt>,
    counts: Counts,
}

impl Rows {
    /// The object's path below the store's URL.
    pub(crate) fn file(&self) -> &str {
        &self.file
    }

    /// Keeps a row: one value for each declared column, and the text of those that are text.
    pub(crate) fn keep<'a>(
        &mut self,
        line: u64,
        values: &[Value],
        text: impl Fn(usize) -> &'a str,
    ) {
        self.counts.rows_read += 1;
        self.builder.push(line, values, text);
    }

    /// Sets a row aside.
    pub(crate) fn set_aside(&mut self, entry: Entry) -> Result<(), SourceError> {
        self.counts.rows_read += 1;
        self.counts.rows_set_aside += 1;
        match &mut self.attempt {
            Some(attempt) => attempt.push(entry),
            None => Ok(()),
        }
    }

    /// The error of an object that is damaged as a whole.
    pub(crate) fn damaged(&self, reason: String) -> SourceError {
        self.table.damaged(&self.file, reason, None)
    }

    fn report(&self) {
        self.table.tally.progress(self.piece, self.counts);
    }
}

/// Reads one object of a line-oriented format.
pub(crate) struct TextReader<R> {
    source: ByteSource,
    decompressor: Decompressor,
    /// Compressed bytes that are not decoded yet.
    input: Bytes,
    text: Vec<u8>,
    at: usize,
    /// Whether the text holds all that was left of the object.
    at_end: bool,
    started: bool,
    line: u64,
    batch_size: usize,
    records: R,
    rows: Rows,
    done: bool,
}

impl<R: Records> TextReader<R> {
    pub(crate) fn new(
        scan: PieceScan,
        compression: Compression,
        records: R,
    ) -> Result<Self, SourceError> {
        let file = Arc::clone(&scan.object().path);
        let mut source = ByteSource::new(&scan.table, scan.object());
        // Local files were read for theirs before.
        if scan.attempt.is_some() && scan.table.store.kind != StoreKind::File {
            source = source.hashed();
        }
        let decompressor = Decompressor::new(compression, &file).map_err(|error| {
            scan.table
                .damaged(&file, "no decoder".to_owned(), Some(error.into()))
        })?;
        Ok(Self {
            source,
            decompressor,
            input: Bytes::new(),
            text: Vec::new(),
            at: 0,
            at_end: false,
            started: false,
            line: 1,
            batch_size: scan.batch_size,
            records,
            rows: Rows {
                builder: scan.builder()?,
                piece: scan.piece,
                file,
                attempt: scan.attempt,
                table: scan.table,
                counts: Counts::default(),
            },
            done: false,
        })
    }

    /// Reads records until the batch is full or the text used up; true when the object has ended.
    fn parse(&mut self) -> Result<bool, SourceError> {
        while self.rows.builder.len() < self.batch_size {
            let text = self.text.get(self.at..).unwrap_or_default();
            if text.is_empty() {
                return Ok(self.at_end);
            }
            match self
                .records
                .next(text, self.at_end, self.line, &mut self.rows)?
            {
                Step::Record { bytes, lines } => {
                    self.at += bytes;
                    self.line += lines;
                }
                Step::More if text.len() > MAX_RECORD_BYTES => {
                    return Err(self.rows.damaged(format!(
                        "the record that starts in line {} is longer than {} MiB; {}",
                        self.line,
                        MAX_RECORD_BYTES / 1024 / 1024,
                        R::TOO_LONG
                    )));
                }
                Step::More => return Ok(false),
            }
        }
        Ok(false)
    }

    /// Gets more text.
    async fn fill(&mut self) -> Result<(), SourceError> {
        self.text.drain(..self.at);
        self.at = 0;
        let before = self.text.len();
        while self.text.len() == before && !self.at_end {
            if self.input.is_empty() {
                match self.source.next().await? {
                    Some(bytes) => {
                        self.rows.counts.bytes += bytes.len() as u64;
                        self.input = bytes;
                    }
                    None => {
                        self.at_end = true;
                        // An object of no bytes at all is an export of no rows, compressed or not.
                        if self.rows.counts.bytes > 0 {
                            self.decompressor
                                .finish(&mut self.text)
                                .map_err(|error| self.undecodable(error))?;
                        }
                    }
                }
            }
            let decoded = self.decompressor.decode(&mut self.input, &mut self.text);
            decoded.map_err(|error| self.undecodable(error))?;
        }
        // The mark is three bytes: the first text may hold fewer only if the object does.
        if !self.started && (self.text.len() >= BYTE_ORDER_MARK.len() || self.at_end) {
            self.started = true;
            if self.text.starts_with(BYTE_ORDER_MARK) {
                self.at = BYTE_ORDER_MARK.len();
            }
        }
        Ok(())
    }

    fn undecodable(&self, error: std::io::Error) -> SourceError {
        let reason = if error.kind() == std::io::ErrorKind::UnexpectedEof {
            "it ends in the middle of compressed data"
        } else {
            "its compressed data cannot be decoded"
        };
        self.rows
            .table
            .damaged(&self.rows.file, reason.to_owned(), Some(error.into()))
    }
}

#[async_trait]
impl<R: Records> PieceReader for TextReader<R> {
    async fn next(&mut self) -> Result<Option<RecordBatch>, SourceError> {
        while !self.done {
            let ended = self.started && self.parse()?;
            self.rows.report();
            if ended {
                self.done = true;
                self.records.end(&mut self.rows)?;
                if let Some(sha256) = self.source.sha256() {
                    self.rows.table.note_checksum(self.rows.piece, &sha256)?;
                }
                if let Some(attempt) = self.rows.attempt.take() {
                    self.rows.table.complete(self.rows.piece, attempt)?;
                }
            }
            if self.rows.builder.len() >= self.batch_size || (ended && self.rows.builder.len() > 0)
            {
                let batch = self.rows.builder.finish();
                return batch.map(Some).map_err(|source| SourceError::Arrow {
                    table: self.rows.table.source.to_string(),
                    source,
                });
            }
            if !ended {
                self.fill().await?;
            }
        }
        Ok(None)
    }
}
