//! Work that earlier runs did: what is done again after a change, and that it makes no difference.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use assert_cmd::Command;

use crate::support::shop::{code, files_below, project, run_cached, run_of, text};

const NIGHTLY: [&str; 4] = ["run", "pipelines/demo.yml", "--as-of", "2025-01-01"];

/// What a run tells of its work.
#[derive(Debug, Default)]
struct Told {
    done: BTreeSet<String>,
    reused: BTreeSet<String>,
    /// Of the orders of the shop, which have several objects.
    rows_read: u64,
    rows_reused: u64,
}

fn told(log: &str) -> Told {
    let mut told = Told::default();
    for line in log.lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        let stage = event["stage"].as_str().map(str::to_owned);
        let count = |name: &str| event[name].as_u64().unwrap();
        match event["event"].as_str().unwrap() {
            // A view is worked out where it is read.
            "stage_finished" if event["kind"] == "sql" && event["rows"].is_null() => {}
            "stage_finished" => told.done.extend(stage),
            "reused" => told.reused.extend(stage),
            "source_read" if event["source"] == "shop.orders" => {
                told.rows_read = count("rows_read");
                told.rows_reused = count("rows_reused");
            }
            _ => {}
        }
    }
    told
}

fn run(shop: &Path, cache: &Path, more: &[&str]) -> Told {
    let output = run_cached(shop, cache, &[&NIGHTLY[..], more].concat());
    let log = text(&output.stderr);
    assert_eq!(code(&output), 0, "{log}");
    told(&log)
}

/// The published tables at their stable paths, by name.
fn tables(shop: &Path) -> BTreeMap<String, Vec<u8>> {
    let lake = shop.join("data/demo/lake/marts/demo");
    let mut tables = BTreeMap::new();
    for entry in std::fs::read_dir(lake).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            tables.insert(name, std::fs::read(&path).unwrap());
        }
    }
    tables
}

/// What a run without a cache publishes in the place of the last one.
fn tables_made_anew(shop: &Path) -> BTreeMap<String, Vec<u8>> {
    let output = run_of(shop, &[&NIGHTLY[..], &["--no-cache"]].concat());
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    tables(shop)
}

#[test]
fn a_changed_sql_file_has_only_what_depends_on_it_made_anew() {
    let folder = project("100");
    let (shop, cache) = (folder.path().join("shop"), folder.path().join("cache"));
    let first = run(&shop, &cache, &[]);
    assert_eq!((first.reused.len(), first.rows_reused), (0, 0));
    let published = tables(&shop);

    // A filter that holds for every row: other SQL, the same rows.
    let mart = shop.join("sql/marts/customer_segments.sql");
    let sql = std::fs::read_to_string(&mart).unwrap();
    let changed = sql.replace("select * from final", "select * from final where 1 = 1");
    assert_ne!(sql, changed);
    std::fs::write(&mart, changed).unwrap();
    let second = run(&shop, &cache, &[]);
    assert!(second.done.contains("customer_segments"), "{second:?}");
    assert!(second.reused.contains("customer_values"), "{second:?}");
    assert!(second.reused.contains("customer_lifetimes"), "{second:?}");
    let needless: Vec<&String> = second
        .done
        .iter()
        .filter(|stage| stage.contains("int_") || stage.contains("stg_"))
        .collect();
    assert!(needless.is_empty(), "{needless:?}");
    assert!(
        tables(&shop) == published,
        "a cache changed what is published"
    );
    assert!(tables_made_anew(&shop) == published, "so did its absence");

    // Text is parsed for every day alike; what reads `$as_of` is made anew.
    let earlier = run_cached(
        &shop,
        &cache,
        &["run", "pipelines/demo.yml", "--as-of", "2024-07-01"],
    );
    let earlier = told(&text(&earlier.stderr));
    assert!(earlier.reused.contains("shop.orders"), "{earlier:?}");
    assert!(earlier.done.contains("customer_values"), "{earlier:?}");
}

