//! Whatever a file of a project holds: it is decoded, or every fault has a place in it and can be told.

use std::sync::Arc;

use miette::Diagnostic;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde::de::DeserializeOwned;

use super::decode;
use crate::spec::pipeline::PipelineFile;
use crate::spec::problem::SourceText;
use crate::spec::scheme::SchemeFile;
use crate::spec::source::SourceFile;
use crate::spec::table::TableFile;

const PIPELINE: &str = "pipeline: shop
description: A shop.
value: { currency: GBP, measure: revenue, horizon_days: 365, annual_discount_rate: 0.1 }
stores:
  raw: { url: \"file:${RAW:-raw}\" }
  lake: { url: \"file:lake\", options: { region: eu } }
sources: [sources/shop.yml]
parameters: { smallest: { type: bigint, value: 1 }, share: 0.5 }
scores: { lifetimes: { scorer: k_means, input: customers, clusters: [2, 3] } }
outputs: { store: lake, path: marts, tables: [customers], retain: 3 }
";
const SOURCE: &str = "system: shop
description: The shop.
store: raw
max_bad_share: 0.5
tables:
  orders:
    description: Orders.
    path: \"*.csv\"
    format: { csv: { delimiter: \";\", null_values: [\"\", NA] } }
    columns:
      id: { type: bigint, required: true }
      paid: { type: \"decimal(18,2)\", decimal_separator: \",\" }
    partitions: { day: date }
  items: { description: Items., path: items, format: parquet, columns: { id: { type: varchar } } }
";
const TABLE: &str = "table: customers
description: Customers.
grain: one row a customer
key: [id]
checks:
  known: { description: Known., condition: id is not null }
columns:
  id: { type: varchar, required: true, accepted_values: [a, b], description: Number. }
  age: { type: bigint, minimum: 0, maximum: 200, description: Years. }
";
const SCHEME: &str = "scheme: habit
description: How often customers come.
input: customers
rules:
  - segment: once
    when: { orders: 1, is_new: [true, null] }
  - segment: regular
    when: { orders: \"> 1 and < 10\" }
";
/// What means something to YAML, to what reads these files, or to nobody.
const FRAGMENTS: &[&str] = &[
    "[",
    "]",
    "{",
    "}",
    ":",
    ": ",
    "- ",
    "? ",
    ",",
    "#",
    "&a ",
    "*a",
    "<<: ",
    "!!binary ",
    "!x ",
    "|\n",
    ">\n",
    "\"",
    "'",
    "\\",
    "%",
    "---\n",
    "...\n",
    "\n",
    "\r\n",
    "\t",
    "  ",
    "\0",
    "\u{feff}",
    "é",
    "${",
    "}",
    "${RAW}",
    "null",
    "~",
    "true",
    "1e400",
    ".nan",
    "0x1f",
    "99999999999999999999",
    "id: 1\n",
    "columns:\n",
    "type: decimal(19,0)",
];

/// One change of a text: behind how many characters, how many go, and what comes.
type Edit = (Index, usize, &'static str);

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let edit = (any::<Index>(), 0..6_usize, select(FRAGMENTS));
    proptest::collection::vec(edit, 1..5)
}

fn edited(text: &str, edits: &[Edit]) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    for (index, gone, fragment) in edits {
        let at = index.index(characters.len() + 1);
        let end = characters.len().min(at + gone);
        drop(characters.splice(at..end, fragment.chars()));
    }
    characters.into_iter().collect()
}

/// Decodes a text, and looks at the faults as those look who tell them.
fn look_at<T: DeserializeOwned>(text: &str) {
    let file = Arc::new(SourceText {
        path: "a.yml".into(),
        text: text.to_owned(),
    });
    let environment = |name: &str| (name == "RAW").then(|| "1".to_owned());
    let Err(problems) = decode::<T>(&file, &environment) else {
        return;
    };
    assert!((1..=100).contains(&problems.len()), "{}", problems.len());
    // YAML ends a line at a lone carriage return too.
    let lines = text.matches(['\n', '\r']).count() + 2;
    for problem in &problems {
        assert!(problem.at.line <= lines, "{problem} of {lines} lines");
        assert!(problem.to_string().starts_with("a.yml:"), "{problem}");
        assert!(!problem.message.is_empty() && !problem.help.is_empty());
        for label in problem.labels().into_iter().flatten() {
            let (offset, length) = (label.offset(), label.len());
            assert!(text.get(offset..offset + length).is_some(), "{problem}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_file_with_anything_in_it_is_decoded_or_told_of(edits in edits()) {
        look_at::<PipelineFile>(&edited(PIPELINE, &edits));
        look_at::<SourceFile>(&edited(SOURCE, &edits));
        look_at::<TableFile>(&edited(TABLE, &edits));
        look_at::<SchemeFile>(&edited(SCHEME, &edits));
    }

    #[test]
    fn any_text_is_decoded_or_told_of(text in "\\PC{0,80}", fragments in proptest::collection::vec(select(FRAGMENTS), 0..40)) {
        look_at::<PipelineFile>(&text);
        look_at::<SourceFile>(&fragments.concat());
        look_at::<TableFile>(&(fragments.concat() + &text));
    }
}

#[test]
fn the_files_that_are_changed_are_sound() {
    fn is_sound<T: DeserializeOwned>(text: &str) -> bool {
        let file = Arc::new(SourceText {
            path: "a.yml".into(),
            text: text.to_owned(),
        });
        decode::<T>(&file, &|_| None).is_ok()
    }
    assert!(is_sound::<PipelineFile>(PIPELINE));
    assert!(is_sound::<SourceFile>(SOURCE));
    assert!(is_sound::<TableFile>(TABLE));
    assert!(is_sound::<SchemeFile>(SCHEME));
}
