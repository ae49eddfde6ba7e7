//! What a run read of a raw table, to be watched while it reads and reported when it has.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// An object as it was listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectInfo {
    /// The path below the store's URL, as in `_file`.
    pub path: String,
    /// Bytes in the store.
    pub size: u64,
    /// The store's tag of this content, if it gives one.
    pub e_tag: Option<String>,
    /// The store's version, if it gives one.
    pub version: Option<String>,
    /// When the store says it was written.
    pub last_modified: DateTime<Utc>,
    /// SHA-256 of the content, hexadecimal, once it is known: of files on this machine when they are found, because their tags say
    /// nothing of it; of text that lies elsewhere when it was read; of Parquet that lies elsewhere when it was fetched once more for
    /// that, because of it are read the columns that are needed.
    pub sha256: Option<String>,
}

/// Counts of rows and bytes. Rows read = rows kept + rows set aside.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Rows that objects hold, so far.
    pub rows_read: u64,
    /// Rows of them that did not fit.
    pub rows_set_aside: u64,
    /// Bytes of objects that were read, as they lie in the store (compressed).
    pub bytes: u64,
}

impl Counts {
    /// Rows that went on into SQL.
    pub fn rows_kept(&self) -> u64 {
        self.rows_read - self.rows_set_aside
    }

    fn plus(self, other: Self) -> Self {
        Self {
            rows_read: self.rows_read + other.rows_read,
            rows_set_aside: self.rows_set_aside + other.rows_set_aside,
            bytes: self.bytes + other.bytes,
        }
    }
}

/// How far the furthest reading of one piece has come. Every reading meets the same rows in the same order, so the
/// furthest one tells the truth however often and however partially a piece is read.
#[derive(Debug, Default)]
struct Progress {
    rows_read: AtomicU64,
    rows_set_aside: AtomicU64,
    bytes: AtomicU64,
    read_by: OnceLock<u64>,
}

/// What was read of one raw table.
#[derive(Debug)]
pub struct SourceTally {
    source: String,
    max_bad_share: f64,
    objects: Vec<ObjectInfo>,
    /// What the bytes of each object came to, once that is known.
    checksums: Vec<OnceLock<String>>,
    object_of_piece: Vec<usize>,
    pieces: Vec<Progress>,
    /// Each with the object that it is about.
    warnings: Mutex<BTreeSet<(String, String)>>,
}

impl SourceTally {
    pub(crate) fn new(
        source: String,
        max_bad_share: f64,
        objects: Vec<ObjectInfo>,
        object_of_piece: Vec<usize>,
    ) -> Self {
        let pieces = object_of_piece
            .iter()
            .map(|_| Progress::default())
            .collect();
        let warnings = Mutex::default();
        let checksums = objects.iter().map(|_| OnceLock::new()).collect();
        Self {
            source,
            max_bad_share,
            objects,
            checksums,
            object_of_piece,
            pieces,
            warnings,
        }
    }

    /// The raw table as `<system>.<table>`.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The share of rows that may be set aside.
    pub fn max_bad_share(&self) -> f64 {
        self.max_bad_share
    }

    /// The objects that match the pattern, by path.
    pub fn objects(&self) -> &[ObjectInfo] {
        &self.objects
    }

    /// The objects with the checksums that are known by now.
    pub fn objects_with_checksums(&self) -> Vec<ObjectInfo> {
        let objects = self.objects.iter().zip(&self.checksums);
        objects
            .map(|(object, checksum)| ObjectInfo {
                sha256: checksum.get().cloned(),
                ..object.clone()
            })
            .collect()
    }

    /// Bytes of all objects together.
    pub fn bytes_in_all(&self) -> u64 {
        self.objects.iter().map(|object| object.size).sum()
    }

    /// Counts so far; each row counts once, however often it was read.
    pub fn counts(&self) -> Counts {
        self.pieces
            .iter()
            .map(Progress::counts)
            .fold(Counts::default(), Counts::plus)
    }

