//! `cvm backfill`: a history equals the runs of its days, is held to checks, goes on where it was cut short, loses nothing unasked, and
//! refuses what makes no sense.

use std::path::{Path, PathBuf};
use std::process::Output;

use crate::support::shop::{code, edit, files_below, project, publish_only, run_of, text};

const PIPELINE: &str = "pipelines/demo.yml";

fn backfill(shop: &Path, more: &[&str]) -> Output {
    run_of(shop, &[&["backfill", PIPELINE][..], more].concat())
}

/// A backfill by months of `customer_values`.
fn by_month(shop: &Path, from: &str, to: &str, more: &[&str]) -> Output {
    let days = ["--from", from, "--to", to, "--every", "month"];
    backfill(shop, &[&days[..], more].concat())
}

fn events(output: &Output, kind: &str) -> Vec<serde_json::Value> {
    let told = text(&output.stderr);
    let lines = told.lines().map(serde_json::from_str::<serde_json::Value>);
    let events = lines.filter_map(Result::ok);
    events.filter(|event| event["event"] == kind).collect()
}

/// The days of a backfill's snapshots, each with whether it was there before.
fn snapshots(output: &Output) -> Vec<(String, bool)> {
    assert_eq!(code(output), 0, "{}", text(&output.stderr));
    let kept = events(output, "snapshot_kept");
    let kept = kept.iter().map(|event| {
        let as_of = event["as_of"].as_str().unwrap().to_owned();
        (as_of, event["reused"].as_bool().unwrap())
    });
    kept.collect()
}

fn days(told: &[(&str, bool)]) -> Vec<(String, bool)> {
    let days = told
        .iter()
        .map(|(day, reused)| ((*day).to_owned(), *reused));
    days.collect()
}

fn rows(shop: &Path, sql: &str, more: &[&str]) -> String {
    let query = ["query", PIPELINE, sql, "--format", "csv"];
    let rows = run_of(shop, &[&query[..], more].concat());
    assert_eq!(code(&rows), 0, "{}", text(&rows.stderr));
    text(&rows.stdout)
}

fn history_of(shop: &Path, sql: &str) -> String {
    rows(shop, sql, &["--history"])
}

fn target(shop: &Path) -> PathBuf {
    shop.join("data/demo/lake/marts/demo_history")
}

/// What BI tools open.
fn stable(shop: &Path) -> Vec<u8> {
    std::fs::read(target(shop).join("customer_value_history.parquet")).unwrap()
}

/// The files of the snapshots, by name.
fn kept_files(shop: &Path) -> Vec<PathBuf> {
    let folder = target(shop).join("_cvm/snapshots/customer_value_history");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
}

/// The last file below a folder by its path.
fn newest_below(folder: &Path) -> PathBuf {
    let mut place = folder.to_owned();
    while place.is_dir() {
        let entries = std::fs::read_dir(&place).unwrap();
        place = entries.map(|entry| entry.unwrap().path()).max().unwrap();
    }
    place
}

