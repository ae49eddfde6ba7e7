//! One entry: its files, and what is told of them.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The file of an entry that tells of the others.
pub(super) const ENTRY: &str = "entry.json";

/// The form of [`ENTRY`]; an entry of another form is not understood.
const FORMAT: u32 = 1;

/// What [`ENTRY`] says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Kept {
    format: u32,
    files: Vec<KeptFile>,
    /// What whoever kept the files told of them.
    pub(super) told: serde_json::Value,
}

#[derive(Debug, Serialize, Deserialize)]
struct KeptFile {
    name: String,
    bytes: u64,
    crc32: u32,
}

impl Kept {
    /// Reads what an entry says.
    pub(super) fn read(place: &Path) -> io::Result<Self> {
        let kept: Self = serde_json::from_slice(&fs::read(place.join(ENTRY))?)?;
        if kept.format != FORMAT {
            return Err(io::ErrorKind::Unsupported.into());
        }
        Ok(kept)
    }

    /// Makes an entry of `files` in the empty folder `place`.
    pub(super) fn write<T: Serialize>(place: &Path, files: &[PathBuf], told: &T) -> io::Result<()> {
        let mut kept = Self {
            format: FORMAT,
            files: Vec::with_capacity(files.len()),
            told: serde_json::to_value(told)?,
        };
        for file in files {
            let name = file.file_name().and_then(|name| name.to_str());
            let name = name.ok_or(io::ErrorKind::InvalidFilename)?.to_owned();
            let there = place.join(&name);
            link_or_copy(file, &there)?;
            let (bytes, crc32) = sum(&there)?;
            kept.files.push(KeptFile { name, bytes, crc32 });
        }
        fs::write(place.join(ENTRY), serde_json::to_vec(&kept)?)
    }

    /// Links the files of the entry at `place` into `folder`.
    ///
    /// # Errors
    /// When one is gone or does not hold what was kept.
    pub(super) fn link(&self, place: &Path, folder: &Path) -> io::Result<()> {
        for file in &self.files {
            let there = folder.join(&file.name);
            link_or_copy(&place.join(&file.name), &there)?;
            if sum(&there)? != (file.bytes, file.crc32) {
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
        Ok(())
    }

    /// The bytes of its files.
    pub(super) fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }
}

/// A hard link costs nothing; drives that have none, or other drives, get a copy.
fn link_or_copy(from: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(from, to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => fs::copy(from, to).map(drop),
        linked => linked,
    }
}

/// The size and the CRC-32 of a file.
fn sum(path: &Path) -> io::Result<(u64, u32)> {
    let mut file = File::open(path)?;
    let mut hash = crc32fast::Hasher::new();
    let mut buffer = vec![0; 1 << 20];
    let mut bytes = 0;
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok((bytes, hash.finalize())),
            read => {
                hash.update(buffer.get(..read).unwrap_or_default());
                bytes += read as u64;
            }
        }
    }
}
