//! What a raw table is held to by its source file, before anything is made of it.

use std::path::Path;

use crate::support::shop::{
    check_result, code, edit, files_below, project, publish_only, published, run_demo, run_of, text,
};

/// A source file of the project with `checks` of the raw table that lies at `path`.
fn with_source_checks(source: &str, path: &str, checks: &str) -> String {
    let place = format!("    path: {path}\n");
    assert_eq!(source.matches(&place).count(), 1, "{source}");
    source.replace(&place, &format!("{place}    checks:\n{checks}"))
}

/// Those of the two raw tables that the only run parsed, as often as it did.
fn parsed(shop: &Path) -> Vec<String> {
    let runs = files_below(&shop.join("data/demo/lake/marts/demo/_cvm/runs"));
    let manifest = std::fs::read(&runs[0]).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    let stages = manifest["report"]["stages"].as_array().unwrap().iter();
    let read = stages.filter(|stage| stage["kind"] == "read");
    let tables = read.map(|stage| stage["stage"].as_str().unwrap().to_owned());
    let mut tables: Vec<String> = tables
        .filter(|table| table == "shop.orders" || table == "shop.returns")
        .collect();
    tables.sort();
    tables
}

#[test]
fn checks_of_raw_tables_stop_a_run_before_anything_is_made_of_them() {
    let folder = project("400");
    let shop = folder.path().join("shop");
    let file = shop.join("pipelines/sources/shop.yml");
    let source = std::fs::read_to_string(&file).unwrap();
    let source = with_source_checks(
        &source,
        "shop/orders/year=*/*.csv",
        "      some: { description: About as many as before., row_count: { minimum: 300, change: 0.1 } }\n      \
         late: { description: The shop sold lately., freshness: { column: ordered_at, days: 7 } }\n      \
         once: { description: An order is exported once., unique: [order_id], severity: warning }\n      \
         paid: { description: Nobody is paid for buying., condition: order_total >= 0 }\n      \
         known: { description: There are two currencies., condition: \"currency in ('EUR', 'CHF')\" }\n",
    );
    let source = with_source_checks(
        &source,
        "shop/returns/*.ndjson.zst",
        "      ordered: { description: What comes back was sold., relationship: { column: order_id, table: shop.orders }, \
         max_share: 0.05 }\n",
    );
    std::fs::write(&file, &source).unwrap();
    let run = |day: &str| run_of(&shop, &["run", "pipelines/demo.yml", "--as-of", day]);
    let first = run("2024-12-31");
    assert_eq!(code(&first), 0, "{}", text(&first.stderr));
    let seen = |check: &str| check_result(&shop, "2024-12-31", check);
    let set_aside = seen("shop.orders__set_aside");
    let cells: Vec<&str> = set_aside.split(',').collect();
    let count = |at: usize| cells[at].parse::<u64>().unwrap();
    let kept = count(4) - count(3);
    assert_eq!(
        seen("shop.orders__some"),
        format!("row_count,error,true,,{kept},{kept} rows are there")
    );
    assert_eq!(
        seen("shop.orders__late"),
        "freshness,error,true,,,the newest row is new enough"
    );
    // Both rows of each of two orders.
    assert_eq!(
        seen("shop.orders__once"),
        "unique,warning,false,4,,4 rows break it"
    );
    assert_eq!(
        seen("shop.orders__paid"),
        "condition,error,true,0,,0 rows break it"
    );
    assert_eq!(
        seen("shop.orders__known"),
        "condition,error,true,0,,0 rows break it"
    );
    // A share of the rows that fit, which are counted for it.
    let ordered = seen("shop.returns__ordered");
    assert!(
        ordered.starts_with("relationship,error,true,") && ordered.contains(",298,"),
        "{ordered}"
    );
    // Text that is checked and staged is parsed once, and written down.
    assert_eq!(parsed(&shop), ["shop.orders", "shop.returns"]);

    let before = published(&shop, "customers");
    let broken = source.replace("order_total >= 0", "order_total < 0");
    std::fs::write(&file, broken).unwrap();
    let refused = run("2025-01-01");
    let told = text(&refused.stderr);
    assert_eq!(code(&refused), 3, "{told}");
    assert!(
        told.contains(&format!(
            "`shop.orders__paid`: {kept} rows break it: Nobody is paid for buying."
        )) && told.contains(
            "_file = shop/orders/year=2022/orders-00000.csv, _line = 2, order_total = 53.1100"
        ) && told.contains("/shop.orders__paid.csv"),
        "{told}"
    );
    assert!(
        !told.contains("\"kind\":\"sql\""),
        "nothing is made of what is broken: {told}"
    );
    assert_eq!(published(&shop, "customers"), before);
    let listed = run_of(&shop, &["runs", "pipelines/demo.yml", "--format", "csv"]);
    let listed = text(&listed.stdout);
    let failed = listed.lines().nth(1).unwrap();
    assert!(
        failed.contains(",2025-01-01,")
            && failed.contains(",failed,")
            && failed.ends_with(",,,,,2,shop.orders__paid"),
        "{listed}"
    );

    std::fs::write(&file, &source).unwrap();
    std::fs::remove_dir_all(shop.join("data/demo/raw/shop/orders/year=2022")).unwrap();
    let fewer = run("2025-01-01");
    let told = text(&fewer.stderr);
    assert_eq!(code(&fewer), 3, "{told}");
    assert!(
        told.contains(&format!(
            "rows are there, but the run as of 2024-12-31 had {kept}, and they may change by 0.1 of that"
        )),
        "{told}"
    );
}

