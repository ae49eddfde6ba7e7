use std::sync::Arc;

use indexmap::IndexMap;
use serde::Deserialize;

use super::{Spanned, decode};
use crate::spec::problem::{At, SourceText};

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct File {
    name: Spanned<String>,
    size: u64,
    #[serde(default)]
    kind: Kind,
    #[serde(default)]
    parts: IndexMap<String, Spanned<Part>>,
}

#[derive(Debug, Deserialize, PartialEq, Default)]
#[serde(rename_all = "snake_case")]
enum Kind {
    #[default]
    Plain,
    Boxed(Part),
}

#[derive(Debug, Deserialize, PartialEq, Default, Clone)]
#[serde(deny_unknown_fields, default)]
struct Part {
    weight: f64,
}

fn read(text: &str) -> Result<File, Vec<String>> {
    let file = Arc::new(SourceText {
        path: "a.yml".into(),
        text: text.into(),
    });
    let environment = |name: &str| match name {
        "SIZE" => Some("7".to_owned()),
        "SECRET" | "file:/secret" => Some("hunter2".to_owned()),
        _ => None,
    };
    decode(&file, &environment).map_err(|problems| {
        problems
            .iter()
            .map(|p| format!("{p} ({})", p.help))
            .collect()
    })
}

#[test]
fn values_keep_their_places() {
    let file = read("name: x\nsize: 3\nparts:\n  a: { weight: 2 }\n").unwrap();
    assert_eq!(
        file.name,
        Spanned {
            value: "x".into(),
            at: At { line: 1, column: 7 }
        }
    );
    assert_eq!(file.parts["a"].value, Part { weight: 2.0 });
    assert_eq!(file.parts["a"].at.line, 4);
}

#[test]
fn every_missing_key_is_told_beside_other_faults() {
    let name = "a.yml:1: the key `name` is missing (add `name:` here)";
    let size = "a.yml:1: the key `size` is missing (add `size:` here)";
    assert_eq!(read("{}").unwrap_err(), [name, size]);
    assert_eq!(
        read("kind: boxd\nparts: { a: { weihgt: 1 } }").unwrap_err(),
        [
            name,
            size,
            "a.yml:1: `boxd` is no kind; did you mean `boxed`? (change the value)",
            "a.yml:2: unknown key `weihgt` (did you mean `weight`?)",
        ]
    );
}

#[test]
fn enums_are_written_by_name_or_with_content() {
    assert_eq!(
        read("name: x\nsize: 3\nkind: boxed").unwrap().kind,
        Kind::Boxed(Part::default())
    );
    let boxed = read("name: x\nsize: 3\nkind: { boxed: { weight: 1.5 } }")
        .unwrap()
        .kind;
    assert_eq!(boxed, Kind::Boxed(Part { weight: 1.5 }));
    assert_eq!(
        read("name: x\nsize: 3\nkind: boxd").unwrap_err(),
        ["a.yml:3: `boxd` is no kind; did you mean `boxed`? (change the value)"]
    );
}

#[test]
fn every_fault_is_told_at_once() {
    let faults =
        read("nam: x\nsize: many\nparts:\n  a: { weigth: 2 }\n  b: { weight: [] }\n").unwrap_err();
    assert_eq!(
        faults,
        [
            "a.yml:1: unknown key `nam` (did you mean `name`?)",
            "a.yml:1: the key `name` is missing (add `name:` here)",
            "a.yml:2: invalid type: string \"many\", expected u64 (change the value)",
            "a.yml:4: unknown key `weigth` (did you mean `weight`?)",
            "a.yml:5: invalid type: sequence, expected f64 (change the value)",
        ]
    );
}

#[test]
fn the_environment_fills_in_and_is_never_printed() {
    assert_eq!(
        read("name: \"${NONE:-x}${SECRET}\"\nsize: ${SIZE}")
            .unwrap()
            .size,
        7
    );
    assert_eq!(
        read("name: ${NONE}\nsize: ${SECRET}").unwrap_err(),
        [
            "a.yml:1: the environment variable `NONE` is not set (set it, or give a default: `${NONE:-default}`)",
            "a.yml:2: the value that the environment gives does not fit here (look at the variable that this line names)",
        ]
    );
}

#[test]
fn of_very_many_faults_the_first_are_told() {
    let unknown: String = (0..5_000).map(|key| format!("k{key}: 1\n")).collect();
    let faults = read(&format!("name: x\nsize: 1\n{unknown}")).unwrap_err();
    assert_eq!(faults.len(), 100);
    assert!(
        faults[99].starts_with("a.yml:102: unknown key `k99`"),
        "{}",
        faults[99]
    );
    let missing = "${NONE}".repeat(5_000);
    let faults = read(&format!("name: {missing}\nsize: 1\n")).unwrap_err();
    assert_eq!(faults.len(), 100);
}

#[test]
fn a_file_fills_in_and_is_never_printed() {
    let file = read("name: \"<${file:/secret}>${file:/none:-x}\"\nsize: 1").unwrap();
    assert_eq!(file.name.value, "<hunter2>x");
    assert_eq!(
        read("name: ${file:/none}\nsize: ${file:/secret}").unwrap_err(),
        [
            "a.yml:1: the file `/none` is empty or cannot be read (mount it there, or give a default: `${file:/none:-default}`)",
            "a.yml:2: the value that the environment gives does not fit here (look at the variable that this line names)",
        ]
    );
}

#[test]
fn a_duplicate_key_is_refused() {
    let faults = read("name: x\nname: y\nsize: 1").unwrap_err();
    assert_eq!(faults, ["a.yml:2: `name` is there twice (keep one)"]);
    let faults = read("{ name: x, size: 1, \"size\": 2 }").unwrap_err();
    assert_eq!(faults, ["a.yml:1: `size` is there twice (keep one)"]);
}