#[test]
fn a_history_has_the_rows_of_the_runs_of_its_days() {
    let folder = project("400");
    let shop = folder.path().join("shop");
    publish_only(&shop, "customers, customer_values");
    // The first day lies before all data.
    let made = backfill(
        &shop,
        &[
            "--from",
            "2019-06-30",
            "--to",
            "2024-12-01",
            "--every",
            "year",
            "--table",
            "customer_values",
            "--table",
            "customers",
            "--threads",
            "1",
        ],
    );
    let of_each = snapshots(&made);
    let of_each: Vec<&str> = of_each
        .iter()
        .map(|(day, _)| day.as_str())
        .step_by(2)
        .collect();
    let wanted = [
        "2019-06-30",
        "2020-06-30",
        "2021-06-30",
        "2022-06-30",
        "2023-06-30",
        "2024-06-30",
    ];
    assert_eq!(of_each, wanted);
    // A raw table is read once, whatever the number of days.
    for source in events(&made, "source_read") {
        let name = source["source"].as_str().unwrap();
        let read = events(&made, "stage_finished");
        let read = read
            .iter()
            .filter(|event| event["kind"] == "read" && event["stage"] == name);
        assert_eq!(read.count(), 1, "{name}");
    }
    for day in ["2019-06-30", "2023-06-30", "2024-06-30"] {
        let run = run_of(&shop, &["run", PIPELINE, "--as-of", day, "--threads", "2"]);
        assert_eq!(code(&run), 0, "{}", text(&run.stderr));
        let values = "select * from customer_values order by customer_id";
        let history = format!(
            "select * from customer_value_history where as_of_date = date '{day}' order by customer_id"
        );
        assert_eq!(
            history_of(&shop, &history),
            rows(&shop, values, &[]),
            "{day}"
        );
        // One that does not tell its as-of day is told of it.
        let customers = "select * from customers order by customer_id";
        let history = format!(
            "select * exclude (as_of_date) from customer_history where as_of_date = date '{day}' order by customer_id"
        );
        assert_eq!(
            history_of(&shop, &history),
            rows(&shop, customers, &[]),
            "{day}"
        );
    }
    let empty =
        "select count(*) as n from customer_value_history where as_of_date = date '2019-06-30'";
    assert_eq!(history_of(&shop, empty), "n\n0\n");
    let buyers = "select count(distinct as_of_date) as n from customer_value_history";
    assert_eq!(history_of(&shop, buyers), "n\n3\n");
    // Sorted by the day first, as the manifest says.
    let runs = std::fs::read_dir(target(&shop).join("_cvm/runs")).unwrap();
    let manifest = std::fs::read(runs.last().unwrap().unwrap().path()).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    let tables = manifest["tables"].as_array().unwrap();
    let keys: Vec<String> = tables
        .iter()
        .map(|table| table["key"].to_string())
        .collect();
    let key = r#"["as_of_date","customer_id"]"#;
    assert_eq!(keys, [key, key]);
    assert_eq!(manifest["as_of"], "2024-06-30");
    assert_eq!(manifest["snapshots"].as_array().unwrap().len(), 12);

    // Another table does not take its place.
    let days = ["--from", "2019-06-30", "--to", "2024-12-01"];
    let alone = ["--every", "year", "--table", "customers"];
    let refused = backfill(&shop, &[days, alone].concat());
    let told = text(&refused.stderr);
    assert_eq!(code(&refused), 2, "{told}");
    assert!(
        told.contains(
            "the history would lose the table `customer_value_history`, which readers see at file://"
        ) && told.contains(
            "Ask for that too with `--table customers --table customer_values`, or leave it out with `--replace`"
        ),
        "{told}"
    );
    assert_eq!(events(&refused, "stage_started").len(), 0, "{told}");
    assert_eq!(history_of(&shop, buyers), "n\n3\n");
}

