//! What a run holds its data to before anybody sees it: checks, contracts, shares of bad rows, bounds of predictions.

use std::path::Path;

use crate::support::shop::{check_result, code, edit, project, published, run_demo, run_of, text};

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

    // A share of the rows of the table that it is about.
    let of_customers =
        |share: &str| format!("error, table: entities.customers, max_share: {share}");
    std::fs::write(check.with_extension("yml"), contract(&of_customers("0.5"))).unwrap();
    let refused = run_demo(&shop, &[]);
    assert_eq!(code(&refused), 3, "{}", text(&refused.stderr));
    std::fs::write(check.with_extension("yml"), contract(&of_customers("1"))).unwrap();
    let excused = run_demo(&shop, &[]);
    assert_eq!(code(&excused), 0, "{}", text(&excused.stderr));
    let found = check_result(&shop, "2025-01-01", "customers_named_by_nobody");
    let rows = found.strip_prefix("sql,error,true,").unwrap();
    let rows = rows.split(',').next().unwrap();
    assert_eq!(
        found,
        format!("sql,error,true,{rows},{rows},\"{rows} rows break it, {rows} may\"")
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
        "freshness,warning,false,,400,\"there is no row before the as-of day, and one of 2024-12-29 would do\"",
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
        told.contains("`customer_values__lost`: the sums differ: ") && told.contains("0 is not "),
        "{told}"
    );
    assert!(told.contains(", difference = -"), "{told}");
    assert!(
        told.contains("rows: file://") && told.contains("/customer_values__many.csv"),
        "{told}"
    );
    // Events are for the log; a person is told in ten lines.
    let lines = told.lines().filter(|line| !line.starts_with('{'));
    assert_eq!(lines.count(), 10, "{told}");
    assert_eq!(published(&shop, "customer_values"), before);
}

#[test]
fn rows_that_are_written_down_between_stages_are_held_to_their_contract() {
    let folder = project("100");
    let shop = folder.path().join("shop");
    let first = run_demo(&shop, &[]);
    assert_eq!(code(&first), 0, "{}", text(&first.stderr));
    let held = check_result(&shop, "2025-01-01", "int_customers_summarised__contract");
    assert!(
        held.starts_with("contract,error,true,0,")
            && held.ends_with(",\"types, required columns, accepted values and ranges hold\""),
        "{held}"
    );
    let before = published(&shop, "customer_values");
    let path = shop.join("sql/intermediate/int_customers_summarised.yml");
    let contract = std::fs::read_to_string(&path).unwrap();
    let promise = "  frequency: { type: bigint, required: true,";
    assert_eq!(contract.matches(promise).count(), 1, "{contract}");
    let broken = contract.replace(promise, &format!("{promise} maximum: 0,"));
    std::fs::write(&path, broken).unwrap();
    // Another contract is news.
    let nightly = ["run", "pipelines/demo.yml", "--as-of", "2025-01-01"];
    let refused = run_of(&shop, &nightly);
    let told = text(&refused.stderr);
    assert_eq!(code(&refused), 3, "{told}");
    assert!(
        told.contains("the column `frequency` of `int_customers_summarised` is `")
            && told.contains("`, but should be at most 0, at customer_id = C"),
        "{told}"
    );
    assert_eq!(published(&shop, "customer_values"), before);
}

#[test]
fn views_and_keys_are_held_to_contracts_where_the_pipeline_asks() {
    let folder = project("100");
    let shop = folder.path().join("shop");
    let entity = shop.join("sql/entities/orders.yml");
    let as_shipped = std::fs::read_to_string(&entity).unwrap();
    let amount = "  order_amount: { type: \"decimal(18,4)\",";
    edit(&entity, amount, &format!("{amount} maximum: 50,"));
    // An entity is worked out where it is read: nobody looks.
    let unasked = run_demo(&shop, &[]);
    assert_eq!(code(&unasked), 0, "{}", text(&unasked.stderr));
    let of_entity = |check: &str| {
        let check = format!("entities_orders__{check}");
        check_result(&shop, "2025-01-01", &check)
    };
    assert_eq!(of_entity("contract"), "");
    let before = published(&shop, "customer_values");

    let pipeline = shop.join("pipelines/demo.yml");
    edit(&pipeline, "\nvalue:\n", "\ncontracts: all\nvalue:\n");
    let refused = run_demo(&shop, &[]);
    let told = text(&refused.stderr);
    assert_eq!(code(&refused), 3, "{told}");
    assert!(
        told.contains("`entities_orders__contract`: ")
            && told.contains(" rows break it: Columns hold what the contract promises.")
            && told.contains(", broken_promise = `order_amount` is `")
            && told.contains("`, but should be at most 50")
            && told.contains("change the contract of `entities.orders`"),
        "{told}"
    );

    std::fs::write(&entity, &as_shipped).unwrap();
    edit(&entity, "\nkey: [order_id]\n", "\nkey: [channel]\n");
    let refused = run_demo(&shop, &[]);
    let told = text(&refused.stderr);
    assert_eq!(code(&refused), 3, "{told}");
    assert!(
        told.contains(
            "`entities_orders__contract_key`: 914 rows break it: The key tells rows apart."
        ) && told.contains("channel = app, rows = 268"),
        "{told}"
    );
    assert_eq!(published(&shop, "customer_values"), before);

    std::fs::write(&entity, &as_shipped).unwrap();
    let held = run_demo(&shop, &[]);
    assert_eq!(code(&held), 0, "{}", text(&held.stderr));
    assert_eq!(published(&shop, "customer_values"), before);
    assert_eq!(
        of_entity("contract"),
        "contract,error,true,0,,0 rows break it"
    );
    assert_eq!(
        of_entity("contract_key"),
        "unique,error,true,0,,0 rows break it"
    );
    // Rows that are written down are looked at once.
    let written = check_result(&shop, "2025-01-01", "int_customers_summarised__contract");
    assert!(
        written.ends_with(",\"types, required columns, accepted values and ranges hold\""),
        "{written}"
    );
    let key = check_result(
        &shop,
        "2025-01-01",
        "int_customers_summarised__contract_key",
    );
    assert!(key.starts_with("unique,error,true,0,"), "{key}");
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
