//! Whole projects as text: those under `tests/pipelines/ok` compile, each under `err` gives exactly the errors it states.
//!
//! A case is one file. It starts with comment lines. In `err` each `# error: PLACE: MESSAGE`, with the `# help: …` below it,
//! is an error that planning must give, and there may be no other; `CVM_COMPLETE=1 cargo test projects_under_err` writes
//! what planning gives into the files, to be read before it is committed. Then come the files in which the
//! case differs from `ok/base.txt`, each under a line `--- PATH`:
//!
//! ```text
//! --- pipelines/shop.yml                  the whole file …
//! --- sql/marts/customers.yml (absent)    … or that the base's file is left out …
//! --- pipelines/sources/shop.yml          … or replacements of whole lines that stand there exactly once
//! <<<
//! store: lake
//! ===
//! store: laek
//! >>>
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use cvm::plan::{Plan, compile};
use cvm::score::Registry;
use cvm::spec::{Problem, Project};

type Files = BTreeMap<String, String>;

#[test]
fn projects_under_ok_compile() {
    for (path, case) in cases("ok") {
        assert_eq!(errors_of(&apply(&base(), &case)), "", "{}", path.display());
    }
}

#[test]
fn projects_under_err_give_the_errors_they_state() {
    let complete = std::env::var_os("CVM_COMPLETE").is_some();
    let mut differing = Vec::new();
    for (path, case) in cases("err") {
        let (stated, files) = case.split_at(case.find("--- ").unwrap_or(case.len()));
        let given = errors_of(&apply(&base(), files));
        if complete && stated != given {
            fs::write(&path, format!("{given}{files}")).expect("the case is written");
        } else if stated != given || given.is_empty() {
            differing.push(format!(
                "{}\nstates\n{stated}but gives\n{given}",
                path.display()
            ));
        }
    }
    assert!(
        differing.is_empty(),
        "{} cases differ\n\n{}",
        differing.len(),
        differing.join("\n")
    );
}

#[test]
fn a_history_has_the_checks_behind_tables_that_are_made_for_checks_alone() {
    let contract = |table: &str, more: &str| {
        format!(
            "table: {table}\ndescription: Made for a check.\ngrain: one row an order\nkey: [order_id]\n{more}columns:\n  \
             order_id: {{ type: varchar, required: true, description: The order. }}\n"
        )
    };
    let mut files = base();
    let mut read = "entities.orders";
    for table in ["int_orders_first", "int_orders_then"] {
        let path = format!("sql/intermediate/{table}");
        files.insert(
            format!("{path}.sql"),
            format!("select order_id from {read}"),
        );
        files.insert(format!("{path}.yml"), contract(table, ""));
        read = table;
    }
    let path = "sql/checks/orders_at_last";
    files.insert(
        format!("{path}.sql"),
        format!("select order_id from {read}"),
    );
    let yml = contract("orders_at_last", "check: { help: none }\n");
    files.insert(format!("{path}.yml"), yml);
    // What is made of a raw table that nothing else reads is there all the same.
    let path = "sql/staging/shop/stg_shop__cards";
    let cards = r#"select "Card" as order_id from shop.customers"#;
    files.insert(format!("{path}.sql"), cards.to_owned());
    files.insert(format!("{path}.yml"), contract("stg_shop__cards", ""));
    let path = "sql/checks/cards_without_customer";
    let without = "select order_id from stg_shop__cards where order_id not in (select customer_id from customers)";
    files.insert(format!("{path}.sql"), without.to_owned());
    let yml = contract("cards_without_customer", "check: { help: none }\n");
    files.insert(format!("{path}.yml"), yml);
    let plan = planned(&files).expect("a plan");
    let only = plan.only(&["customers".to_owned()].into());
    let checks: Vec<&str> = only
        .checks
        .iter()
        .map(|check| check.name.as_str())
        .collect();
    for check in ["orders_at_last", "cards_without_customer"] {
        assert!(checks.contains(&check), "{check}: {checks:?}");
    }
    let sources: Vec<&str> = only
        .sources
        .iter()
        .map(|source| source.name.as_str())
        .collect();
    assert_eq!(sources, ["shop.customers", "shop.orders"]);
}

/// The errors of a project, in the form in which a case states them.
fn errors_of(files: &Files) -> String {
    let errors = planned(files).err().unwrap_or_default();
    errors
        .iter()
        .map(|error| format!("# error: {error}\n# help: {}\n", error.help))
        .collect()
}

fn planned(files: &Files) -> Result<Plan, Vec<Problem>> {
    let project = Project::from_files(PathBuf::new(), files.clone());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let registry = Registry::standard();
    runtime.block_on(compile(&project, "pipelines/shop.yml", &registry, &|_| {
        None
    }))
}

/// The files of a folder of cases, sorted by name.
fn cases(folder: &str) -> Vec<(PathBuf, String)> {
    let folder = root().join(folder);
    let entries = fs::read_dir(folder).expect("the folder of cases");
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    paths
        .into_iter()
        .map(|path| (path.clone(), fs::read_to_string(path).expect("a case")))
        .collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pipelines")
}

fn base() -> Files {
    apply(
        &Files::new(),
        &fs::read_to_string(root().join("ok/base.txt")).expect("the base project"),
    )
}

/// The base with the sections of a case laid over it.
fn apply(base: &Files, case: &str) -> Files {
    let mut files = base.clone();
    let mut sections: Vec<(&str, String)> = Vec::new();
    for line in case.lines() {
        match (line.strip_prefix("--- "), sections.last_mut()) {
            (Some(header), _) => sections.push((header, String::new())),
            (None, Some((_, text))) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, None) => assert!(
                line.starts_with('#'),
                "a case starts with comments, not `{line}`"
            ),
        }
    }
    for (header, text) in sections {
        if let Some(path) = header.strip_suffix(" (absent)") {
            assert!(
                files.remove(path).is_some(),
                "the base has no {path} to leave out"
            );
        } else if text.starts_with("<<<\n") {
            let file = files
                .get_mut(header)
                .unwrap_or_else(|| panic!("the base has no {header} to edit"));
            edit(file, &text);
        } else {
            files.insert(header.to_owned(), text);
        }
    }
    files
}

fn edit(file: &mut String, edits: &str) {
    for block in edits.split_inclusive(">>>\n") {
        let inner = block
            .strip_prefix("<<<\n")
            .and_then(|rest| rest.strip_suffix(">>>\n"));
        let (old, new) = inner
            .and_then(|text| text.split_once("===\n"))
            .expect("<<<, ===, >>>");
        assert_eq!(
            file.matches(old).count(),
            1,
            "to be replaced once:\n{old}in:\n{file}"
        );
        *file = file.replace(old, new);
    }
}