#[test]
fn a_backfill_goes_on_after_the_snapshots_that_are_there() {
    let folder = project("400");
    let shop = folder.path().join("shop");
    publish_only(&shop, "customer_values");
    let first = by_month(&shop, "2024-01-31", "2024-02-29", &[]);
    let january = ("2024-01-31", false);
    assert_eq!(snapshots(&first), days(&[january, ("2024-02-29", false)]));
    let longer = ["2024-01-31", "2024-03-31"];
    let second = by_month(&shop, longer[0], longer[1], &[]);
    let known = [
        ("2024-01-31", true),
        ("2024-02-29", true),
        ("2024-03-31", false),
    ];
    assert_eq!(snapshots(&second), days(&known));
    let shown = stable(&shop);

    // What the second has beside the first is the new day.
    let listed = run_of(&shop, &["runs", PIPELINE, "--history", "--format", "csv"]);
    let listed = text(&listed.stdout);
    let runs: Vec<&str> = listed
        .lines()
        .skip(1)
        .filter_map(|line| line.split(',').next())
        .collect();
    let diff = ["diff", PIPELINE, runs[1], runs[0], "--format", "csv"];
    let compared = run_of(&shop, &[&diff[..], &["--history"]].concat());
    assert_eq!(code(&compared), 0, "{}", text(&compared.stderr));
    let march =
        "select count(*) as n from customer_value_history where as_of_date = date '2024-03-31'";
    let march = history_of(&shop, march).replace("n\n", "");
    let compared = text(&compared.stdout);
    let cells: Vec<&str> = compared.lines().nth(1).unwrap().split(',').collect();
    assert_eq!(
        [cells[0], cells[3], cells[4], cells[5]],
        ["customer_value_history", march.trim(), "0", "0"],
        "{compared}"
    );
    let unsaid = run_of(&shop, &diff);
    let told = text(&unsaid.stderr);
    assert_eq!(code(&unsaid), 2, "{told}");
    assert!(told.contains("it is a backfill; say `--history`"), "{told}");

    // Nothing new: nothing is written.
    let files = kept_files(&shop);
    let third = by_month(&shop, longer[0], longer[1], &[]);
    assert_eq!(snapshots(&third), days(&[]));
    assert_eq!(events(&third, "unchanged").len(), 1);
    assert_eq!(
        (stable(&shop), kept_files(&shop)),
        (shown.clone(), files.clone())
    );

    // What a backfill left that was killed before its commit is taken up, but for a file that is cut off.
    let aside = shop.join("snapshots");
    std::fs::rename(target(&shop).join("_cvm/snapshots"), &aside).unwrap();
    std::fs::remove_dir_all(target(&shop)).unwrap();
    std::fs::create_dir_all(target(&shop).join("_cvm")).unwrap();
    std::fs::rename(&aside, target(&shop).join("_cvm/snapshots")).unwrap();
    let whole = std::fs::read(&files[1]).unwrap();
    std::fs::write(&files[1], &whole[..whole.len() / 2]).unwrap();
    let taken_up = by_month(&shop, longer[0], longer[1], &[]);
    let mended = [
        ("2024-01-31", true),
        ("2024-02-29", false),
        ("2024-03-31", true),
    ];
    assert_eq!(snapshots(&taken_up), days(&mended));
    assert_eq!(stable(&shop), shown);
    assert_eq!(std::fs::read(&files[1]).unwrap(), whole);

    // Fewer days are a shorter history, where that is asked for. Made anew they are the same.
    let refused = by_month(&shop, "2024-02-29", "2024-02-29", &["--no-cache"]);
    let told = text(&refused.stderr);
    assert_eq!(code(&refused), 2, "{told}");
    assert!(
        told.contains(
            "the history would lose 2 as-of days from 2024-01-31 to 2024-03-31, which readers see at file://"
        ) && told.contains(
            "Ask for that too with `--from 2024-01-31 --to 2024-03-31`, or leave it out with `--replace`"
        ),
        "{told}"
    );
    assert_eq!(stable(&shop), shown);
    let replacing = ["--no-cache", "--replace"];
    let anew = by_month(&shop, "2024-02-29", "2024-02-29", &replacing);
    assert_eq!(snapshots(&anew), days(&[("2024-02-29", false)]));
    assert_eq!(kept_files(&shop), files);
    assert_eq!(std::fs::read(&files[1]).unwrap(), whole);
    let of_day = "select distinct as_of_date from customer_value_history";
    assert_eq!(history_of(&shop, of_day), "as_of_date\n2024-02-29\n");

    // Another plan makes other snapshots.
    let path = shop.join(PIPELINE);
    let pipeline = std::fs::read_to_string(&path).unwrap();
    let other = pipeline.replace("parameters: { ", "parameters: { high_value_share: 0.1, ");
    assert_ne!(other, pipeline);
    std::fs::write(&path, other).unwrap();
    let replanned = by_month(&shop, "2024-02-29", "2024-02-29", &[]);
    assert_eq!(snapshots(&replanned), days(&[("2024-02-29", false)]));
    std::fs::write(&path, pipeline).unwrap();

    // And so does another object, unless it came too late.
    let moment = chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    std::thread::sleep(std::time::Duration::from_millis(20));
    let newest = newest_below(&shop.join("data/demo/raw/shop/orders"));
    let name = newest.file_name().unwrap().to_str().unwrap().to_owned();
    std::fs::copy(&newest, newest.with_file_name(format!("late-{name}"))).unwrap();
    let known_at = by_month(&shop, "2024-02-29", "2024-02-29", &["--known-at", &moment]);
    assert_eq!(snapshots(&known_at), days(&[("2024-02-29", true)]));
    let reread = by_month(&shop, "2024-02-29", "2024-02-29", &[]);
    assert_eq!(snapshots(&reread), days(&[("2024-02-29", false)]));

    // Clean-ups leave what the history is made of, and what is young.
    let files = kept_files(&shop);
    let gc = run_of(&shop, &["gc", PIPELINE, "--history", "--retain", "1"]);
    assert_eq!(code(&gc), 0, "{}", text(&gc.stderr));
    assert!(
        text(&gc.stdout).ends_with(" runs, kept 1\n"),
        "{}",
        text(&gc.stdout)
    );
    assert_eq!(kept_files(&shop), files);
    let listed = run_of(&shop, &["runs", PIPELINE, "--history", "--format", "csv"]);
    assert!(
        text(&listed.stdout).contains(",2024-02-29,"),
        "{}",
        text(&listed.stdout)
    );
}

