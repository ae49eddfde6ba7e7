//! Rows that did not fit, kept until they are published.
//!
//! Memory is bounded: past a limit, chunks go to a temporary file. Nothing is sorted at the end, because each attempt to read a piece of
//! a table meets its rows in the order of their lines: only the chunks are put in order.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::array::{Array, AsArray, Int64Array, RecordBatch, StringViewArray};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;

use super::error::SourceError;

/// Raw text longer than this is cut, with a mark that says so.
pub const RAW_TEXT_BYTES: usize = 64 * 1024;
/// Behind raw text that was cut.
pub const CUT_MARK: &str = " …[cut]";
/// Chunks in memory together take no more than this.
const MEMORY_BYTES: usize = 32 * 1024 * 1024;
const CHUNK_ROWS: usize = 1024;
const CHUNK_BYTES: usize = 1024 * 1024;

/// The schema of `rows_set_aside`.
pub fn schema() -> SchemaRef {
    let text = |name: &str, nullable| Field::new(name, DataType::Utf8View, nullable);
    Arc::new(Schema::new(vec![
        text("source", false),
        text("file", false),
        Field::new("line", DataType::Int64, false),
        text("raw_text", false),
        text("column_name", true),
        text("reason", false),
    ]))
}

/// One row that did not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The first line of the record, from 1; for Parquet the row's number.
    pub(crate) line: u64,
    /// The record as it stands in the object, without its line end.
    pub(crate) raw_text: String,
    /// The first column that did not fit; none when the row as a whole did not.
    pub(crate) column: Option<String>,
    /// Why.
    pub(crate) reason: String,
}

/// Raw bytes as text: what is not UTF-8 becomes U+FFFD, what is too long is cut.
pub(crate) fn raw_text(bytes: &[u8]) -> String {
    if bytes.len() <= RAW_TEXT_BYTES {
        return String::from_utf8_lossy(bytes).into_owned();
    }
    // A character cut in half is no fault of the data: go back to where one starts.
    let starts = |at: &usize| bytes.get(*at).is_some_and(|byte| byte & 0xC0 != 0x80);
    let cut = (RAW_TEXT_BYTES - 3..=RAW_TEXT_BYTES)
        .rev()
        .find(starts)
        .unwrap_or(RAW_TEXT_BYTES);
    let mut text = String::from_utf8_lossy(bytes.get(..cut).unwrap_or(bytes)).into_owned();
    text.push_str(CUT_MARK);
    text
}

/// Where the chunks of a table's piece belong in the whole.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    source: Arc<str>,
    file: Arc<str>,
    piece: usize,
    attempt: u64,
    chunk: usize,
}

#[derive(Debug)]
enum Place {
    Memory(RecordBatch),
    File { offset: u64, length: usize },
}

#[derive(Debug, Default)]
struct Inner {
    chunks: Vec<(Key, Place, usize)>,
    kept: HashSet<u64>,
    in_memory: usize,
    spill: Option<Spill>,
}

#[derive(Debug)]
struct Spill {
    file: File,
    length: u64,
}

/// The rows set aside by all tables of one run.
#[derive(Debug)]
pub struct SetAside {
    directory: PathBuf,
    memory_bytes: usize,
    attempts: AtomicU64,
    inner: Mutex<Inner>,
}

impl SetAside {
    /// Collects in memory and, past 32 MiB, in an unnamed temporary file in `directory`.
    pub fn new(directory: &Path) -> Arc<Self> {
        Self::with_memory(directory, MEMORY_BYTES)
    }

    fn with_memory(directory: &Path, memory_bytes: usize) -> Arc<Self> {
        Arc::new(Self {
            directory: directory.to_owned(),
            memory_bytes,
            attempts: AtomicU64::new(0),
            inner: Mutex::default(),
        })
    }