#[test]
fn raw_tables_are_held_to_what_their_source_file_promises() {
    let folder = project("400");
    let shop = folder.path().join("shop");
    let file = shop.join("pipelines/sources/shop.yml");
    edit(
        &file,
        "    path: shop/returns/*.ndjson.zst\n",
        "    path: shop/returns/*.ndjson.zst\n    grain: one row a return\n    key: [return_id]\n",
    );
    edit(
        &file,
        "      order_total: { type: \"decimal(18,4)\",",
        "      order_total: { type: \"decimal(18,4)\", minimum: 0,",
    );
    edit(
        &file,
        "      currency: { type: varchar, required: true, description: \"EUR or CHF: the currency of every",
        "      currency: { type: varchar, required: true, accepted_values: [EUR, CHF], description: \"EUR or CHF: the currency of every",
    );
    let promised = std::fs::read_to_string(&file).unwrap();
    let first = run_demo(&shop, &[]);
    assert_eq!(code(&first), 0, "{}", text(&first.stderr));
    let seen = |check: &str| check_result(&shop, "2025-01-01", check);
    assert_eq!(
        seen("shop.orders__contract"),
        "contract,error,true,0,,0 rows break it"
    );
    assert_eq!(
        seen("shop.returns__contract_key"),
        "unique,error,true,0,,0 rows break it"
    );
    // What nobody promised is not asked.
    assert_eq!(seen("shop.orders__contract_key"), "");
    assert_eq!(seen("shop.returns__contract"), "");
    // Text that is checked and staged is parsed once.
    assert_eq!(parsed(&shop), ["shop.orders", "shop.returns"]);

    let before = published(&shop, "customers");
    let refuse = |old: &str, new: &str| {
        std::fs::write(&file, &promised).unwrap();
        edit(&file, old, new);
        let refused = run_demo(&shop, &[]);
        let told = text(&refused.stderr);
        assert_eq!(code(&refused), 3, "{told}");
        assert!(
            !told.contains("\"kind\":\"sql\""),
            "nothing is made of what is broken: {told}"
        );
        assert_eq!(published(&shop, "customers"), before);
        told
    };
    let told = refuse("accepted_values: [EUR, CHF]", "accepted_values: [EUR]");
    assert!(
        told.contains(
            "`shop.orders__contract`: 259 rows break it: Columns hold what the contract promises."
        ) && told.contains("_file = shop/orders/year=2022/orders-00000.csv, _line = ")
            && told.contains("broken_promise = `currency` is `CHF`, but should be one of 'EUR'")
            && told.contains("change what pipelines/sources/shop.yml promises of `shop.orders`"),
        "{told}"
    );
    let orders = "    path: shop/orders/year=*/*.csv\n";
    let told = refuse(orders, &format!("{orders}    key: [order_id]\n"));
    assert!(
        told.contains("`shop.orders__contract_key`: 4 rows break it: The key tells rows apart.")
            && told.contains(", rows = 2"),
        "{told}"
    );
    // Guests have no number: a column of the key that is not required is held to have a value all the same.
    let told = refuse(
        orders,
        &format!("{orders}    key: [year, order_id, customer_id]\n"),
    );
    assert!(
        told.contains("`shop.orders__contract`: 16 rows break it: ")
            && told.contains("broken_promise = `customer_id` has no value, but is required"),
        "{told}"
    );
}