/// What the last manifest of a history tells of a check: whether it holds, and what was found.
fn found(shop: &Path, check: &str) -> Vec<(bool, String)> {
    let last = files_below(&target(shop).join("_cvm/runs")).pop().unwrap();
    let manifest: serde_json::Value =
        serde_json::from_slice(&std::fs::read(last).unwrap()).unwrap();
    let results = manifest["checks"].as_array().unwrap().iter();
    let results = results.filter(|result| result["name"] == check);
    let found = results.map(|result| {
        let detail = result["detail"].as_str().unwrap().to_owned();
        (result["passed"].as_bool().unwrap(), detail)
    });
    found.collect()
}

#[test]
fn a_history_is_held_to_checks_before_a_day_is_kept() {
    let folder = project("100");
    let shop = folder.path().join("shop");
    // A score must be read by something that is published.
    publish_only(&shop, "customers, customer_values");
    let years = |from: &str| {
        let days = ["--from", from, "--to", "2022-06-30", "--every", "year"];
        backfill(&shop, &[&days[..], &["--table", "customers"]].concat())
    };
    let kept = target(&shop).join("_cvm/snapshots/customer_history");

    let source = shop.join("pipelines/sources/shop.yml");
    let path = "    path: shop/orders/year=*/*.csv\n";
    let once = "    checks:\n      once: { description: No currency twice., unique: [currency] }\n";
    let sound = edit(&source, path, &format!("{path}{once}"));
    let refused = years("2021-06-30");
    let told = text(&refused.stderr);
    assert_eq!(code(&refused), 3, "{told}");
    assert!(
        told.contains("`shop.orders__once`: 916 rows break it: No currency twice."),
        "{told}"
    );
    assert!(!kept.exists(), "a day was kept of broken raw rows");
    std::fs::write(&source, sound).unwrap();

    // On the first day nobody has bought anything.
    let contract = shop.join("sql/marts/customers.yml");
    let unbought = |severity: &str| {
        format!(
            "\nchecks:\n  unbought: {{ description: Nobody buys., condition: orders < 1, severity: {severity} }}\n"
        )
    };
    let unchecked = edit(&contract, "\nchecks:\n", &unbought("error"));
    let refused = years("2021-06-30");
    let told = text(&refused.stderr);
    assert_eq!(code(&refused), 3, "{told}");
    assert!(
        told.contains("`customers__unbought`: as of 2022-06-30, 14 rows break it: Nobody buys.")
            && told.contains("/customers__unbought-2022-06-30.csv"),
        "{told}"
    );
    let days: Vec<String> = files_below(&kept)
        .iter()
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    assert!(
        days.len() == 1 && days[0].starts_with("2021-06-30-"),
        "{days:?}"
    );
    assert!(!target(&shop).join("customer_history.parquet").exists());
    let listed = run_of(&shop, &["runs", PIPELINE, "--history", "--format", "csv"]);
    let listed = text(&listed.stdout);
    assert!(
        listed.lines().nth(1).unwrap().contains(",failed,")
            && listed.contains(",customers__unbought\n"),
        "{listed}"
    );

    // A warning stops nothing. Keys of tables between stages are checks too, where the pipeline asks for them.
    std::fs::write(&contract, unchecked).unwrap();
    edit(&contract, "\nchecks:\n", &unbought("warning"));
    let pipeline = shop.join(PIPELINE);
    edit(&pipeline, "\nvalue:\n", "\ncontracts: all\nvalue:\n");
    let warned = years("2022-06-30");
    let told = text(&warned.stderr);
    assert_eq!(code(&warned), 0, "{told}");
    assert!(
        told.contains("`customers__unbought`: as of 2022-06-30, 14 rows break it: Nobody buys."),
        "{told}"
    );
    let broken = (false, "as of 2022-06-30, 14 rows break it".to_owned());
    assert_eq!(found(&shop, "customers__unbought"), [broken]);
    let holds = (true, "holds as of 2022-06-30".to_owned());
    for check in [
        "customers__all_orders_counted",
        "exchange_rates_missing",
        "entities_orders__contract",
        "entities_orders__contract_key",
    ] {
        assert_eq!(found(&shop, check), std::slice::from_ref(&holds), "{check}");
    }
}

