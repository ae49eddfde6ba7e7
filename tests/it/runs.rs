//! The command line from outside: whole runs on small data, exit codes, what is published.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;
use tempfile::TempDir;

/// The published tables of a demo small enough for a debug build.
const TABLES: &[&str] = &[
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
        told.contains("rows break it, 2 may: Nobody has an id.\n    customer_id = C"),
        "{told}"
    );
    assert!(told.contains("\n    to do: take the ids away\n"), "{told}");
    assert_eq!(published(&shop, "customer_values"), before);

    std::fs::write(check.with_extension("yml"), contract("warning")).unwrap();
    let warned = run_demo(&shop, &[]);
    let told = text(&warned.stderr);
    assert_eq!(code(&warned), 0, "{told}");
    assert!(
        told.contains("rows break it, 2 may: Nobody has an id."),
        "{told}"
    );
}

/// Every file below a folder, sorted.
fn files_below(folder: &Path) -> Vec<PathBuf> {
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

/// The runs of a project, oldest first, and every file below its tables with its content.
fn lake_of(shop: &Path) -> (Vec<String>, BTreeMap<PathBuf, Vec<u8>>) {
    let lake = shop.join("data/demo/lake/marts/demo");
    let files = files_below(&lake).into_iter();
    let files = files
        .map(|path| (path.clone(), std::fs::read(path).unwrap()))
        .collect();
    let mut runs: Vec<String> = std::fs::read_dir(lake.join("_cvm/runs"))
        .unwrap()
        .map(|entry| {
            entry
                .unwrap()
                .path()
                .file_stem()
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    runs.sort();
    (runs, files)
}

#[test]
fn a_run_without_news_writes_nothing_and_a_replay_gives_the_same_bytes() {
    let folder = project("400");
    let shop = folder.path().join("shop");
    let nightly = ["run", "pipelines/demo.yml", "--as-of", "2025-01-01"];
    let first = run_of(&shop, &nightly);
    assert_eq!(code(&first), 0, "{}", text(&first.stderr));
    let (runs, before) = lake_of(&shop);
    let again = run_of(&shop, &nightly);
    let told = text(&again.stderr);
    assert_eq!(code(&again), 0, "{told}");
    assert!(
        told.contains(&format!(
            "\"event\":\"unchanged\",\"commit\":1,\"run_id\":\"{}\"",
            runs[0]
        )),
        "{told}"
    );
    let (runs_after, after) = lake_of(&shop);
    assert_eq!(runs_after, runs);
    assert!(before == after, "a run without news wrote something");

    // A new object is news.
    let orders = shop.join("data/demo/raw/shop/orders");
    let newest = files_below(&orders).pop().unwrap();
    let name = newest.file_name().unwrap().to_str().unwrap().to_owned();
    let late = newest.with_file_name(format!("late-{name}"));
    let moment = chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    std::thread::sleep(std::time::Duration::from_millis(20));
    std::fs::copy(&newest, &late).unwrap();
    let known = run_of(&shop, &[&nightly[..], &["--known-at", &moment]].concat());
    assert_eq!(code(&known), 0, "{}", text(&known.stderr));
    assert!(
        text(&known.stderr).contains("\"event\":\"unchanged\""),
        "what came later is left out"
    );
    let anew = run_of(&shop, &nightly);
    assert!(
        !text(&anew.stderr).contains("\"event\":\"unchanged\""),
        "a new object is news"
    );
    std::fs::remove_file(&late).unwrap();

    // An earlier day was run in between; the replay compares with what the run compared with.
    let earlier = run_of(
        &shop,
        &["run", "pipelines/demo.yml", "--as-of", "2024-06-01"],
    );
    assert_eq!(code(&earlier), 0, "{}", text(&earlier.stderr));
    let replay = ["run", "pipelines/demo.yml", "--replay", &runs[0]];
    let replayed = run_of(&shop, &replay);
    assert_eq!(code(&replayed), 0, "{}", text(&replayed.stderr));
    for table in TABLES {
        let path = shop.join(format!("data/demo/lake/marts/demo/{table}.parquet"));
        assert_eq!(published(&shop, table), before[&path], "{table}");
    }
    let (runs, _) = lake_of(&shop);
    let listed = run_of(&shop, &["runs", "pipelines/demo.yml", "--format", "csv"]);
    let listed = text(&listed.stdout);
    assert_eq!(listed.lines().count(), runs.len() + 1, "{listed}");
    let first_listed = listed.lines().nth(1).unwrap();
    assert!(
        first_listed.starts_with(runs.last().unwrap().as_str()) && first_listed.contains(&runs[0]),
        "{first_listed}"
    );
    let compare = |before: &str, after: &str| {
        let compared = run_of(
            &shop,
            &[
                "diff",
                "pipelines/demo.yml",
                before,
                after,
                "--format",
                "csv",
            ],
        );
        assert_eq!(code(&compared), 0, "{}", text(&compared.stderr));
        text(&compared.stdout).to_owned()
    };
    let same = compare(&runs[0], runs.last().unwrap());
    assert!(same.contains("\ncustomers,572,572,0,0,0,,\n"), "{same}");
    let between = &runs[runs.len() - 2];
    let other = compare(between, &runs[0]);
    let values = other
        .lines()
        .find(|line| line.starts_with("customer_values,"))
        .unwrap();
    let cells: Vec<&str> = values.split(',').collect();
    // The as-of day is part of the key: no row of one day is a row of another.
    assert_eq!(
        (cells[2], cells[3], cells[1]),
        ("400", "400", cells[4]),
        "{values}"
    );
    let customers = other
        .lines()
        .find(|line| line.starts_with("customers,"))
        .unwrap();
    assert!(customers.contains("orders "), "{customers}");

    // The next run knows what came before the replay: nothing is lost of the history.
    let next = run_demo(&shop, &[]);
    assert_eq!(code(&next), 0, "{}", text(&next.stderr));
    assert!(!check_result(&shop, "2024-06-01", "customer_values__contract").is_empty());

    std::fs::remove_file(&newest).unwrap();
    let refused = run_of(&shop, &replay);
    let told = text(&refused.stderr);
    assert_eq!(code(&refused), 3, "{told}");
    assert!(
        told.contains(&format!("{name} is not there any more")),
        "{told}"
    );
    let unknown = run_of(&shop, &["run", "pipelines/demo.yml", "--replay", "nobody"]);
    assert_eq!(code(&unknown), 2, "{}", text(&unknown.stderr));
    assert!(
        text(&unknown.stderr).contains("the run nobody cannot be replayed"),
        "{}",
        text(&unknown.stderr)
    );
}

/// Adds `checks` to the contract of a mart of the project.
fn declare_checks(shop: &Path, mart: &str, checks: &str) {
    let path = shop.join(format!("sql/marts/{mart}.yml"));
    let contract = std::fs::read_to_string(&path).unwrap();
    let (before, _) = contract.split_once("\nchecks:").unwrap_or((&contract, ""));
    let before = before.trim_end();
    std::fs::write(&path, format!("{before}\nchecks:\n{checks}")).unwrap();
}

/// The results of a published check as of `day`: its kind, severity, whether it held, rows broken and checked, detail.
fn check_result(shop: &Path, day: &str, check: &str) -> String {
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

#[test]
fn checks_of_a_contract_hold_what_would_be_published() {
    let folder = project("400");
    let shop = folder.path().join("shop");
    declare_checks(
        &shop,
        "customer_values",
        "  few_orders: { description: Nobody orders much., condition: orders < 3, severity: warning }\n  \
         few: { description: Few order much., condition: orders < 100, max_share: 0.5 }\n  \
         once: { description: A day has a buyer., unique: [days_since_last_order], severity: warning, max_rows: 3 }\n  \
         known: { description: Buyers are customers., relationship: { column: customer_id, table: entities.customers }, \
         max_rows: 2 }\n  \
         steady: { description: As many as before., row_count: { minimum: 300, change: 0.1 } }\n  \
         fresh: { description: Of this day., freshness: { column: as_of_date, days: 3 }, severity: warning }\n  \
         counted: { description: Every order is somebody's., reconciliation: { sum: orders, \
         equals: [{ table: int_orders_valued, sum: \"1\", where: customer_id is not null }] } }\n",
    );
    let first = run_demo(&shop, &[]);
    let told = text(&first.stderr);
    assert_eq!(code(&first), 0, "{told}");
    let seen = |check: &str| check_result(&shop, "2025-01-01", check);
    let broken = seen("customer_values__few_orders");
    let count = broken.strip_prefix("condition,warning,false,").unwrap();
    let count: u64 = count.split(',').next().unwrap().parse().unwrap();
    assert!(count > 5, "{broken}");
    assert_eq!(
        broken,
        format!("condition,warning,false,{count},400,{count} rows break it")
    );
    assert!(
        told.contains(&format!(
            "`customer_values__few_orders`: {count} rows break it: Nobody orders much."
        )),
        "{told}"
    );
    let kept = shop.join("data/demo/lake/marts/demo/_cvm/broken");
    let run = std::fs::read_dir(&kept)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let rows = std::fs::read_to_string(run.join("customer_values__few_orders.csv")).unwrap();
    assert!(
        rows.starts_with("customer_id,as_of_date,orders\n"),
        "{rows}"
    );
    assert_eq!(rows.lines().count() as u64, count + 1);
    assert_eq!(
        seen("customer_values__few"),
        "condition,error,true,1,400,\"1 row breaks it, 200 may\""
    );
    assert!(seen("customer_values__once").starts_with("unique,warning,false,"));
    // The rows of two buyers do not fit the customer list.
    assert_eq!(
        seen("customer_values__known"),
        "relationship,error,true,2,400,\"2 rows break it, 2 may\""
    );
    assert_eq!(
        seen("customer_values__steady"),
        "row_count,error,true,,400,400 rows are there"
    );
    assert_eq!(
        seen("customer_values__fresh"),
        "freshness,warning,false,,400,the newest row is too old",
        "what is of the as-of day itself is not looked at"
    );
    assert_eq!(
        seen("customer_values__counted"),
        "reconciliation,error,true,,400,the sums agree"
    );
    assert_eq!(
        seen("customer_values__contract"),
        "contract,error,true,0,400,\"key, types, required columns, accepted values and ranges hold\""
    );
    assert!(seen("shop.orders__set_aside").starts_with("set_aside,error,true,"));

    // A year before there were fewer customers; the first run's results stay. A run of the later day compares with it.
    let earlier = run_of(
        &shop,
        &["run", "pipelines/demo.yml", "--as-of", "2024-01-01"],
    );
    let told = text(&earlier.stderr);
    assert_eq!(code(&earlier), 3, "{told}");
    assert!(told.contains("at least 300 should be there"), "{told}");
    declare_checks(
        &shop,
        "customer_values",
        "  steady: { description: As many as before., row_count: { change: 0.1 }, help: look at the shop }\n",
    );
    let earlier = run_of(
        &shop,
        &["run", "pipelines/demo.yml", "--as-of", "2024-01-01"],
    );
    assert_eq!(code(&earlier), 0, "{}", text(&earlier.stderr));
    assert_eq!(seen("customer_values__few_orders"), broken);
    let before = published(&shop, "customer_values");
    let refused = run_demo(&shop, &[]);
    let told = text(&refused.stderr);
    assert_eq!(code(&refused), 3, "{told}");
    assert!(
        told.contains(
            "`customer_values__steady`: 400 rows are there, but the run as of 2024-01-01 had "
        ) && told.contains("\n    to do: look at the shop"),
        "{told}"
    );
    assert_eq!(published(&shop, "customer_values"), before);
    declare_checks(
        &shop,
        "customer_values",
        "  lost: { description: Every order is somebody's twice., reconciliation: { sum: orders, \
         equals: [{ table: int_orders_valued, sum: \"2\" }] } }\n  \
         many: { description: Many orders., condition: orders >= 3 }\n",
    );
    let refused = run_demo(&shop, &[]);
    let told = text(&refused.stderr);
    assert_eq!(code(&refused), 3, "{told}");
    assert!(
        told.contains("2 checks are broken; nothing was published"),
        "{told}"
    );
    assert!(
        told.contains("`customer_values__lost`: the sums differ: "),
        "{told}"
    );
    assert!(told.contains(", difference = -"), "{told}");
    assert!(
        told.contains("rows: file://") && told.contains("/customer_values__many.csv"),
        "{told}"
    );
    assert_eq!(published(&shop, "customer_values"), before);
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
