//! Whole projects as text: those under `tests/pipelines/ok` validate, each under `err` gives the errors it states.
//!
//! A case is one file. It starts with comment lines; in `err`, each `# error: PATH[:LINE]: TEXT … TEXT` is an
//! error that `cvm validate` must report: the place and every TEXT must be in what it prints. Then come the
//! files in which the case differs from `ok/base.txt`, each under a line `--- PATH`:
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

use assert_cmd::Command;

type Files = BTreeMap<String, String>;

#[test]
fn projects_under_ok_validate() {
    let failures = run_cases("ok", |_, output| (output.code != Some(0)).then(|| output.text.clone()));
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
fn projects_under_err_give_the_errors_they_state() {
    let failures = run_cases("err", |case, output| {
        let expected: Vec<&str> = case.lines().filter_map(|line| line.strip_prefix("# error: ")).collect();
        let missing: Vec<&str> = expected.iter().flat_map(|error| missing_parts(error, &output.text)).collect();
        let fine = output.code == Some(2) && !expected.is_empty() && missing.is_empty();
        (!fine).then(|| format!("exit {:?}, missing: {missing:#?}, printed:\n{}", output.code, output.raw))
    });
    assert!(failures.is_empty(), "{} cases differ\n\n{}", failures.len(), failures.join("\n\n"));
}

struct Output {
    code: Option<i32>,
    raw: String,
    /// What was printed, with frames and line breaks of the terminal taken out.
    text: String,
}

/// Runs `cvm validate` on every case of a folder; `judge` says what is wrong, if anything.
fn run_cases(folder: &str, judge: impl Fn(&str, &Output) -> Option<String>) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pipelines");
    let base = apply(&Files::new(), &fs::read_to_string(root.join("ok/base.txt")).expect("the base project"));
    let mut paths: Vec<PathBuf> =
        fs::read_dir(root.join(folder)).expect("the folder of cases").map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    let mut failures = Vec::new();
    for path in paths {
        let case = fs::read_to_string(&path).expect("a case");
        let output = validate(&apply(&base, &case));
        if let Some(difference) = judge(&case, &output) {
            failures.push(format!("=== {}: {difference}", path.display()));
        }
    }
    failures
}

fn validate(files: &Files) -> Output {
    let project = tempfile::tempdir().expect("a folder");
    for (path, text) in files {
        let path = project.path().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, text).expect("a file");
    }
    let output = Command::cargo_bin("cvm")
        .expect("the binary")
        .current_dir(project.path())
        .args(["validate", "pipelines/shop.yml"])
        .env_remove("CVM_TEST_UNSET_VARIABLE")
        .output()
        .expect("a run of the binary");
    let raw = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let unframed = raw.replace(['│', '×', '╭', '╰', '├', '─', '▶', '·'], " ");
    let text = unframed.split_whitespace().collect::<Vec<_>>().join(" ");
    Output { code: output.status.code(), raw, text }
}

/// The parts of `PATH[:LINE]: TEXT … TEXT` that were not printed.
fn missing_parts<'a>(error: &'a str, printed: &str) -> Vec<&'a str> {
    let (place, texts) = error.split_once(": ").expect("an error reads PATH[:LINE]: TEXT");
    let mut missing: Vec<&str> = texts.split(" … ").filter(|text| !printed.contains(text)).collect();
    let is_line = place.rsplit_once(':').is_some_and(|(_, line)| line.parse::<u32>().is_ok());
    let printed_place = if is_line { printed.contains(&format!("{place}:")) } else { printed.contains(place) };
    if !printed_place {
        missing.push(place);
    }
    missing
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
            (None, None) => assert!(line.starts_with('#'), "a case starts with comments, not `{line}`"),
        }
    }
    for (header, text) in sections {
        if let Some(path) = header.strip_suffix(" (absent)") {
            assert!(files.remove(path).is_some(), "the base has no {path} to leave out");
        } else if text.starts_with("<<<\n") {
            let file = files.get_mut(header).unwrap_or_else(|| panic!("the base has no {header} to edit"));
            edit(file, &text);
        } else {
            files.insert(header.to_owned(), text);
        }
    }
    files
}

fn edit(file: &mut String, edits: &str) {
    for block in edits.split_inclusive(">>>\n") {
        let inner = block.strip_prefix("<<<\n").and_then(|rest| rest.strip_suffix(">>>\n"));
        let (old, new) = inner.and_then(|text| text.split_once("===\n")).expect("<<<, ===, >>>");
        assert_eq!(file.matches(old).count(), 1, "to be replaced once:\n{old}in:\n{file}");
        *file = file.replace(old, new);
    }
}