#[test]
fn a_day_that_was_kept_is_held_to_checks_that_come_with_another_table() {
    let folder = project("100");
    let shop = folder.path().join("shop");
    publish_only(&shop, "customers, customer_values");
    let check = shop.join("sql/checks/customers_known_twice.sql");
    std::fs::write(
        &check,
        "select c.customer_id from customers as c inner join customer_values as v on c.customer_id = v.customer_id",
    )
    .unwrap();
    std::fs::write(
        check.with_extension("yml"),
        "table: customers_known_twice\ndescription: No customer is in both.\ngrain: one row a customer\nkey: [customer_id]\n\
         check: { help: none }\ncolumns:\n  customer_id: { type: varchar, required: true, description: The customer. }\n",
    )
    .unwrap();
    let both = ["--table", "customers", "--table", "customer_values"];
    let day = |tables: &[&str]| {
        by_month(
            &shop,
            "2022-06-30",
            "2022-06-30",
            &[tables, &["--replace"]].concat(),
        )
    };
    for alone in [&both[..2], &both[2..]] {
        assert_eq!(snapshots(&day(alone)), days(&[("2022-06-30", false)]));
    }
    let refused = day(&both);
    let told = text(&refused.stderr);
    assert_eq!(code(&refused), 3, "{told}");
    assert!(
        told.contains("`customers_known_twice`: as of 2022-06-30, 14 rows break it"),
        "{told}"
    );

    // What stops a day can be looked at, as what stops a run.
    let contract = shop.join("sql/marts/customers.yml");
    let orders = "  orders: { type: bigint, ";
    edit(&contract, orders, &format!("{orders}maximum: 0, "));
    let refused = day(&both[..2]);
    let told = text(&refused.stderr);
    assert_eq!(code(&refused), 3, "{told}");
    assert!(
        told.contains("In all, 14 rows of `customers` are not what its contract promises")
            && told.contains("/customers__contract-2022-06-30.csv"),
        "{told}"
    );
}

#[test]
fn what_makes_no_history_is_refused() {
    let folder = project("100");
    let shop = folder.path().join("shop");
    let sql = shop.join("sql/marts/birthdays.sql");
    let select = "select customer_id, date '2020-01-01' as as_of_date from entities.customers";
    std::fs::write(&sql, select).unwrap();
    let contract = "table: birthdays\ndescription: Birthdays.\ngrain: one row a customer\nkey: [customer_id]\ncolumns:\n  \
        customer_id: { type: varchar, required: true, description: The customer. }\n  \
        as_of_date: { type: date, required: true, description: No day of a run. }\n";
    std::fs::write(sql.with_extension("yml"), contract).unwrap();
    publish_only(&shop, "customer_values, birthdays");
    let refused = |more: &[&str], exit: i32, message: &str| {
        let answer = backfill(&shop, more);
        let told = text(&answer.stderr);
        assert_eq!(code(&answer), exit, "{told}");
        assert!(told.contains(message), "{told}");
    };
    let (from, to) = ("--from", "--to");
    refused(&[from, "2024-01-01"], 2, "--to");
    refused(
        &[from, "2024-01-02", to, "2024-01-01"],
        2,
        "there is no as-of day from 2024-01-02 to 2024-01-01",
    );
    let (day, month) = ("2024-01-01", "2024-02-01");
    refused(&[from, day, to, "2024-13-01"], 2, "--to");
    refused(
        &[from, day, to, month, "--every", "fortnight"],
        2,
        "quarter",
    );
    refused(
        &[from, day, to, month, "--table", "customer_value"],
        2,
        "no history can be made of `customer_value`: the pipeline does not publish it; did you mean `customer_values`?",
    );
    refused(
        &[from, day, to, month, "--table", "birthdays"],
        3,
        "as_of_date of `birthdays` is 2020-01-01 in the run as of 2024-01-01",
    );
    let nothing = run_of(&shop, &["query", PIPELINE, "select 1", "--history"]);
    assert_eq!(code(&nothing), 2, "{}", text(&nothing.stderr));
    assert!(
        text(&nothing.stderr).contains("nothing is published at "),
        "{}",
        text(&nothing.stderr)
    );
}
