//! Work that was done before: files on this machine by the address of what they hold.
//!
//! ```text
//! <folder>/kept/<address>/entry.json   what is told of the files, their sizes and checksums; written before the folder has its name
//! <folder>/kept/<address>/…            the files, immutable
//! <folder>/work/<name>/…               what one process works with: links to entries, and entries that are not whole yet
//! <folder>/work/<name>.lock            held by that process
//! ```
//!
//! An address is a fingerprint of everything that decides what the files hold, so an entry never grows stale: it is found or it is
//! not. What holds:
//!
//! - **An entry is whole or not there.** It gets its name by one rename. Its files are read against their checksums before they are used;
//!   one that does not hold what was kept is removed and counts as not found.
//! - **Processes do not disturb each other.** Whoever uses an entry holds links of its own to the files, so another may remove it. What a
//!   process left behind that was killed is removed by the next: its lock is free.
//! - **It is bounded.** [`Cache::trim`] removes what was not used for longest.
//!
//! Nothing here knows what is kept.

mod entry;
#[cfg(test)]
mod tests;

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use serde::Serialize;
use serde::de::DeserializeOwned;

use entry::{ENTRY, Kept};

/// A folder of entries, open for one process.
#[derive(Debug)]
pub struct Cache {
    folder: PathBuf,
    limit: u64,
    work: PathBuf,
    folders: AtomicU64,
    lock_path: PathBuf,
    /// Held as long as this is.
    _lock: File,
}

/// What was kept under an address.
#[derive(Debug)]
pub struct Entry<T> {
    /// What was told of the files.
    pub told: T,
    /// A folder of this process's own with the files, under the names that they were kept by.
    pub folder: PathBuf,
}

impl Cache {
    /// Opens `folder`, made where it is missing and readable by nobody else; [`trim`](Self::trim) keeps it within `limit` bytes.
    /// `name` is this process's alone.
    ///
    /// # Errors
    /// When the folder cannot be made or written to.
    pub fn open(folder: &Path, limit: u64, name: &str) -> io::Result<Self> {
        make_private(folder)?;
        for inner in ["kept", "work"] {
            fs::create_dir_all(folder.join(inner))?;
        }
        let works = folder.join("work");
        let lock_path = works.join(format!("{name}.lock"));
        let lock = File::create(&lock_path)?;
        // Without locks, as on some network drives, what others left behind cannot be told from what they use.
        if lock.try_lock().is_ok() {
            remove_abandoned(&works, name);
        }
        let work = works.join(name);
        fs::create_dir_all(&work)?;
        Ok(Self {
            folder: folder.to_owned(),
            limit,
            work,
            folders: AtomicU64::new(0),
            lock_path,
            _lock: lock,
        })
    }

    /// What was kept under `address`; none where nothing was, or where it is damaged or no longer understood.
    pub fn find<T: DeserializeOwned>(&self, address: &str) -> Option<Entry<T>> {
        let place = self.kept(address);
        let kept = Kept::read(&place).ok()?;
        let folder = self.fresh_folder().ok()?;
        let told = serde_json::from_value(kept.told.clone());
        let (Ok(told), Ok(())) = (told, kept.link(&place, &folder)) else {
            drop(fs::remove_dir_all(&folder));
            drop(fs::remove_dir_all(&place));
            return None;
        };
        // Tells the clean-up that it was used; where it cannot, the entry goes sooner.
        if let Ok(entry) = File::options().append(true).open(place.join(ENTRY)) {
            drop(entry.set_modified(SystemTime::now()));
        }
        Some(Entry { told, folder })
    }

    /// Keeps `files` and what is told of them under `address`. The files must not change any more.
    ///
    /// # Errors
    /// When the files cannot be read or the entry not be written: nothing is kept then.
    pub fn keep<T: Serialize>(&self, address: &str, files: &[PathBuf], told: &T) -> io::Result<()> {
        let place = self.kept(address);
        if place.join(ENTRY).exists() {
            return Ok(());
        }
        let fresh = self.fresh_folder()?;
        let made =
            Kept::write(&fresh, files, told).and_then(|()| match fs::rename(&fresh, &place) {
                // Another process was quicker: what it kept under this address is the same.
                Err(_) if place.join(ENTRY).exists() => Ok(()),
                renamed => renamed,
            });
        drop(fs::remove_dir_all(&fresh));
        made
    }

    /// Removes entries until the rest is within the limit, first those that were not used for longest.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn trim(&self) -> io::Result<()> {
        let mut entries = Vec::new();
        let mut bytes = 0;
        for found in fs::read_dir(self.folder.join("kept"))? {
            let place = found?.path();
            let kept = Kept::read(&place).map(|kept| kept.bytes());
            let used = fs::metadata(place.join(ENTRY)).and_then(|entry| entry.modified());
            match (kept, used) {
                (Ok(size), Ok(used)) => {
                    bytes += size;
                    entries.push((used, size, place));
                }
                // Another process may be removing it.
                _ => drop(fs::remove_dir_all(&place)),
            }
        }
        entries.sort();
        for (_, size, place) in entries {
            if bytes <= self.limit {
                break;
            }
            remove(&place, &self.work);
            bytes -= size;
        }
        Ok(())
    }

    /// An empty folder of this process's own, which goes with it.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn fresh_folder(&self) -> io::Result<PathBuf> {
        let number = self.folders.fetch_add(1, Ordering::Relaxed);
        let folder = self.work.join(number.to_string());
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    fn kept(&self, address: &str) -> PathBuf {
        self.folder.join("kept").join(address)
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.work));
        drop(fs::remove_file(&self.lock_path));
    }
}

/// Takes an entry away whole, so that nobody finds half of it.
fn remove(place: &Path, work: &Path) {
    let going = work.join("going");
    match fs::rename(place, &going) {
        Ok(()) => drop(fs::remove_dir_all(&going)),
        Err(_) => drop(fs::remove_dir_all(place)),
    }
}

/// Removes what processes left behind that are gone. What cannot be removed is left to the next.
fn remove_abandoned(works: &Path, own: &str) {
    let Ok(found) = fs::read_dir(works) else {
        return;
    };
    for path in found.flatten().map(|found| found.path()) {
        let name = path.file_stem().and_then(|name| name.to_str());
        let is_lock = path
            .extension()
            .is_some_and(|extension| extension == "lock");
        let (Some(name), true) = (name.filter(|name| *name != own), is_lock) else {
            continue;
        };
        let Ok(lock) = File::open(&path) else {
            continue;
        };
        match lock.try_lock() {
            Ok(()) => {
                drop(fs::remove_dir_all(works.join(name)));
                drop(fs::remove_file(&path));
            }
            Err(TryLockError::WouldBlock | TryLockError::Error(_)) => {}
        }
    }
}

/// What is kept came from customers: it is nobody else's to read.
fn make_private(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(folder)
}
