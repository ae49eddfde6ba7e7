//! A project made by `cvm init`, run from outside: the demo's company, small enough for a debug build.

use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;
use tempfile::TempDir;

/// The published tables of a demo small enough for a debug build.
pub(crate) const TABLES: &[&str] = &[
    "check_results",
    "cohort_retention",
    "customer_segments",
    "customer_values",
    "customers",
    "model_calibration",
    "model_fits",
    "rows_set_aside",
    "sales_coverage",
];

fn cvm(folder: &Path) -> Command {
    let mut command = Command::cargo_bin("cvm").unwrap();
    command
        .current_dir(folder)
        .env_remove("CVM_DEMO_RAW")
        .env_remove("CVM_DEMO_LAKE")
        // Tests are of the work itself, unless they are of what is kept of it.
        .env("CVM_CACHE_SIZE", "0");
    command
}

pub(crate) fn run_of(folder: &Path, arguments: &[&str]) -> Output {
    cvm(folder).args(arguments).output().unwrap()
}

/// As [`run_of`], with a cache.
pub(crate) fn run_cached(folder: &Path, cache: &Path, arguments: &[&str]) -> Output {
    cvm(folder)
        .env_remove("CVM_CACHE_SIZE")
        .env("CVM_CACHE", cache)
        .args(arguments)
        .output()
        .unwrap()
}

/// As [`run_of`], with more variables.
pub(crate) fn run_with(
    folder: &Path,
    variables: &[(&'static str, String)],
    arguments: &[&str],
) -> Output {
    let variables = variables.iter().map(|(name, value)| (name, value));
    cvm(folder)
        .envs(variables)
        .args(arguments)
        .output()
        .unwrap()
}

pub(crate) fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or(-1)
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Every file below a folder, sorted.
pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let found = if path.is_dir() {
                &mut folders
            } else {
                &mut files
            };
            found.push(path);
        }
    }
    files.sort();
    files
}

/// A project made by `cvm init` with the raw data of `customers` customers.
pub(crate) fn project(customers: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    let project = folder.path();
    let init = run_of(project, &["init", "shop"]);
    assert_eq!(code(&init), 0, "{}", text(&init.stderr));
    let shop = project.join("shop");
    let arguments = [
        "generate",
        "--customers",
        customers,
        "--to",
        "file:data/demo/raw",
    ];
    let generate = run_of(&shop, &arguments);
    assert_eq!(code(&generate), 0, "{}", text(&generate.stderr));
    folder
}

/// Lets the project's pipeline publish `tables` alone, which takes a debug build less time.
pub(crate) fn publish_only(shop: &Path, tables: &str) {
    let path = shop.join("pipelines/demo.yml");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, _) = text.split_once("\n  tables:").unwrap();
    std::fs::write(path, format!("{before}\n  tables: [{tables}]\n")).unwrap();
}

/// Replaces what stands in a file exactly once; returns what stood there before.
pub(crate) fn edit(path: &Path, old: &str, new: &str) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    assert_eq!(text.matches(old).count(), 1, "{old} in {text}");
    std::fs::write(path, text.replace(old, new)).unwrap();
    text
}

pub(crate) fn run_demo(shop: &Path, more: &[&str]) -> Output {
    let mut arguments = vec![
        "run",
        "pipelines/demo.yml",
        "--as-of",
        "2025-01-01",
        "--no-cache",
    ];
    arguments.extend(more);
    run_of(shop, &arguments)
}

pub(crate) fn published(shop: &Path, table: &str) -> Vec<u8> {
    let path = shop.join(format!("data/demo/lake/marts/demo/{table}.parquet"));
    std::fs::read(path).unwrap()
}

/// The results of a published check as of `day`: its kind, severity, whether it held, rows broken and checked, detail.
pub(crate) fn check_result(shop: &Path, day: &str, check: &str) -> String {
    let sql = format!(
        "select kind, severity, has_passed, rows_broken, rows_checked, detail from check_results \
         where as_of_date = '{day}' and check_name = '{check}'"
    );
    let asked = run_of(
        shop,
        &["query", "pipelines/demo.yml", &sql, "--format", "csv"],
    );
    assert_eq!(code(&asked), 0, "{}", text(&asked.stderr));
    let told = text(&asked.stdout);
    told.lines().nth(1).unwrap_or_default().to_owned()
}