#[test]
fn objects_that_were_read_before_are_not_read_again() {
    let folder = project("100");
    let (shop, cache) = (folder.path().join("shop"), folder.path().join("cache"));
    // The last of the objects comes a day later.
    let orders = shop.join("data/demo/raw/shop/orders");
    let mut objects = files_below(&orders);
    let newest = objects.pop().unwrap();
    assert!(!objects.is_empty(), "{newest:?}");
    let aside = folder.path().join("aside");
    std::fs::rename(&newest, &aside).unwrap();
    let first = run(&shop, &cache, &[]);
    std::fs::rename(&aside, &newest).unwrap();

    let second = run(&shop, &cache, &[]);
    assert_eq!(second.rows_reused, first.rows_read);
    assert!(second.rows_read > first.rows_read, "{second:?}");
    let with_cache = tables(&shop);
    assert!(with_cache["rows_set_aside"].len() > 1000);
    assert!(
        tables_made_anew(&shop) == with_cache,
        "a cache changed what is published"
    );
}

#[test]
fn a_damaged_cache_costs_time_and_nothing_else() {
    let folder = project("100");
    let (shop, cache) = (folder.path().join("shop"), folder.path().join("cache"));
    run(&shop, &cache, &[]);
    let published = tables(&shop);
    // Every second file is damaged, and the run's own shortcut is off.
    let mut files = Vec::new();
    for entry in std::fs::read_dir(cache.join("kept")).unwrap() {
        for file in std::fs::read_dir(entry.unwrap().path()).unwrap() {
            files.push(file.unwrap().path());
        }
    }
    files.sort();
    for file in files.iter().step_by(2) {
        let mut bytes = std::fs::read(file).unwrap();
        if let Some(byte) = bytes.iter_mut().next() {
            *byte ^= 0x40;
        }
        std::fs::remove_file(file).unwrap();
        std::fs::write(file, bytes).unwrap();
    }
    let customers = files_below(&shop.join("data/demo/lake/marts/demo/customers"));
    std::fs::remove_file(&customers[0]).unwrap();
    let second = run(&shop, &cache, &[]);
    assert!(
        !second.done.is_empty() && !second.reused.is_empty(),
        "{second:?}"
    );
    assert!(tables(&shop) == published, "damage was published");
}

#[test]
fn a_cache_that_cannot_be_used_is_told_and_the_run_goes_on() {
    let folder = project("100");
    let shop = folder.path().join("shop");
    let file = folder.path().join("file");
    std::fs::write(&file, "in the way").unwrap();
    let output = run_cached(&shop, &file, &NIGHTLY);
    let log = text(&output.stderr);
    assert_eq!(code(&output), 0, "{log}");
    let warning = format!("the cache folder {} cannot be used", file.display());
    assert!(log.contains(&warning), "{log}");
}

#[test]
fn a_killed_run_leaves_its_work_to_the_next() {
    let folder = project("100");
    let (shop, cache) = (folder.path().join("shop"), folder.path().join("cache"));
    let binary = Command::cargo_bin("cvm").unwrap();
    let mut killed = std::process::Command::new(binary.get_program())
        .current_dir(&shop)
        .args(NIGHTLY)
        .env_remove("CVM_CACHE_SIZE")
        .env("CVM_CACHE", &cache)
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let has_stage = || {
        let kept = std::fs::read_dir(cache.join("kept"));
        let mut names = kept
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.file_name());
        names.any(|name| name.to_str().unwrap().starts_with("stage-"))
    };
    while !has_stage() && killed.try_wait().unwrap().is_none() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    killed.kill().unwrap();
    killed.wait().unwrap();
    let next = run(&shop, &cache, &[]);
    assert!(!next.reused.is_empty() && !next.done.is_empty(), "{next:?}");
    let left: Vec<_> = std::fs::read_dir(cache.join("work")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
    let published = tables(&shop);
    assert!(
        tables_made_anew(&shop) == published,
        "a cache changed what is published"
    );
}
