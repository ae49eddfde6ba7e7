//! The folder of a run at work, gone when the run is, however it ended.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use tempfile::TempDir;

const PREFIX: &str = "cvm-";
/// How the file begins that is locked.
const OF_A_RUN: &str = "a run of cvm works here, on";
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
        fs::write(&unnamed, Machine::this().told())?;
        let lock = File::options().write(true).open(&unnamed)?;
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
        if is_abandoned(&folder.join(LOCK)) {
            drop(fs::remove_dir_all(folder));
        }
    }
}

/// Whether a lock is one of ours, and nobody holds it.
fn is_abandoned(lock: &Path) -> bool {
    // A pipe would be waited for.
    let is_file = fs::symlink_metadata(lock).is_ok_and(|found| found.is_file());
    let told = if is_file {
        fs::read_to_string(lock).ok()
    } else {
        None
    };
    let machine = told.as_deref().and_then(Machine::read);
    if !machine.is_some_and(|machine| machine.is_seen_from(&Machine::this())) {
        return false;
    }
    let lock = File::options().write(true).open(lock);
    lock.is_ok_and(|lock| lock.try_lock().is_ok())
}

/// Where a run works. On some network drives a lock is seen by those alone who run on the same machine.
#[derive(Debug, PartialEq, Eq)]
struct Machine {
    name: String,
    /// Another each time that it is started; containers of one machine share it.
    start: String,
}

impl Machine {
    fn this() -> Self {
        let line = |file| {
            let text: String = fs::read_to_string(file).unwrap_or_default();
            text.trim().to_owned()
        };
        Self {
            name: line("/proc/sys/kernel/hostname"),
            start: line("/proc/sys/kernel/random/boot_id"),
        }
    }

    fn told(&self) -> String {
        format!("{OF_A_RUN} {}\n{}\n", self.name, self.start)
    }

    fn read(told: &str) -> Option<Self> {
        let (name, start) = told.strip_prefix(OF_A_RUN)?.split_once('\n')?;
        Some(Self {
            name: name.trim().to_owned(),
            start: start.trim().to_owned(),
        })
    }

    /// Whether its locks are seen, or it was started again since. What the system does not tell is like nothing.
    fn is_seen_from(&self, other: &Self) -> bool {
        let is_same = |one: &str, other: &str| !one.is_empty() && one == other;
        is_same(&self.start, &other.start) || is_same(&self.name, &other.name)
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
        let restarted = place.path().join("cvm-before-a-restart");
        let others = ["unlocked", "of-something-else", "elsewhere"];
        let others = others.map(|name| place.path().join(format!("cvm-{name}")));
        for folder in [&killed, &restarted].into_iter().chain(&others) {
            fs::create_dir(folder).unwrap();
            fs::write(folder.join("rows"), "rows").unwrap();
        }
        let this = Machine::this();
        fs::write(killed.join(LOCK), this.told()).unwrap();
        let before = Machine {
            start: "another".to_owned(),
            ..Machine::this()
        };
        fs::write(restarted.join(LOCK), before.told()).unwrap();
        fs::write(others[1].join(LOCK), "").unwrap();
        let elsewhere = Machine {
            name: "elsewhere".to_owned(),
            start: "another".to_owned(),
        };
        fs::write(others[2].join(LOCK), elsewhere.told()).unwrap();
        let next = WorkFolder::make(Some(place.path())).unwrap();
        assert!(!killed.exists() && !restarted.exists());
        assert!(others.iter().all(|folder| folder.exists()));
        assert!(at_work.path().exists() && next.path().exists());
        let path = next.path().to_owned();
        drop(next);
        assert!(!path.exists());
    }
}
