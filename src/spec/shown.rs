//! What of a project's file may be shown around a fault: the file without the secrets that are written into it.
//!
//! A line may be shown because it is no YAML, so lines are looked at as texts. Hidden is what stands behind a name that says that it
//! is secret, up to the next name or, where the value goes on below, to the end of what is indented further; and of a URL the
//! password, a user and the query. `${NAME}` stays: it tells nothing. A star stands for each byte, so that places stay where they are.

use std::cmp::Reverse;
use std::ops::Range;

/// Of a shorter secret no message is cleared: it would stand in half of the words.
const SHORTEST_IN_MESSAGES: usize = 4;

/// Whether a setting is a secret by its name. Key ids and paths of files are none, and help whoever looks for what is wrong.
pub(crate) fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let says_so = ["key", "secret", "token", "sas", "password"]
        .iter()
        .any(|word| name.contains(word));
    says_so
        && ![
            "_id",
            "_file",
            "_path",
            "_uri",
            "_url",
            "_endpoint",
            "_enabled",
        ]
        .iter()
        .any(|end| name.ends_with(end))
}

/// `text` with stars for its secrets, which come with it, the longest first; none where it holds no secret.
pub(super) fn hidden(text: &str) -> Option<(String, Vec<String>)> {
    // Other files declare no stores, and have keys and columns whose names are like those of secrets. Of a store with one word
    // misspelt, the URL is left.
    let has_stores = ["stores", "options", "option:", "://"]
        .iter()
        .any(|word| text.contains(word));
    let mut shown = String::with_capacity(text.len());
    let mut secrets: Vec<String> = Vec::new();
    let mut at = 0;
    for range in secrets_of(text, has_stores) {
        let start = range.start.max(at);
        let (Some(before), Some(secret)) = (text.get(at..start), text.get(start..range.end)) else {
            continue;
        };
        shown.push_str(before);
        shown.push_str(&"*".repeat(secret.len()));
        at = range.end;
        if secret.len() >= SHORTEST_IN_MESSAGES {
            // Messages quote texts with their quotes escaped.
            secrets.push(secret.escape_debug().to_string());
            secrets.push(secret.to_owned());
        }
    }
    if at == 0 {
        return None;
    }
    shown.push_str(text.get(at..).unwrap_or_default());
    secrets.sort_by_key(|secret| Reverse(secret.len()));
    Some((shown, secrets))
}

/// Where secrets stand, from first to last; ranges may overlap. Names tell of secrets only where there are stores.
fn secrets_of(text: &str, has_stores: bool) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut end_of_line = 0;
    // The column of a name whose value may go on below it.
    let mut open: Option<usize> = None;
    for line in text.split_inclusive('\n') {
        let start = end_of_line;
        end_of_line += line.len();
        let line = line.trim_end();
        let indent = line.len() - line.trim_start().len();
        let mut values = Vec::new();
        if open.is_some_and(|column| line.is_empty() || indent > column) {
            values.push(indent..line.len());
        } else {
            if has_stores {
                (values, open) = values_of(line);
            }
            values.extend(urls_of(line));
        }
        let parts = values.into_iter().flat_map(|value| parts_of(line, &value));
        found.extend(parts.map(|part| start + part.start..start + part.end));
    }
    found.sort_by_key(|range| range.start);
    found
}

/// The values of secrets in a line, and the column of the last one's name where it may go on below.
fn values_of(line: &str) -> (Vec<Range<usize>>, Option<usize>) {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some((name, value)) = next_secret(line, at) {
        let (end, is_whole) = end_of(line, value);
        found.push(value..end);
        if !is_whole {
            let indent = line.len() - line.trim_start_matches([' ', '-']).len();
            let is_first = line.get(indent..name).is_some_and(is_quote_or_nothing);
            let outer = line.len() - line.trim_start().len();
            return (found, Some(if is_first { indent } else { outer }));
        }
        at = end.max(name + 1);
    }
    (found, None)
}

/// Where the next name of a secret starts, from `at` on, and where its value does. A colon may be forgotten, or the space behind it.
fn next_secret(line: &str, mut at: usize) -> Option<(usize, usize)> {
    loop {
        let start = at + line.get(at..)?.find(is_of_name)?;
        let rest = line.get(start..)?;
        let length = rest.find(|c: char| !is_of_name(c)).unwrap_or(rest.len());
        let (name, behind) = rest.split_at_checked(length)?;
        at = start + length;
        // No store has an option `key`, and every contract has one.
        if !is_secret(name) || matches!(name, "key" | "keys") {
            continue;
        }
        let behind = behind.strip_prefix(['"', '\'']).unwrap_or(behind);
        let value = behind.trim_start();
        if let Some(value) = value.strip_prefix([':', '=']) {
            return Some((start, line.len() - value.trim_start().len()));
        }
        let before = line.get(..start)?.trim_end_matches(['"', '\'']).trim_end();
        let is_key = before.is_empty() || before.ends_with(['{', ',', '-']);
        if is_key && value.len() < behind.len() {
            return Some((start, line.len() - value.len()));
        }
    }
}