    /// A panic elsewhere leaves whole chunks behind, so a poisoned lock is as good as any.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts an attempt to read a piece. Its rows count only once it is [kept](Attempt::keep).
    pub(crate) fn attempt(
        self: &Arc<Self>,
        source: &Arc<str>,
        file: &Arc<str>,
        piece: usize,
    ) -> Attempt {
        let attempt = self.attempts.fetch_add(1, Ordering::Relaxed);
        let key = Key {
            source: Arc::clone(source),
            file: Arc::clone(file),
            piece,
            attempt,
            chunk: 0,
        };
        Attempt {
            all: Arc::clone(self),
            key,
            entries: Vec::new(),
            bytes: 0,
            kept: false,
        }
    }

    /// Rows of all kept attempts.
    pub fn rows(&self) -> u64 {
        let inner = self.lock();
        let kept = inner
            .chunks
            .iter()
            .filter(|(key, ..)| inner.kept.contains(&key.attempt));
        kept.map(|(_, _, rows)| *rows as u64).sum()
    }

    /// The rows of all kept attempts, ordered by source, file and line, in small batches of [`schema`].
    pub fn batches(self: &Arc<Self>) -> SetAsideBatches {
        self.batches_where(|_| true)
    }

    /// As [`SetAside::batches`], of one raw table.
    pub fn batches_of(self: &Arc<Self>, source: &str) -> SetAsideBatches {
        self.batches_where(|key| &*key.source == source)
    }

    /// As [`SetAside::batches`], of one object of a raw table.
    pub(crate) fn batches_of_file(self: &Arc<Self>, source: &str, file: &str) -> SetAsideBatches {
        self.batches_where(|key| &*key.source == source && &*key.file == file)
    }

    /// The first rows of one raw table as `file:line column: reason`.
    pub(crate) fn examples(
        self: &Arc<Self>,
        source: &str,
        most: usize,
    ) -> Result<Vec<String>, SourceError> {
        let mut examples = Vec::new();
        for batch in self.batches_of(source) {
            let batch = batch?;
            let column = |at: usize| batch.column(at).as_string_view();
            let lines = batch.column(2).as_primitive::<Int64Type>();
            for row in 0..batch.num_rows() {
                if examples.len() == most {
                    return Ok(examples);
                }
                let name = if column(4).is_null(row) {
                    ""
                } else {
                    column(4).value(row)
                };
                let space = if name.is_empty() { "" } else { " " };
                let (file, line) = (column(1).value(row), lines.value(row));
                examples.push(format!(
                    "{file}:{line}{space}{name}: {}",
                    column(5).value(row)
                ));
            }
        }
        Ok(examples)
    }

    fn batches_where(self: &Arc<Self>, wanted: impl Fn(&Key) -> bool) -> SetAsideBatches {
        let inner = self.lock();
        let mut order: Vec<(Key, usize)> = inner
            .chunks
            .iter()
            .enumerate()
            .filter(|(_, (key, ..))| inner.kept.contains(&key.attempt) && wanted(key))
            .map(|(at, (key, ..))| (key.clone(), at))
            .collect();
        order.sort();
        let order: Vec<usize> = order.into_iter().map(|(_, at)| at).collect();
        SetAsideBatches {
            all: Arc::clone(self),
            order: order.into_iter(),
        }
    }

    fn add(&self, key: Key, batch: RecordBatch) -> Result<(), SourceError> {
        let mut inner = self.lock();
        let (rows, bytes) = (batch.num_rows(), batch.get_array_memory_size());
        let place = if inner.in_memory + bytes <= self.memory_bytes {
            inner.in_memory += bytes;
            Place::Memory(batch)
        } else {
            let encoded = encode(&batch).map_err(SourceError::Spill)?;
            let spill = match &mut inner.spill {
                Some(spill) => spill,
                none => none.insert(Spill {
                    file: tempfile::tempfile_in(&self.directory).map_err(SourceError::Spill)?,
                    length: 0,
                }),
            };
            let offset = spill.length;
            spill
                .file
                .seek(SeekFrom::Start(offset))
                .map_err(SourceError::Spill)?;
            spill.file.write_all(&encoded).map_err(SourceError::Spill)?;
            spill.length += encoded.len() as u64;
            Place::File {
                offset,
                length: encoded.len(),
            }
        };
        inner.chunks.push((key, place, rows));
        Ok(())
    }

