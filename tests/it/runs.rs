//! The command line from outside: whole runs on small data, exit codes, what is published.

use std::path::Path;
use std::process::Output;

use assert_cmd::Command;
use tempfile::TempDir;

/// The published tables of a demo small enough for a debug build.
const TABLES: &[&str] = &[
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
        .env_remove("CVM_DEMO_LAKE");
    command
}

fn run_of(folder: &Path, arguments: &[&str]) -> Output {
    cvm(folder).args(arguments).output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or(-1)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A project made by `cvm init` with the raw data of `customers` customers.
fn project(customers: &str) -> TempDir {
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

fn run_demo(shop: &Path, more: &[&str]) -> Output {
    let mut arguments = vec!["run", "pipelines/demo.yml", "--as-of", "2025-01-01"];
    arguments.extend(more);
    run_of(shop, &arguments)
}

fn published(shop: &Path, table: &str) -> Vec<u8> {
    let path = shop.join(format!("data/demo/lake/marts/demo/{table}.parquet"));
    std::fs::read(path).unwrap()
}

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
fn too_many_bad_rows_stop_the_run_and_readers_keep_what_they_had() {
    let folder = project("100");
    let shop = folder.path().join("shop");
    assert_eq!(code(&run_demo(&shop, &[])), 0);
    let before = published(&shop, "customers");
    let source = shop.join("pipelines/sources/shop.yml");
    let strict = std::fs::read_to_string(&source).unwrap();
    let strict = format!(
        "max_bad_share: 0.0\n{}",
        strict.replace("\nmax_bad_share:", "\n# max_bad_share:")
    );
    std::fs::write(&source, strict).unwrap();
    let refused = run_demo(&shop, &[]);
    assert_eq!(code(&refused), 3, "{}", text(&refused.stderr));
    assert!(
        text(&refused.stderr).contains("shop."),
        "{}",
        text(&refused.stderr)
    );
    assert_eq!(published(&shop, "customers"), before);
}

#[test]
fn fits_tell_their_drift_since_an_earlier_day_and_repeating_a_run_changes_nothing() {
    let folder = project("400");
    let shop = folder.path().join("shop");
    let run = |as_of: &str| {
        let run = run_of(&shop, &["run", "pipelines/demo.yml", "--as-of", as_of]);
        assert_eq!(code(&run), 0, "{}", text(&run.stderr));
    };
    let query = |sql: &str| {
        let rows = run_of(
            &shop,
            &["query", "pipelines/demo.yml", sql, "--format", "csv"],
        );
        assert_eq!(code(&rows), 0, "{}", text(&rows.stderr));
        text(&rows.stdout)
    };
    let sql = "select parameter, previous_as_of_date, \
        case when abs(drift - (estimate - previous_estimate) / standard_error) < 1e-12 then 'adds up' end as drift \
        from model_fits where model = 'bg_nbd' and period = 'all'";
    run("2024-10-01");
    let nothing_before = "parameter,previous_as_of_date,drift\na,,\nalpha,,\nb,,\nr,,\n";
    assert_eq!(query(sql), nothing_before);
    run("2025-01-01");
    let drift = "parameter,previous_as_of_date,drift\na,2024-10-01,adds up\nalpha,2024-10-01,adds up\n\
                 b,2024-10-01,adds up\nr,2024-10-01,adds up\n";
    assert_eq!(query(sql), drift);
    let before = published(&shop, "model_fits");
    run("2025-01-01");
    assert_eq!(published(&shop, "model_fits"), before);
}

fn set_validation(shop: &Path, validation: &str) {
    let path = shop.join("pipelines/demo.yml");
    let text = std::fs::read_to_string(&path).unwrap();
    let declared = text.lines().find(|line| line.starts_with("validation:"));
    let changed = text.replace(declared.unwrap(), &format!("validation: {validation}"));
    std::fs::write(path, changed).unwrap();
}

#[test]
fn rows_that_break_a_check_stop_the_run_or_are_told_as_a_warning() {
    let folder = project("400");
    let shop = folder.path().join("shop");
    assert_eq!(code(&run_demo(&shop, &[])), 0);
    let before = published(&shop, "customer_values");

    let check = shop.join("sql/checks/customers_named_by_nobody.sql");
    std::fs::write(
        &check,
        "select customer_id from entities.customers where customer_id <> ''",
    )
    .unwrap();
    let contract = |severity: &str| {
        format!(
            "table: customers_named_by_nobody\ndescription: Nobody has an id.\ngrain: one row a customer\n\
             key: [customer_id]\ncheck: {{ severity: {severity}, max_rows: 2, help: take the ids away }}\ncolumns:\n  \
             customer_id: {{ type: varchar, required: true, description: The customer. }}\n"
        )
    };
    std::fs::write(check.with_extension("yml"), contract("error")).unwrap();
    let refused = run_demo(&shop, &[]);
    let told = text(&refused.stderr);
    assert_eq!(code(&refused), 3, "{told}");
    assert!(
        told.contains("a check is broken; nothing was published\n  `customers_named_by_nobody`: "),
        "{told}"
    );
    assert!(
        told.contains("rows break it: Nobody has an id.\n    customer_id = C"),
        "{told}"
    );
    assert!(told.contains("\n    to do: take the ids away\n"), "{told}");
    assert_eq!(published(&shop, "customer_values"), before);

    std::fs::write(check.with_extension("yml"), contract("warning")).unwrap();
    let warned = run_demo(&shop, &[]);
    let told = text(&warned.stderr);
    assert_eq!(code(&warned), 0, "{told}");
    assert!(told.contains("rows break it: Nobody has an id."), "{told}");
}

#[test]
fn an_amount_without_the_rate_of_its_day_stops_the_run() {
    let folder = project("400");
    let shop = folder.path().join("shop");
    let path = shop.join("pipelines/demo.yml");
    let pipeline = std::fs::read_to_string(&path).unwrap();
    let rates = "  exchange_rates: [stg_treasury__exchange_rates]\n";
    let treasury = "  - sources/treasury.yml\n";
    assert!(pipeline.contains(rates) && pipeline.contains(treasury));
    std::fs::write(&path, pipeline.replace(rates, "").replace(treasury, "")).unwrap();
    let refused = run_demo(&shop, &[]);
    let told = text(&refused.stderr);
    assert_eq!(code(&refused), 3, "{told}");
    assert!(told.contains("`exchange_rates_missing`: "), "{told}");
    assert!(
        told.contains("entity = marketing_spend, currency = USD, rate_date = 2022-01-01, rows = 2"),
        "{told}"
    );
}

#[test]
fn predictions_past_a_bound_stop_the_run_and_readers_keep_what_they_had() {
    let folder = project("400");
    let shop = folder.path().join("shop");
    assert_eq!(code(&run_demo(&shop, &[])), 0);
    let before = published(&shop, "customer_values");
    set_validation(&shop, "{ holdout_days: 180, min_gini: 0.9999 }");
    let refused = run_demo(&shop, &[]);
    let told = text(&refused.stderr);
    assert_eq!(code(&refused), 3, "{told}");
    assert!(told.contains("customer_lifetimes` by bg_nbd"), "{told}");
    assert!(told.contains("(min_gini: 0.9999)"), "{told}");
    assert_eq!(published(&shop, "customer_values"), before);

    set_validation(&shop, "{ holdout_days: 20000, max_bias: 0.5 }");
    let unknown = run_demo(&shop, &[]);
    let told = text(&unknown.stderr);
    assert_eq!(code(&unknown), 3, "{told}");
    assert!(
        told.contains("no model of `customer_lifetimes` could be held"),
        "{told}"
    );
    assert!(
        told.contains("only 0 customers bought before the holdout"),
        "{told}"
    );
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
