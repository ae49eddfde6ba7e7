//! The documentation of the small project of `tests/pipelines` and of the demo.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::{Documentation, document};
use crate::plan::lineage::Traces;
use crate::plan::{Plan, compile};
use crate::score::Registry;
use crate::spec::Project;

fn base() -> Project {
    let text = include_str!("../../tests/pipelines/ok/base.txt");
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    let sections = text.split("\n--- ").skip(1);
    for section in sections {
        let (path, text) = section.split_once('\n').expect("a path and a text");
        files.insert(path.to_owned(), format!("{text}\n"));
    }
    Project::from_files(PathBuf::new(), files)
}

async fn plan_of(project: &Project, path: &str) -> Plan {
    let registry = Registry::standard();
    match compile(project, path, &registry, &|_| Some("file:x".to_owned())).await {
        Ok(plan) => plan,
        Err(problems) => panic!("{problems:?}"),
    }
}

async fn documented(project: &Project, path: &str) -> Documentation {
    let plan = plan_of(project, path).await;
    let environment = |_: &str| Some("file:x".to_owned());
    document(project, path, &plan, &environment).expect("its documentation")
}

#[tokio::test]
async fn the_small_project_in_markdown() {
    let made = documented(&base(), "pipelines/shop.yml").await;
    insta::assert_snapshot!("shop", made.markdown);
    let again = documented(&base(), "pipelines/shop.yml").await;
    assert_eq!(made, again);
}

#[tokio::test]
async fn pages_are_well_formed_and_their_links_lead_somewhere() {
    let shipped = Project::shipped(PathBuf::new());
    for (project, path) in [
        (&base(), "pipelines/shop.yml"),
        (&shipped, "pipelines/demo.yml"),
    ] {
        let made = documented(project, path).await;
        let html = made.html;
        balanced(&html);
        let ids: BTreeSet<&str> = between(&html, "<section id=\"", "\"").collect();
        // The page's script makes links of its own, of the same sections.
        let links = between(&html, "href=\"#", "\"").filter(|link| !link.starts_with("${"));
        for link in links {
            assert!(ids.contains(link), "{path}: #{link}");
        }
        assert!(
            !html.contains("file:x") && !made.markdown.contains("file:x"),
            "a store's URL"
        );
        for outside in ["src=\"", "<link", "@import", "url("] {
            assert!(!html.contains(outside), "{outside}");
        }
        let anchors: BTreeSet<&str> = between(&made.markdown, "<a id=\"", "\"").collect();
        for link in between(&made.markdown, "](#", ")") {
            assert!(anchors.contains(link), "{path}: #{link}");
        }
    }
}

#[tokio::test]
async fn what_means_something_in_html_is_escaped() {
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    for file in base().files() {
        let text = file
            .text
            .replace("The shop's customers.", "<b>Bold & \"brave\" | x</b>");
        files.insert(file.path.clone(), text);
    }
    let project = Project::from_files(PathBuf::new(), files);
    let made = documented(&project, "pipelines/shop.yml").await;
    balanced(&made.html);
    assert!(
        made.html
            .contains("&lt;b&gt;Bold &amp; &quot;brave&quot; | x&lt;/b&gt;")
    );
    assert!(!made.html.contains("<b>"));
    assert!(
        made.markdown
            .contains("&lt;b&gt;Bold &amp; \"brave\" \\| x&lt;/b&gt;")
    );
}

#[tokio::test]
async fn checks_of_a_raw_table_are_told_with_it() {
    let path = "    path: shop/orders/*.csv\n";
    let checked = format!(
        "{path}    checks:\n      some: {{ description: There are orders., row_count: {{ minimum: 1 }} }}\n"
    );
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    for file in base().files() {
        let text = file.text.replace(path, &checked);
        files.insert(file.path.clone(), text);
    }
    let project = Project::from_files(PathBuf::new(), files);
    let made = documented(&project, "pipelines/shop.yml").await;
    let told = r"Checks: [shop.orders\_\_some](#table-shop-orders__some)";
    assert!(made.markdown.contains(told), "{}", made.markdown);
    assert!(made.markdown.contains("There are orders."));
    balanced(&made.html);
}