    fn discard(&self, attempt: u64) {
        let mut inner = self.lock();
        let mut freed = 0;
        inner.chunks.retain(|(key, place, _)| {
            let goes = key.attempt == attempt;
            if let (true, Place::Memory(batch)) = (goes, place) {
                freed += batch.get_array_memory_size();
            }
            !goes
        });
        inner.in_memory -= freed;
    }

    fn read(&self, at: usize) -> Result<Option<RecordBatch>, SourceError> {
        let mut inner = self.lock();
        let (offset, length) = match inner.chunks.get(at) {
            None => return Ok(None),
            Some((_, Place::Memory(batch), _)) => return Ok(Some(batch.clone())),
            Some((_, Place::File { offset, length }, _)) => (*offset, *length),
        };
        let Some(spill) = &mut inner.spill else {
            return Ok(None);
        };
        let mut encoded = vec![0; length];
        spill
            .file
            .seek(SeekFrom::Start(offset))
            .map_err(SourceError::Spill)?;
        spill
            .file
            .read_exact(&mut encoded)
            .map_err(SourceError::Spill)?;
        drop(inner);
        decode(&encoded).map(Some).map_err(SourceError::Spill)
    }
}

fn encode(batch: &RecordBatch) -> io::Result<Vec<u8>> {
    let mut encoded = Vec::new();
    let mut writer =
        StreamWriter::try_new(&mut encoded, &batch.schema()).map_err(io::Error::other)?;
    writer
        .write(batch)
        .and_then(|()| writer.finish())
        .map_err(io::Error::other)?;
    drop(writer);
    Ok(encoded)
}

