use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::{Cache, ENTRY};

const PLENTY: u64 = 1 << 30;

fn file(folder: &Path, name: &str, content: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, content).unwrap();
    path
}

fn content(cache: &Cache, address: &str, name: &str) -> Option<String> {
    let entry = cache.find::<u32>(address)?;
    Some(fs::read_to_string(entry.folder.join(name)).unwrap())
}

#[test]
fn what_is_kept_is_found_by_a_later_process_and_nothing_else_is() {
    let (folder, made) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let first = Cache::open(folder.path(), PLENTY, "first").unwrap();
    assert!(first.find::<u32>("a").is_none());
    let rows = file(made.path(), "rows", "kept");
    first.keep("a", &[rows], &7).unwrap();
    drop((first, made));

    let second = Cache::open(folder.path(), PLENTY, "second").unwrap();
    let entry = second.find::<u32>("a").unwrap();
    assert_eq!(entry.told, 7);
    assert_eq!(
        fs::read_to_string(entry.folder.join("rows")).unwrap(),
        "kept"
    );
    assert!(second.find::<u32>("b").is_none());
}

#[test]
fn an_entry_that_is_damaged_or_not_understood_is_removed_and_not_found() {
    let (folder, made) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let cache = Cache::open(folder.path(), PLENTY, "only").unwrap();
    for address in ["flipped", "cut", "gone", "other"] {
        let rows = file(made.path(), address, "kept");
        cache.keep(address, &[rows], &7).unwrap();
    }
    let kept = folder.path().join("kept");
    // The files that were kept are links to these.
    file(&kept.join("flipped"), "flipped", "kepT");
    file(&kept.join("cut"), "cut", "kep");
    fs::remove_file(kept.join("gone").join("gone")).unwrap();
    for address in ["flipped", "cut", "gone"] {
        assert!(cache.find::<u32>(address).is_none(), "{address}");
        assert!(!kept.join(address).exists(), "{address}");
    }
    assert!(cache.find::<String>("other").is_none());
    assert!(!kept.join("other").exists());
}

#[test]
fn trimming_removes_what_was_not_used_for_longest() {
    let (folder, made) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let cache = Cache::open(folder.path(), 10, "only").unwrap();
    for address in ["a", "b", "c"] {
        let rows = file(made.path(), address, "12345");
        cache.keep(address, &[rows], &7).unwrap();
        let entry = folder.path().join("kept").join(address).join(ENTRY);
        let long_ago = SystemTime::now() - Duration::from_secs(3600);
        let opened = fs::File::options().append(true).open(entry).unwrap();
        opened.set_modified(long_ago).unwrap();
    }
    // Of three entries of five bytes two may stay; `a` is used now.
    let used = cache.find::<u32>("a").unwrap();
    cache.trim().unwrap();
    assert!(content(&cache, "a", "a").is_some());
    let left = ["b", "c"].map(|address| folder.path().join("kept").join(address).exists());
    assert_eq!(left.iter().filter(|there| **there).count(), 1);
    // What was found before stays with whoever found it.
    fs::remove_dir_all(folder.path().join("kept")).unwrap();
    assert_eq!(fs::read_to_string(used.folder.join("a")).unwrap(), "12345");
}

#[test]
fn what_a_dead_process_left_behind_is_removed_and_what_a_live_one_uses_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let work = folder.path().join("work");
    let alive = Cache::open(folder.path(), PLENTY, "alive").unwrap();
    fs::create_dir_all(work.join("dead")).unwrap();
    file(&work, "dead.lock", "");
    let next = Cache::open(folder.path(), PLENTY, "next").unwrap();
    assert!(!work.join("dead").exists() && !work.join("dead.lock").exists());
    assert!(work.join("alive").exists() && work.join("alive.lock").exists());
    drop((alive, next));
    assert_eq!(fs::read_dir(&work).unwrap().count(), 0);
}

#[cfg(unix)]
#[test]
fn nobody_else_may_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("cache");
    let _cache = Cache::open(&folder, PLENTY, "only").unwrap();
    let mode = fs::metadata(&folder).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}
