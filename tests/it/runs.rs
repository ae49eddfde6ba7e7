//! The command line from outside: whole runs on small data, exit codes, what is published.

use tempfile::TempDir;

use crate::support::shop::{TABLES, code, project, published, run_demo, run_of, text};

#[test]
fn a_project_made_by_init_runs_twice_to_the_same_bytes() {
    let folder = project("400");
    let shop = folder.path().join("shop");
    let first = run_demo(&shop, &["--threads", "1"]);
    assert_eq!(code(&first), 0, "{}", text(&first.stderr));
    let before: Vec<_> = TABLES.iter().map(|table| published(&shop, table)).collect();
    let second = run_demo(&shop, &["--threads", "2", "--memory-limit", "64MiB"]);
    assert_eq!(code(&second), 0, "{}", text(&second.stderr));
    for (table, before) in TABLES.iter().zip(before) {
        assert_eq!(published(&shop, table), before, "{table}");
    }
    let counted = run_of(
        &shop,
        &[
            "query",
            "pipelines/demo.yml",
            "select count(*) as n from customer_values",
            "--format",
            "csv",
        ],
    );
    assert_eq!(text(&counted.stdout), "n\n400\n");
    // A query may ask the models themselves. BG/NBD has whoever did not buy again alive, and nobody else for sure.
    let sql = "select count(*) filter (where (frequency = 0) <> (bg_nbd_probability_alive(0.24, 4.4, 0.79, 2.4, \
        frequency, recency_age / 7.0, customer_age / 7.0) = 1)) as n from customer_values";
    let asked = run_of(
        &shop,
        &["query", "pipelines/demo.yml", sql, "--format", "csv"],
    );
    assert_eq!(text(&asked.stdout), "n\n0\n", "{}", text(&asked.stderr));
}

#[test]
fn every_raw_row_is_kept_or_set_aside() {
    let folder = project("400");
    let shop = folder.path().join("shop");
    assert_eq!(code(&run_demo(&shop, &[])), 0);
    let truth = std::fs::read(shop.join("data/demo/raw/truth/parameters.json")).unwrap();
    let truth = cvm::demo::Truth::from_json(&truth).unwrap();
    let sql = "select source, count(*) as n from rows_set_aside group by source order by source";
    let rows = run_of(
        &shop,
        &["query", "pipelines/demo.yml", sql, "--format", "csv"],
    );
    let manifests = shop.join("data/demo/lake/marts/demo/_cvm/runs");
    let manifest = std::fs::read_dir(manifests)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let manifest: serde_json::Value =
        serde_json::from_slice(&std::fs::read(manifest).unwrap()).unwrap();
    // Raw tables that no output reads are not looked at.
    let mut tables = std::collections::BTreeSet::new();
    for source in manifest["report"]["sources"].as_array().unwrap() {
        let name = source["source"].as_str().unwrap();
        let read = source["rows_read"].as_u64().unwrap();
        assert_eq!(Some(&read), truth.tally.rows.get(name), "{name}");
        let kept = source["rows_kept"].as_u64().unwrap();
        assert_eq!(
            read,
            kept + source["rows_set_aside"].as_u64().unwrap(),
            "{name}"
        );
        tables.insert(name);
    }
    assert!(tables.len() >= 5, "{tables:?}");
    let expected: String = tables
        .iter()
        .map(|table| (table, truth.tally.set_aside(Some(table))))
        .filter(|(_, rows)| *rows > 0)
        .map(|(table, rows)| format!("{table},{rows}\n"))
        .collect();
    assert_eq!(text(&rows.stdout), format!("source,n\n{expected}"));
}

#[test]
fn a_run_tells_others_and_publishes_where_nobody_listens() {
    let folder = project("400");
    let shop = folder.path().join("shop");
    // A port that was free a moment ago.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let gone = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let others = [
        "--lineage",
        "told.jsonl",
        "--metrics",
        "told.prom",
        "--push-metrics",
        &gone,
    ];
    let run = run_demo(&shop, &others);
    let log = text(&run.stderr);
    assert_eq!(code(&run), 0, "{log}");
    let warning = format!("metrics did not reach {gone}/metrics/job/cvm/pipeline/demo: ");
    assert!(log.contains(&warning), "{log}");
    let lineage = std::fs::read_to_string(shop.join("told.jsonl")).unwrap();
    let kinds: Vec<String> = lineage
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|event| event["eventType"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(kinds, ["START", "COMPLETE"]);
    let metrics = std::fs::read_to_string(shop.join("told.prom")).unwrap();
    let rows = "cvm_table_rows{pipeline=\"demo\",table=\"customer_values\"} 400\n";
    assert!(metrics.contains(rows), "{metrics}");
}