fn decode(encoded: &[u8]) -> io::Result<RecordBatch> {
    let mut reader = StreamReader::try_new(encoded, None).map_err(io::Error::other)?;
    match reader.next() {
        Some(batch) => batch.map_err(io::Error::other),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// The rows set aside, in order. Batches may be small.
#[derive(Debug)]
pub struct SetAsideBatches {
    all: Arc<SetAside>,
    order: std::vec::IntoIter<usize>,
}

impl Iterator for SetAsideBatches {
    type Item = Result<RecordBatch, SourceError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.all.read(self.order.next()?).transpose()
    }
}

/// One reading of one piece. Dropped without being kept, it leaves nothing behind.
#[derive(Debug)]
pub(crate) struct Attempt {
    all: Arc<SetAside>,
    key: Key,
    entries: Vec<Entry>,
    bytes: usize,
    kept: bool,
}

impl Attempt {
    /// Adds a row; rows come in the order of their lines.
    pub(crate) fn push(&mut self, entry: Entry) -> Result<(), SourceError> {
        self.bytes += entry.raw_text.len() + entry.reason.len();
        self.entries.push(entry);
        if self.entries.len() >= CHUNK_ROWS || self.bytes >= CHUNK_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    /// Adds rows that an earlier run set aside, in their order.
    pub(crate) fn recall(&mut self, rows: RecordBatch) -> Result<(), SourceError> {
        self.all.add(self.key.clone(), rows)?;
        self.key.chunk += 1;
        Ok(())
    }

    /// What tells this attempt from others.
    pub(crate) fn id(&self) -> u64 {
        self.key.attempt
    }

    /// Says that the piece was read to its end and that this attempt is the one that counts.
    pub(crate) fn keep(mut self) -> Result<(), SourceError> {
        self.flush()?;
        self.kept = true;
        if self.key.chunk > 0 {
            self.all.lock().kept.insert(self.key.attempt);
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), SourceError> {
        if self.entries.is_empty() {
            return Ok(());
        }
        let entries = std::mem::take(&mut self.entries);
        self.bytes = 0;
        let rows = entries.len();
        let same = |text: &str| StringViewArray::from_iter_values(std::iter::repeat_n(text, rows));
        let lines = Int64Array::from_iter_values(entries.iter().map(|e| e.line.cast_signed()));
        let texts = StringViewArray::from_iter_values(entries.iter().map(|e| &e.raw_text));
        let columns: StringViewArray = entries.iter().map(|e| e.column.as_deref()).collect();
        let reasons = StringViewArray::from_iter_values(entries.iter().map(|e| &e.reason));
        let batch = RecordBatch::try_new(
            schema(),
            vec![
                Arc::new(same(&self.key.source)),
                Arc::new(same(&self.key.file)),
                Arc::new(lines),
                Arc::new(texts),
                Arc::new(columns),
                Arc::new(reasons),
            ],
        )
        .map_err(|source| SourceError::Arrow {
            table: self.key.source.to_string(),
            source,
        })?;
        self.all.add(self.key.clone(), batch)?;
        self.key.chunk += 1;
        Ok(())
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if !self.kept && self.key.chunk > 0 {
            self.all.discard(self.key.attempt);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(line: u64) -> Entry {
        Entry {
            line,
            raw_text: format!("row {line}"),
            column: Some("quantity".to_owned()),
            reason: "no number".to_owned(),
        }
    }

    fn lines(all: &Arc<SetAside>) -> Vec<(String, i64)> {
        let mut lines = Vec::new();
        for batch in all.batches() {
            let batch = batch.unwrap();
            let files = batch.column(1).as_string_view();
            let numbers = batch.column(2).as_primitive::<Int64Type>();
            lines.extend(
                files
                    .iter()
                    .flatten()
                    .map(str::to_owned)
                    .zip(numbers.values().iter().copied()),
            );
        }
        lines
    }

    #[test]
    fn rows_come_back_in_order_from_memory_and_from_the_file() {
        let source: Arc<str> = "shop.orders".into();
        for memory in [0, MEMORY_BYTES] {
            let all = SetAside::with_memory(&std::env::temp_dir(), memory);
            let mut b = all.attempt(&source, &"b.csv".into(), 1);
            let mut a = all.attempt(&source, &"a.csv".into(), 0);
            for line in 1..=1500 {
                b.push(entry(line)).unwrap();
                a.push(entry(line + 7)).unwrap();
            }
            b.keep().unwrap();
            a.keep().unwrap();
            let expected: Vec<(String, i64)> = (8..=1507)
                .map(|line| ("a.csv".to_owned(), line))
                .chain((1..=1500).map(|line| ("b.csv".to_owned(), line)))
                .collect();
            assert_eq!(lines(&all), expected);
            assert_eq!(all.rows(), 3000);
            assert_eq!(all.lock().spill.is_some(), memory == 0);
        }
    }

    #[test]
    fn an_attempt_that_was_not_kept_leaves_nothing() {
        let all = SetAside::new(&std::env::temp_dir());
        let mut given_up = all.attempt(&"s.t".into(), &"a.csv".into(), 0);
        for line in 1..=2000 {
            given_up.push(entry(line)).unwrap();
        }
        drop(given_up);
        assert_eq!((all.rows(), all.lock().in_memory), (0, 0));
    }

    #[test]
    fn raw_text_is_lossy_and_bounded() {
        assert_eq!(raw_text(b"a\xFFb"), "a\u{FFFD}b");
        let long = format!("a{}", "é".repeat(RAW_TEXT_BYTES));
        let cut = format!("a{}{CUT_MARK}", "é".repeat(RAW_TEXT_BYTES / 2 - 1));
        assert_eq!(raw_text(long.as_bytes()), cut);
    }
}
