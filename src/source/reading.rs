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

/// About so many slices are made at most: each is kept by itself.
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
    /// The objects in slices, by their places among all: one an object, or a few where there are very many. Where one ends depends on its
    /// last object alone, so that slices stay what they are when objects come or go elsewhere.
    pub fn slices(&self) -> Vec<Range<usize>> {
        let paths = self.table.objects.iter().map(|object| object.path.as_ref());
        slices_of(&paths.collect::<Vec<_>>())
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

fn slices_of(paths: &[&str]) -> Vec<Range<usize>> {
    let each = paths.len().div_ceil(MOST_SLICES).next_power_of_two();
    let ends = paths.iter().enumerate().filter(|(at, path)| {
        let is_last = at + 1 == paths.len();
        is_last || (crc32fast::hash(path.as_bytes()) as usize).is_multiple_of(each)
    });
    let mut start = 0;
    ends.map(|(at, _)| std::mem::replace(&mut start, at + 1)..at + 1)
        .collect()
}

fn spill(error: ArrowError) -> SourceError {
    match error {
        ArrowError::IoError(_, error) => SourceError::Spill(error),
        other => SourceError::Spill(io::Error::other(other)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn slices(days: Range<usize>) -> BTreeSet<Vec<String>> {
        let paths: Vec<String> = days.map(|day| format!("orders/{day:05}.csv")).collect();
        let borrowed: Vec<&str> = paths.iter().map(String::as_str).collect();
        let slices = slices_of(&borrowed);
        let places: Vec<usize> = slices.iter().cloned().flatten().collect();
        assert_eq!(places, (0..paths.len()).collect::<Vec<_>>());
        let of = |slice: Range<usize>| paths.get(slice).unwrap_or_default().to_vec();
        slices.into_iter().map(of).collect()
    }

    #[test]
    fn few_objects_are_slices_of_their_own() {
        assert_eq!(slices(0..0).len(), 0);
        assert_eq!(slices(0..1).len(), 1);
        assert_eq!(slices(0..MOST_SLICES).len(), MOST_SLICES);
    }

    #[test]
    fn slices_of_many_objects_stay_when_others_come_and_go() {
        let before = slices(0..3000);
        assert!((500..1100).contains(&before.len()), "{}", before.len());
        let after = slices(41..3030);
        let new = after.difference(&before).count();
        assert!(new < 30, "{new} of {}", after.len());
    }
}
