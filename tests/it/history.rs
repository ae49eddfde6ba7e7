//! What runs know of each other: nothing new, replays, past runs and what changed between them, drift.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::support::s3::S3;
use crate::support::shop::{
    TABLES, check_result, code, files_below, project, published, run_demo, run_of, run_with, text,
};

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
            "\"event\":\"unchanged\",\"commit\":1,\"unchanged_since\":\"{}\"",
            runs[0]
        )),
        "{told}"
    );
    let told = run_of(&shop, &[&nightly[..], &["--log", "human"]].concat());
    let told = text(&told.stderr);
    assert!(
        told.starts_with(&format!(
            "nothing has changed since the run {}: commit 1 of file://",
            runs[0]
        )),
        "{told}"
    );
    let (runs_after, after) = lake_of(&shop);
    assert_eq!(runs_after, runs);
    assert!(before == after, "a run without news wrote something");

    // A stable path that is gone is shown again, out of what was published.
    let stable = shop.join("data/demo/lake/marts/demo/customers.parquet");
    std::fs::remove_file(&stable).unwrap();
    let mended = run_of(&shop, &nightly);
    assert_eq!(code(&mended), 0, "{}", text(&mended.stderr));
    assert_eq!(std::fs::read(&stable).unwrap(), before[&stable]);
    assert_eq!(lake_of(&shop).0, runs);

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
        &[
            "run",
            "pipelines/demo.yml",
            "--as-of",
            "2024-06-01",
            "--log",
            "human",
        ],
    );
    assert_eq!(code(&earlier), 0, "{}", text(&earlier.stderr));
    let told = text(&earlier.stderr);
    assert!(
        told.contains(
            "  warning   the published tables are as of 2025-01-01; this run replaces them with those as of 2024-06-01\n"
        ),
        "{told}"
    );
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
    // The as-of day is part of the key. Another day does not make another customer.
    assert_eq!(
        [cells[1], cells[2], cells[3], cells[4]],
        ["296", "400", "104", "0"],
        "{values}"
    );
    assert!(
        cells[5] != "0" && !values.contains("as_of_date"),
        "{values}"
    );
    assert!(values.contains("; +"), "keys of new rows: {values}");
    let shown = run_of(&shop, &["diff", "pipelines/demo.yml", between, &runs[0]]);
    let shown = text(&shown.stdout);
    let note = "the two runs are of different days: as_of_date is left out of the key of customer_values\n";
    assert!(shown.ends_with(note), "{shown}");
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
        text(&unknown.stderr).contains("the run nobody is not known at file://"),
        "{}",
        text(&unknown.stderr)
    );
}

#[test]
fn all_that_is_read_from_afar_has_a_checksum_and_a_replay_refuses_other_bytes() {
    let folder = project("100");
    let shop = folder.path().join("shop");
    let server = S3::start();
    let raw = shop.join("data/demo/raw");
    for file in files_below(&raw) {
        let there = server.folder().join(file.strip_prefix(&raw).unwrap());
        std::fs::create_dir_all(there.parent().unwrap()).unwrap();
        std::fs::copy(&file, &there).unwrap();
    }
    let mut variables = server.environment();
    variables.push(("CVM_DEMO_RAW", server.url("")));
    let nightly = ["run", "pipelines/demo.yml", "--as-of", "2025-01-01"];
    let first = run_with(&shop, &variables, &nightly);
    assert_eq!(code(&first), 0, "{}", text(&first.stderr));

    let (runs, _) = lake_of(&shop);
    let manifest = shop.join(format!(
        "data/demo/lake/marts/demo/_cvm/runs/{}.json",
        runs[0]
    ));
    let manifest: serde_json::Value =
        serde_json::from_slice(&std::fs::read(manifest).unwrap()).unwrap();
    let sources = manifest["sources"].as_array().unwrap().iter();
    let objects: Vec<&serde_json::Value> = sources
        .flat_map(|source| source["objects"].as_array().unwrap())
        .collect();
    let parquet: Vec<&str> = objects
        .iter()
        .map(|object| object["path"].as_str().unwrap())
        .filter(|path| path.ends_with(".parquet"))
        .collect();
    assert!(!parquet.is_empty() && parquet.len() < objects.len());
    for object in &objects {
        let path = object["path"].as_str().unwrap();
        let digest = Sha256::digest(std::fs::read(raw.join(path)).unwrap());
        let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(object["sha256"], digest.as_str(), "{path}");
    }

    // Another writer's name in the footer: every row is what it was.
    let altered = server.folder().join(parquet[0]);
    let mut bytes = std::fs::read(&altered).unwrap();
    let name = b"parquet-rs version";
    let at = bytes.windows(name.len()).position(|part| part == name);
    bytes[at.unwrap()] = b'P';
    std::fs::write(&altered, bytes).unwrap();
    let replay = ["run", "pipelines/demo.yml", "--replay", &runs[0]];
    let refused = run_with(&shop, &variables, &replay);
    let told = text(&refused.stderr);
    assert_eq!(code(&refused), 3, "{told}");
    let expected = format!("{} is another: its checksum differs", parquet[0]);
    assert!(told.contains(&expected), "{told}");
    std::fs::copy(raw.join(parquet[0]), &altered).unwrap();
    let replayed = run_with(&shop, &variables, &replay);
    assert_eq!(code(&replayed), 0, "{}", text(&replayed.stderr));
}

#[test]
fn a_run_that_its_data_stopped_is_listed_and_changes_nothing_that_is_published() {
    let folder = project("100");
    let shop = folder.path().join("shop");
    assert_eq!(code(&run_demo(&shop, &[])), 0);
    let before: Vec<_> = TABLES.iter().map(|table| published(&shop, table)).collect();
    let (runs, _) = lake_of(&shop);
    let source = shop.join("pipelines/sources/shop.yml");
    let lenient = std::fs::read_to_string(&source).unwrap();
    let strict = lenient.replace("\nmax_bad_share:", "\n# max_bad_share:");
    std::fs::write(&source, format!("max_bad_share: 0.0\n{strict}")).unwrap();
    let refused = run_demo(&shop, &[]);
    assert_eq!(code(&refused), 3, "{}", text(&refused.stderr));
    std::fs::write(&source, lenient).unwrap();
    assert_eq!(code(&run_demo(&shop, &[])), 0);
    for (table, before) in TABLES.iter().zip(before) {
        assert_eq!(published(&shop, table), before, "{table}");
    }

    let list = |last: &str| -> Vec<String> {
        let arguments = [
            "runs",
            "pipelines/demo.yml",
            "--format",
            "csv",
            "--last",
            last,
        ];
        let listed = run_of(&shop, &arguments);
        assert_eq!(code(&listed), 0, "{}", text(&listed.stderr));
        let listed = text(&listed.stdout);
        listed.lines().skip(1).map(str::to_owned).collect()
    };
    let listed = list("20");
    assert_eq!(listed.len(), 3, "{listed:?}");
    assert!(listed[0].contains(",published,"), "{listed:?}");
    assert!(
        listed[1].contains(",failed,") && listed[1].contains("shop.order_lines: "),
        "{listed:?}"
    );
    assert!(
        listed[2].starts_with(&runs[0]) && listed[2].contains(",published,"),
        "{listed:?}"
    );
    // What is noted of a run that failed stays for thirty days.
    let gc = run_of(&shop, &["gc", "pipelines/demo.yml", "--retain", "1"]);
    assert_eq!(code(&gc), 0, "{}", text(&gc.stderr));
    assert_eq!(list("2"), listed[..2]);
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
