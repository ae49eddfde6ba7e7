//! What standard error and standard output are told of a failure, and in which order.

use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::shop::{code, project, run_demo, run_of, text};

/// A project without raw data, whose pipeline has three keys that there are not.
fn misspelt() -> TempDir {
    let folder = TempDir::new().unwrap();
    let init = run_of(folder.path(), &["init", "shop"]);
    assert_eq!(code(&init), 0, "{}", text(&init.stderr));
    let pipeline = folder.path().join("shop/pipelines/demo.yml");
    let mut file = std::fs::read_to_string(&pipeline).unwrap();
    file.push_str("\none: 1\ntwo: 2\nthree: 3\n");
    std::fs::write(&pipeline, file).unwrap();
    folder
}

fn json(told: &str) -> Vec<Value> {
    let parse = |line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
    told.lines().map(parse).collect()
}

fn events(lines: &[Value]) -> Vec<&str> {
    let events = lines.iter().map(|line| line["event"].as_str());
    events.map(Option::unwrap_or_default).collect()
}

/// The exit code and both streams in one, as Airflow reads them.
fn both_streams(shop: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let path = shop.join("told.log");
    let file = std::fs::File::create(&path).unwrap();
    let binary = assert_cmd::Command::cargo_bin("cvm").unwrap();
    let status = std::process::Command::new(binary.get_program())
        .current_dir(shop)
        .env("CVM_CACHE_SIZE", "0")
        .args(arguments)
        .stdout(file.try_clone().unwrap())
        .stderr(file)
        .status()
        .unwrap();
    (status.code(), std::fs::read_to_string(&path).unwrap())
}

#[test]
fn faults_of_files_are_told_in_a_line_each_and_drawn_where_they_are_mended() {
    let folder = misspelt();
    let shop = folder.path().join("shop");
    let file = "pipelines/demo.yml";
    let months = ["--from", "2024-01-01", "--to", "2024-02-01"];
    for arguments in [
        &["run", file, "--as-of", "2025-01-01"][..],
        &[&["backfill", file][..], &months].concat(),
        &["backtest", file, "--cutoffs", "2024-01-01"],
    ] {
        let failed = run_of(&shop, arguments);
        assert_eq!(code(&failed), 2);
        let told = text(&failed.stderr);
        let lines: Vec<&str> = told.lines().collect();
        assert_eq!(lines.len(), 4, "{told}");
        assert_eq!(
            lines[0],
            "error: 3 faults in the project's files; nothing was run"
        );
        for (line, key) in lines[1..].iter().zip(["one", "two", "three"]) {
            assert!(line.starts_with("  pipelines/demo.yml:"), "{line}");
            assert!(
                line.contains(&format!(":1: unknown key `{key}`; ")),
                "{line}"
            );
        }
    }
    let drawn = run_of(&shop, &["validate", file]);
    assert_eq!(code(&drawn), 2);
    let told = text(&drawn.stderr);
    assert!(told.contains("three: 3"), "{told}");
    assert!(
        told.ends_with("error: 3 faults in the project's files\n"),
        "{told}"
    );
}

#[test]
fn a_log_in_json_holds_nothing_else_where_the_pipeline_has_faults() {
    let folder = misspelt();
    let shop = folder.path().join("shop");
    let failed = run_demo(&shop, &["--log", "json", "--report", "-"]);
    assert_eq!(code(&failed), 2);
    let lines = json(&text(&failed.stderr));
    assert_eq!(events(&lines), ["fault", "fault", "fault", "run_failed"]);
    assert_eq!(lines[0]["file"], "pipelines/demo.yml");
    assert_eq!(lines[0]["column"], 1);
    assert_eq!(lines[0]["message"], "unknown key `one`");
    assert_eq!(lines[3]["exit_code"], 2);
    let report = json(&text(&failed.stdout));
    assert_eq!(report.len(), 1);
    assert_eq!(report[0]["failure"]["message"], lines[3]["message"]);
}

#[test]
fn a_log_in_json_tells_a_failure_once() {
    let folder = TempDir::new().unwrap();
    assert_eq!(code(&run_of(folder.path(), &["init", "shop"])), 0);
    let shop = folder.path().join("shop");
    // There is no raw data; and there was no such run.
    let replay = ["run", "pipelines/demo.yml", "--replay", "nobody"];
    for arguments in [
        &["run", "pipelines/demo.yml", "--as-of", "2025-01-01"][..],
        &replay,
    ] {
        let untold = ["--metrics", "nowhere/told.prom"];
        let arguments = [arguments, &["--log", "json", "--report", "-"], &untold].concat();
        let (code, told) = both_streams(&shop, &arguments);
        assert_eq!(code, Some(2), "{told}");
        let lines = json(&told);
        let failures = events(&lines);
        let failures = failures.iter().filter(|event| **event == "run_failed");
        assert_eq!(failures.count(), 1, "{told}");
        // It comes after what others could not be told, and the report comes last.
        let [.., warning, failed, report] = lines.as_slice() else {
            panic!("{told}");
        };
        assert_eq!(warning["event"], "warning", "{told}");
        assert_eq!(failed["event"], "run_failed", "{told}");
        assert_eq!(report["exit_code"], 2, "{told}");
    }
}

#[test]
fn a_printed_report_comes_after_what_others_could_not_be_told() {
    let folder = project("100");
    let shop = folder.path().join("shop");
    let arguments = [
        "run",
        "pipelines/demo.yml",
        "--as-of",
        "2025-01-01",
        "--no-cache",
        "--log",
        "json",
        "--report",
        "-",
        "--metrics",
        "nowhere/told.prom",
    ];
    let (code, told) = both_streams(&shop, &arguments);
    assert_eq!(code, Some(0), "{told}");
    let lines = json(&told);
    let [.., warning, report] = lines.as_slice() else {
        panic!("{told}");
    };
    assert_eq!(warning["event"], "warning", "{told}");
    let message = warning["message"].as_str().unwrap();
    assert!(
        message.starts_with("no metrics: cannot write nowhere/told.prom: "),
        "{message}"
    );
    assert_eq!(report["exit_code"], 0, "{told}");
    // Every line says which run it is of.
    let ids = lines.iter().map(|line| line["run_id"].as_str().unwrap());
    let ids: std::collections::BTreeSet<&str> = ids.collect();
    assert_eq!(ids.len(), 1, "{told}");
}