#[test]
fn calibration_adds_up_in_every_grouping() {
    let folder = project("400");
    let shop = folder.path().join("shop");
    assert_eq!(code(&run_demo(&shop, &[])), 0);
    // Customers and purchases of everybody are those of the deciles, of the frequencies and of the cohorts.
    let sql = "select grouping, sum(customers) as customers, sum(actual) as actual, round(sum(expected), 6) as expected \
        from model_calibration where grouping in ('overall', 'decile', 'frequency', 'cohort') group by grouping order by grouping";
    let rows = run_of(
        &shop,
        &["query", "pipelines/demo.yml", sql, "--format", "csv"],
    );
    let rows = text(&rows.stdout);
    let sums: Vec<&str> = rows
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(',').map(|(_, sums)| sums))
        .collect();
    assert_eq!(sums.len(), 4, "{rows}");
    assert!(sums.iter().all(|sum| *sum == sums[0]), "{rows}");
}

#[test]
fn a_backtest_shows_every_cutoff_and_publishes_nothing() {
    let folder = project("400");
    let shop = folder.path().join("shop");
    let arguments = [
        "backtest",
        "pipelines/demo.yml",
        "--cutoffs",
        "2024-01-01,2024-04-01",
        "--holdout-days",
        "90",
        "--format",
        "csv",
    ];
    let shown = run_of(&shop, &arguments);
    assert_eq!(code(&shown), 0, "{}", text(&shown.stderr));
    let rows = text(&shown.stdout);
    let cells: Vec<Vec<&str>> = rows
        .lines()
        .map(|line| line.split(',').take(4).collect())
        .collect();
    assert_eq!(
        cells,
        [
            ["score", "cutoff", "model", "chosen"],
            ["customer_lifetimes", "2024-01-01", "bg_nbd", "yes"],
            ["customer_lifetimes", "2024-04-01", "bg_nbd", "yes"],
        ]
    );
    assert!(!shop.join("data/demo/lake").exists());
}

#[test]
fn exit_codes_are_those_of_the_readme() {
    let folder = TempDir::new().unwrap();
    let here = folder.path();
    assert_eq!(code(&run_of(here, &["--help"])), 0);
    assert_eq!(code(&run_of(here, &["rnu"])), 2);
    assert_eq!(code(&run_of(here, &["validate", "nowhere.yml"])), 2);
    assert_eq!(code(&run_of(here, &["init", "."])), 0);
    assert_eq!(code(&run_of(here, &["init", "."])), 2);
    assert_eq!(code(&run_of(here, &["validate", "pipelines/demo.yml"])), 0);
    let query = ["query", "pipelines/demo.yml", "select 1"];
    assert_eq!(code(&run_of(here, &query)), 2);
    // There is no raw data yet.
    assert_eq!(code(&run_demo(here, &[])), 2);
}

#[test]
fn lists_and_schemas_tell_what_there_is() {
    let folder = TempDir::new().unwrap();
    let list = |what: &str| text(&run_of(folder.path(), &["list", what]).stdout);
    assert!(list("scorers").starts_with("buy_till_you_die\n"));
    for format in ["csv", "ndjson", "parquet"] {
        assert!(list("formats").contains(format), "{format}");
    }
    assert!(list("entities").contains("survey_responses — "));
    assert!(list("marts").contains("customer_values — "));
    let functions = list("functions");
    assert!(functions.starts_with(
        "local_date(instant, timezone)\n  The calendar day of an instant in a time zone of the IANA database.\n\n"
    ));
    assert!(functions.contains(
        "bg_nbd_probability_alive(r, alpha, a, b, frequency, recency_age, customer_age)\n"
    ));
    assert!(functions.contains("count_distinct_days(day)\n"));
    for name in ["pipeline", "source", "table", "report"] {
        let schema = run_of(folder.path(), &["schema", name]);
        let schema: serde_json::Value = serde_json::from_slice(&schema.stdout).unwrap();
        assert_eq!(schema["type"], "object", "{name}");
    }
}
