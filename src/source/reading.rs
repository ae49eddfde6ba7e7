//! What was read of objects, kept for a later run that need not read them again: counts, and the rows that were set aside.

use std::fs::File;
use std::io::{self, BufReader, BufWriter};
use std::ops::Range;
use std::path::Path;

use arrow::error::ArrowError;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use serde::{Deserialize, Serialize};

use super::error::SourceError;
use super::provider::RawTableProvider;
use super::set_aside::{Attempt, schema};
use super::tally::Counts;

/// More slices than this are not made: each is kept by itself.
const MOST_SLICES: usize = 1000;

/// What was read of some objects of a raw table; the rows that were set aside are in a file of their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    objects: Vec<ObjectReading>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct ObjectReading {
    pieces: Vec<Counts>,
    warnings: Vec<String>,
    /// What its bytes came to, where that was worked out.
    sha256: Option<String>,
    /// How many batches of the file are its rows.
    set_aside: usize,
}

impl Reading {
    /// Rows read: those kept and those set aside.
    pub fn rows(&self) -> u64 {
        let pieces = self.objects.iter().flat_map(|object| &object.pieces);
        pieces.map(|counts| counts.rows_read).sum()
    }
}

impl RawTableProvider {
    /// The objects in slices, by their places among all: one an object, or a few where there are very many. When objects are added whose
    /// paths sort last, as those of a new day do, the slices before stay what they are.
    pub fn slices(&self) -> Vec<Range<usize>> {
        let objects = self.table.objects.len();
        let each = objects.div_ceil(MOST_SLICES).max(1);
        let starts = (0..objects).step_by(each);
        starts
            .map(|start| start..objects.min(start + each))
            .collect()
    }

    /// Whether all of these objects were read to their ends.
    pub fn is_read(&self, objects: &Range<usize>) -> bool {
        let tally = &self.table.tally;
        let mut pieces = objects.clone().flat_map(|object| tally.pieces_of(object));
        pieces.all(|piece| tally.is_read(piece))
    }

    /// What was read of these objects, once they [are](Self::is_read). The rows that were set aside are written to `set_aside`.
    ///
    /// # Errors
    /// [`SourceError::Spill`].
    pub fn reading(
        &self,
        objects: &Range<usize>,
        set_aside: &Path,
    ) -> Result<Reading, SourceError> {
        let table = &self.table;
        let file = BufWriter::new(File::create(set_aside).map_err(SourceError::Spill)?);
        let mut writer = StreamWriter::try_new(file, &schema()).map_err(spill)?;
        let mut reading = Reading {
            objects: Vec::with_capacity(objects.len()),
        };
        for at in objects.clone() {
            let Some(object) = table.objects.get(at) else {
                continue;
            };
            let mut batches = 0;
            let rows = table.set_aside.batches_of_file(&table.source, &object.path);
            for batch in rows {
                writer.write(&batch?).map_err(spill)?;
                batches += 1;
            }
            let pieces = table.tally.pieces_of(at);
            reading.objects.push(ObjectReading {
                pieces: pieces.map(|piece| table.tally.counts_of(piece)).collect(),
                warnings: table.tally.warnings_of(&object.path),
                sha256: table.tally.checksum_of(at),
                set_aside: batches,
            });
        }
        writer.finish().map_err(spill)?;
        Ok(reading)
    }

    /// Takes these objects for read, as an earlier run read them. They must be the very objects that it read, by the same declaration.
    ///
    /// # Errors
    /// When what was kept does not fit these objects; nothing is recalled then.
    pub fn recall(
        &self,
        objects: &Range<usize>,
        reading: &Reading,
        set_aside: &Path,
    ) -> Result<(), SourceError> {
        let table = &self.table;
        let unfit = || SourceError::Spill(io::ErrorKind::InvalidData.into());
        let file = BufReader::new(File::open(set_aside).map_err(SourceError::Spill)?);
        let mut rows = StreamReader::try_new(file, None).map_err(spill)?;
        let mut attempts: Vec<(usize, Attempt)> = Vec::new();
        if objects.len() != reading.objects.len() {
            return Err(unfit());
        }
        for (at, kept) in objects.clone().zip(&reading.objects) {
            let object = table.objects.get(at).ok_or_else(unfit)?;
            if table.tally.pieces_of(at).len() != kept.pieces.len() {
                return Err(unfit());
            }
            for (nth, piece) in table.tally.pieces_of(at).enumerate() {
                let mut attempt = table.set_aside.attempt(&table.source, &object.path, piece);
                // Rows come in the order of pieces, so that all may count as the first one's.
                for _ in 0..if nth == 0 { kept.set_aside } else { 0 } {
                    let batch = rows.next().ok_or_else(unfit)?.map_err(spill)?;
                    attempt.recall(batch)?;
                }
                attempts.push((piece, attempt));
            }
        }
        let mut counts = reading.objects.iter().flat_map(|object| &object.pieces);
        for (piece, attempt) in attempts {
            table
                .tally
                .progress(piece, counts.next().copied().unwrap_or_default());
            table.complete(piece, attempt)?;
        }
        for (at, kept) in objects.clone().zip(&reading.objects) {
            let Some(object) = table.objects.get(at) else {
                continue;
            };
            if let Some(sha256) = &kept.sha256 {
                table.tally.note_checksum(at, sha256);
            }
            for warning in &kept.warnings {
                table.tally.warn(&object.path, warning.clone());
            }
        }
        Ok(())
    }
}

fn spill(error: ArrowError) -> SourceError {
    match error {
        ArrowError::IoError(_, error) => SourceError::Spill(error),
        other => SourceError::Spill(io::Error::other(other)),
    }
}