/// Where the value that starts at `start` ends, and whether it surely does.
fn end_of(line: &str, start: usize) -> (usize, bool) {
    let rest = line.get(start..).unwrap_or_default();
    if let Some(length) = quoted(rest) {
        let behind = rest.get(length..).unwrap_or_default().trim_start();
        if behind.is_empty() || behind.starts_with([',', '}', ']', '#']) {
            return (start + length, true);
        }
    }
    if rest.starts_with(['{', '[']) {
        return (line.len(), false);
    }
    match next_key(rest) {
        Some(length) => (start + length, true),
        None => (line.len(), rest.ends_with([',', '}', ']'])),
    }
}

/// The length of the quoted text that `text` starts with.
fn quoted(text: &str) -> Option<usize> {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let mut is_escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        if is_escaped {
            is_escaped = false;
        } else if c == '\\' && quote == '"' {
            is_escaped = true;
        } else if c == quote {
            return Some(at + 1);
        }
    }
    None
}

/// Where the comma stands behind which the next key of a map in braces follows.
fn next_key(text: &str) -> Option<usize> {
    let mut commas = text.match_indices(',').map(|(at, _)| at);
    commas.find(|comma| {
        let behind = text.get(comma + 1..).unwrap_or_default().trim_start();
        let behind = behind.trim_start_matches(['"', '\'']);
        let name = behind
            .find(|c: char| !is_of_name(c))
            .unwrap_or(behind.len());
        let colon = behind.get(name..).unwrap_or_default();
        let colon = colon.trim_start_matches(['"', '\'']);
        name > 0 && (colon == ":" || colon.starts_with(": "))
    })
}

/// What is secret of the URLs in a line, and of what may be meant as one.
fn urls_of(line: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut end = 0;
    for word in line.split([' ', '\t', '"', '\'']) {
        let (scheme, below) = match word.split_once("://") {
            Some((scheme, below)) => (Some(scheme), below),
            None => (None, word),
        };
        let start = end + word.len() - below.len();
        end += word.len() + 1;
        if let Some((user, _)) = below.rsplit_once('@') {
            let is_user = scheme.is_some_and(|scheme| !names_container(scheme));
            match user.split_once(':') {
                Some((name, _)) => found.push(start + name.len() + 1..start + user.len()),
                None if is_user && !user.contains('/') => found.push(start..start + user.len()),
                None => {}
            }
        }
        if let (Some(_), Some((path, _))) = (scheme, below.split_once('?')) {
            found.push(start + path.len() + 1..start + below.len());
        }
    }
    found
}

/// Before the `@` of Azure's URLs stands no user but the container.
fn names_container(scheme: &str) -> bool {
    ["az", "adl", "azure", "abfs", "abfss"]
        .iter()
        .any(|azure| scheme.ends_with(azure))
}

/// What of a value is secret: neither its quotes and brackets nor references to the environment, but the defaults of these.
fn parts_of(line: &str, value: &Range<usize>) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    let mut at = value.start;
    let mut rest = line.get(value.clone()).unwrap_or_default();
    while let Some((before, after)) = rest.split_once("${") {
        let Some((inside, tail)) = after.split_once('}') else {
            break;
        };
        let name = at + before.len() + 2;
        let default = inside.find(":-").map_or(inside.len(), |colon| colon + 2);
        parts.push(at..at + before.len());
        parts.push(name + default..name + inside.len());
        at = name + inside.len() + 1;
        rest = tail;
    }
    parts.push(at..value.end);
    let framing = |c: char| c.is_whitespace() || "\"',{}[]".contains(c);
    let trimmed = |part: Range<usize>| {
        let text = line.get(part.clone()).unwrap_or_default();
        let start = text.len() - text.trim_start_matches(framing).len();
        let end = text.trim_end_matches(framing).len();
        part.start + start..part.start + end
    };
    let parts = parts.into_iter().map(trimmed);
    parts.filter(|part| part.start < part.end).collect()
}

fn is_of_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '.')
}

fn is_quote_or_nothing(text: &str) -> bool {
    text.chars().all(|c| matches!(c, '"' | '\''))
}

#[cfg(test)]
mod tests;