#[tokio::test]
async fn what_a_raw_table_promises_is_told_with_it() {
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    for file in base().files() {
        let path = "    path: shop/orders/*.csv\n";
        let told = format!("{path}    grain: one row an order\n    key: [OrderNo]\n");
        let text = file.text.replace(path, &told).replace(
            "decimal_separator: \",\"",
            "decimal_separator: \",\", minimum: 0, maximum: 9",
        );
        files.insert(file.path.clone(), text);
    }
    let project = Project::from_files(PathBuf::new(), files);
    let made = documented(&project, "pipelines/shop.yml").await;
    for told in [
        "Grain: one row an order\n",
        "Key: `OrderNo`\n",
        "decimal(18,2), at least 0, at most 9",
        r"Checks: [shop.orders\_\_contract](#table-shop-orders__contract), [shop.orders\_\_contract\_key](#table-shop-orders__contract_key)",
        "held to their own checks alone",
    ] {
        assert!(made.markdown.contains(told), "{told}: {}", made.markdown);
    }
    balanced(&made.html);
}

/// Columns of marts that are parameters, counts of rows, or that the SQL itself writes.
const WITHOUT_ORIGIN: &[&str] = &[
    "as_of_date",
    "attribution_model",
    "conversion_kind",
    "currency",
    "decile",
    "dimension",
    "earlier_date",
    "from_date",
    "is_projected",
    "lost_customers",
    "may_have_begun_earlier",
    "measure",
    "record_type",
    "scheme",
    "sign",
    "to_date",
    "trait",
    "value_measure",
];
/// A mart of words that the SQL itself writes.
const WRITTEN: &str = "kpi_definitions";

#[tokio::test]
async fn published_columns_of_the_demo_come_from_somewhere() {
    let project = Project::shipped(PathBuf::new());
    let plan = plan_of(&project, "pipelines/demo.yml").await;
    let traces = Traces::of(&plan);
    let mut without = Vec::new();
    for output in &plan.outputs {
        for column in output.contract.columns.keys() {
            let from = traces.entities(&output.table, column);
            let may_be_empty = WITHOUT_ORIGIN.contains(&column.as_str());
            if from.is_empty() && !may_be_empty && output.table != WRITTEN {
                without.push(format!("{}.{column}", output.table));
            }
            for origin in from.iter().chain(&traces.raw(&output.table, column)) {
                let is_known = origin.table.starts_with("entities.")
                    || plan
                        .sources
                        .iter()
                        .any(|source| source.name == origin.table);
                assert!(is_known, "{}.{column} comes from {origin}", output.table);
            }
        }
    }
    assert_eq!(without, Vec::<String>::new());
}

fn between<'a>(text: &'a str, before: &'a str, after: &'a str) -> impl Iterator<Item = &'a str> {
    let parts = text.split(before).skip(1);
    parts.filter_map(move |part| part.split(after).next())
}

/// Every tag that opens closes, in order, and no `<` stands in text.
fn balanced(html: &str) {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        rest = &rest[start + 1..];
        // Script and style end at their end tags alone.
        if let Some(raw @ ("script" | "style")) = open.last().copied()
            && !rest.starts_with(&format!("/{raw}>"))
        {
            continue;
        }
        let end = rest.find('>').expect("a tag that ends");
        let tag = &rest[..end];
        rest = &rest[end + 1..];
        let name = tag.split([' ', '/']).find(|part| !part.is_empty());
        let name = name.expect("a name");
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "{tag} closes another");
        } else if !tag.ends_with('/') && !["!doctype", "meta", "input"].contains(&name) {
            assert!(
                name.chars().all(|c| c.is_ascii_alphanumeric()),
                "<{tag}> is text"
            );
            open.push(name);
        }
    }
    assert_eq!(open, Vec::<&str>::new());
}