    /// Counts so far, an object each, in the order of [`SourceTally::objects`].
    pub fn counts_by_object(&self) -> Vec<Counts> {
        let mut counts = vec![Counts::default(); self.objects.len()];
        for (piece, object) in self.pieces.iter().zip(&self.object_of_piece) {
            if let Some(counts) = counts.get_mut(*object) {
                *counts = counts.plus(piece.counts());
            }
        }
        counts
    }

    /// Whether every object was read to its end.
    pub fn is_complete(&self) -> bool {
        self.unread().next().is_none()
    }

    /// What is odd but no error, sorted.
    pub fn warnings(&self) -> Vec<String> {
        let warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        let texts: BTreeSet<&String> = warnings.iter().map(|(_, warning)| warning).collect();
        texts.into_iter().cloned().collect()
    }

    /// What is odd of one object.
    pub(crate) fn warnings_of(&self, file: &str) -> Vec<String> {
        let warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        let of_file = warnings.iter().filter(|(about, _)| about == file);
        of_file.map(|(_, warning)| warning.clone()).collect()
    }

    pub(crate) fn warn(&self, file: &str, warning: String) {
        self.warnings
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert((file.to_owned(), warning));
    }

    /// Takes over what was found odd before this tally was made.
    pub(crate) fn warn_as(&self, earlier: &Self) {
        let warnings = earlier.warnings.lock();
        let warnings = warnings.unwrap_or_else(PoisonError::into_inner).clone();
        self.warnings
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(warnings);
    }

    /// The pieces of an object, in order.
    pub(crate) fn pieces_of(&self, object: usize) -> Range<usize> {
        // Pieces lie in the order of their objects.
        let first = self.object_of_piece.partition_point(|of| *of < object);
        let end = self.object_of_piece.partition_point(|of| *of <= object);
        first..end
    }

    /// Counts of one piece so far.
    pub(crate) fn counts_of(&self, piece: usize) -> Counts {
        self.pieces
            .get(piece)
            .map(Progress::counts)
            .unwrap_or_default()
    }

    /// Pieces that no reading has finished.
    pub(crate) fn unread(&self) -> impl Iterator<Item = usize> {
        let unread = |(_, piece): &(usize, &Progress)| piece.read_by.get().is_none();
        self.pieces
            .iter()
            .enumerate()
            .filter(unread)
            .map(|(at, _)| at)
    }

    pub(crate) fn is_read(&self, piece: usize) -> bool {
        self.pieces
            .get(piece)
            .is_some_and(|piece| piece.read_by.get().is_some())
    }

    /// What the bytes of an object came to, if that is known.
    pub(crate) fn checksum_of(&self, object: usize) -> Option<String> {
        self.checksums.get(object)?.get().cloned()
    }

    /// Notes what the bytes of an object came to; false where another reading met other bytes.
    pub(crate) fn note_checksum(&self, object: usize, sha256: &str) -> bool {
        let checksum = self.checksums.get(object);
        checksum.is_some_and(|known| known.get_or_init(|| sha256.to_owned()) == sha256)
    }

    /// Tells how far a reading of a piece has come.
    pub(crate) fn progress(&self, piece: usize, counts: Counts) {
        let Some(piece) = self.pieces.get(piece) else {
            return;
        };
        // Rows before rows set aside, so that a watcher never sees more of these than of those.
        piece
            .rows_read
            .fetch_max(counts.rows_read, Ordering::AcqRel);
        piece
            .rows_set_aside
            .fetch_max(counts.rows_set_aside, Ordering::AcqRel);
        piece.bytes.fetch_max(counts.bytes, Ordering::AcqRel);
    }

    /// Says that a reading came to the end of a piece; true for the first one.
    pub(crate) fn complete(&self, piece: usize, attempt: u64) -> bool {
        self.pieces
            .get(piece)
            .is_some_and(|piece| piece.read_by.set(attempt).is_ok())
    }
}

impl Progress {
    fn counts(&self) -> Counts {
        let rows_set_aside = self.rows_set_aside.load(Ordering::Acquire);
        Counts {
            rows_set_aside,
            rows_read: self.rows_read.load(Ordering::Acquire),
            bytes: self.bytes.load(Ordering::Acquire),
        }
    }
}