#[test]
fn objects_that_come_after_the_lookback_stop_the_run_or_are_told() {
    let folder = project("100");
    let shop = folder.path().join("shop");
    publish_only(&shop, "customers, customer_values");
    let orders = shop.join("data/demo/raw/shop/orders");
    let mut by_year = Vec::new();
    for (year, path) in (2022..).zip(files_below(&orders)) {
        let dated = path.with_file_name(format!("orders-{year}-12-31.csv"));
        std::fs::rename(path, &dated).unwrap();
        by_year.push(dated);
    }
    let source = shop.join("pipelines/sources/shop.yml");
    let path = "    path: shop/orders/year=*/*.csv\n";
    let lookback = |severity: &str| format!("    lookback: {{ days: 30, severity: {severity} }}\n");
    edit(&source, path, &format!("{path}{}", lookback("error")));
    let run = |day: &str| run_of(&shop, &["run", "pipelines/demo.yml", "--as-of", day]);
    let seen = |day: &str| check_result(&shop, day, "shop.orders__lookback");
    let must = |day: &str| {
        let ran = run(day);
        assert_eq!(code(&ran), 0, "{}", text(&ran.stderr));
        text(&ran.stderr)
    };
    must("2025-01-01");
    let first = "lookback,error,true,,,no earlier run read it";
    assert_eq!(seen("2025-01-01"), first);

    // Put back as it was, an object has another tag and is the same.
    let oldest = std::fs::read(&by_year[0]).unwrap();
    std::fs::write(&by_year[0], &oldest).unwrap();
    must("2025-01-02");
    let none = "no object of a day that was over for 30 days came, changed or went";
    assert!(seen("2025-01-02").contains(none));

    let late = by_year[0].with_file_name("orders-2022-12-30.csv");
    std::fs::write(&late, &oldest).unwrap();
    let refused = run("2025-01-03");
    let told = text(&refused.stderr);
    assert_eq!(code(&refused), 3, "{told}");
    let found = "1 object of days that were over for more than 30 days came, changed or went since the run as of 2025-01-02: \
                 shop/orders/year=2022/orders-2022-12-30.csv";
    assert!(
        told.contains(&format!("`shop.orders__lookback`: {found}")),
        "{told}"
    );
    edit(&source, &lookback("error"), &lookback("warning"));
    let told = must("2025-01-03");
    assert!(told.contains(&format!("shop.orders: {found}")), "{told}");

    // Without a day in any path nothing can be late, which is told.
    std::fs::remove_file(late).unwrap();
    for path in &by_year {
        std::fs::rename(path, path.with_file_name("orders.csv")).unwrap();
    }
    let told = must("2025-01-04");
    let undated = "no path of its objects tells a day";
    assert!(told.contains(undated), "{told}");
    assert!(seen("2025-01-04").starts_with("lookback,warning,false,,,"));
}
