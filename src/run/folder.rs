//! The folder of a run at work, gone when the run is, however it ended.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use tempfile::TempDir;

const PREFIX: &str = "cvm-";
/// Locked for as long as the run lives. Where it lies unlocked, whoever made it was killed.
const LOCK: &str = "lock";

/// A folder for tables between stages and spilled rows.
pub(super) struct WorkFolder {
    folder: TempDir,
    _lock: File,
}

impl WorkFolder {
    /// Makes one in `place`, or where the system keeps what is temporary, and removes those that killed runs left there.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(super) fn make(place: Option<&Path>) -> io::Result<Self> {
        let place = place.map_or_else(std::env::temp_dir, Path::to_path_buf);
        let folder = TempDir::with_prefix_in(PREFIX, &place)?;
        // It gets its name when it is locked: unlocked under that name, another run would take it for left behind.
        let unnamed = folder.path().join("lock.new");
        let lock = File::create(&unnamed)?;
        // Without locks, as on some network drives, what others left behind cannot be told from what they use.
        if lock.try_lock().is_ok() {
            fs::rename(unnamed, folder.path().join(LOCK))?;
            remove_abandoned(&place, folder.path());
        }
        Ok(Self {
            folder,
            _lock: lock,
        })
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Removes the folders of runs that are no more. One that cannot be removed, as that of another user, is left.
fn remove_abandoned(place: &Path, own: &Path) {
    let Ok(found) = fs::read_dir(place) else {
        return;
    };
    for entry in found.flatten() {
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let name = entry.file_name();
        let folder = entry.path();
        if !is_folder || !name.to_string_lossy().starts_with(PREFIX) || folder == own {
            continue;
        }
        let lock = File::options().write(true).open(folder.join(LOCK));
        if lock.is_ok_and(|lock| lock.try_lock().is_ok()) {
            drop(fs::remove_dir_all(folder));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_killed_runs_left_goes_and_what_others_use_stays() {
        let place = tempfile::tempdir().unwrap();
        let at_work = WorkFolder::make(Some(place.path())).unwrap();
        let killed = place.path().join("cvm-killed");
        let other = place.path().join("cvm-of-something-else");
        for folder in [&killed, &other] {
            fs::create_dir(folder).unwrap();
            fs::write(folder.join("rows"), "rows").unwrap();
        }
        fs::write(killed.join(LOCK), "").unwrap();
        let next = WorkFolder::make(Some(place.path())).unwrap();
        assert!(!killed.exists() && other.exists());
        assert!(at_work.path().exists() && next.path().exists());
        let path = next.path().to_owned();
        drop(next);
        assert!(!path.exists());
    }
}
