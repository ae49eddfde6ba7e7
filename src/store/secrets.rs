//! The secrets that this process was given, so that no error shows them.
//!
//! A server may quote the request in its answer, and object_store puts the answer into its error: S3 tells the session token where
//! a signature is wrong. Known are the secrets among the options of stores and in the variables of providers, what the files hold
//! that these name and object_store reads itself, the credentials that a server hands out for them (see `credentials.rs`), and those
//! with which a run is told to others. A store's secret that could not be told from other text is refused.

use std::collections::BTreeSet;
use std::iter;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use object_store::aws::AmazonS3ConfigKey;
use object_store::azure::AzureConfigKey;
use object_store::gcp::GoogleConfigKey;
use serde_json::Value;
use url::Url;
use url::form_urlencoded::{byte_serialize, parse};

use crate::spec::is_secret;

/// Of the process, because errors come from wherever stores are used.
static KNOWN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

const SHORTEST: usize = 4;
/// A shorter secret is hidden where it stands as a word: parts of words would be like it. So is a number.
const SHORTEST_IN_WORDS: usize = 8;
const SHOWN_INSTEAD: &str = "(secret)";
/// Short texts that are hidden nowhere: sentences need them, and the last would hide behind itself.
const NEVER_HIDDEN: [&str; 4] = ["true", "false", "null", "secret"];
/// A file of credentials is smaller.
const MOST_BYTES: u64 = 64 * 1024;
/// Below the home folder: where Google's tools leave credentials, and object_store looks for them.
const GOOGLES_FILE: &str = ".config/gcloud/application_default_credentials.json";

/// `text` without the secrets that are known: as they are, percent-encoded, and as JSON writes them.
pub(crate) fn redacted(text: &str) -> String {
    let known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    // The longest first: one may be a part of another.
    let mut secrets: Vec<&String> = known.iter().collect();
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    let hide = |text: String, secret: &String| without(&text, secret);
    secrets.into_iter().fold(text.to_owned(), hide)
}

/// `value` with all its texts [`redacted`]. Names of members and numbers are cvm's own, and stay.
pub(crate) fn redacted_json(value: Value) -> Value {
    match value {
        Value::String(text) => redacted(&text).into(),
        Value::Array(items) => items.into_iter().map(redacted_json).collect(),
        Value::Object(members) => {
            let members = members.into_iter();
            members
                .map(|(name, member)| (name, redacted_json(member)))
                .collect()
        }
        other => other,
    }
}

/// `text` without `secret`. What is short or a number is hidden only where it stands alone.
fn without(text: &str, secret: &str) -> String {
    let is_a_word = is_number(secret) || secret.len() < SHORTEST_IN_WORDS;
    let mut shown = String::with_capacity(text.len());
    let mut at = 0;
    for (start, _) in text.match_indices(secret) {
        let end = start + secret.len();
        let (Some(before), Some(behind)) = (text.get(..start), text.get(end..)) else {
            continue;
        };
        if is_a_word && (ends_in_word(before) || behind.starts_with(is_of_word)) {
            continue;
        }
        shown.push_str(text.get(at..start).unwrap_or_default());
        shown.push_str(SHOWN_INSTEAD);
        at = end;
    }
    shown.push_str(text.get(at..).unwrap_or_default());
    shown
}

fn is_number(text: &str) -> bool {
    text.parse::<f64>().is_ok()
}

/// Whether a word goes on behind `text`. The last letter of an escape, `\n` or `%3D`, belongs to none.
fn ends_in_word(text: &str) -> bool {
    let last: Vec<char> = text.chars().rev().take(3).collect();
    match last.as_slice() {
        ['b' | 'f' | 'n' | 'r' | 't', '\\', ..] => false,
        [low, high, '%'] if low.is_ascii_hexdigit() && high.is_ascii_hexdigit() => false,
        [last, ..] => is_of_word(*last),
        [] => false,
    }
}

/// With the underscore, so that the names of columns and metrics stay whole.
fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Remembers the value of each setting that is a secret by its name, of the options of a store and of its provider's variables, and
/// what is secret in the files that they name. A file that cannot be read is left to whoever needs it.
///
/// # Errors
/// The name of a setting whose secret could not be told from other text. All others are remembered then too.
pub(super) fn remember<'a>(
    options: impl IntoIterator<Item = (&'a String, &'a String)>,
) -> Result<(), String> {
    let mut too_short = None;
    for (name, value) in options {
        if !remember_setting(name, value) {
            too_short.get_or_insert_with(|| name.clone());
        }
    }
    for (name, value) in std::env::vars_os() {
        let (Some(name), Some(value)) = (name.to_str(), value.to_str()) else {
            continue;
        };
        // With Azure's managed identities comes a secret whose name does not say so.
        if name == "IDENTITY_HEADER" {
            remember_secret(value);
        }
        if ["AWS_", "AZURE_", "GOOGLE_", "SERVICE_ACCOUNT"]
            .iter()
            .any(|provider| name.starts_with(provider))
            && !remember_setting(name, value)
            && is_read(name)
        {
            too_short.get_or_insert_with(|| name.to_owned());
        }
    }
    if let Some(home) = std::env::var_os("HOME") {
        remember_file(&Path::new(&home).join(GOOGLES_FILE));
    }
    too_short.map_or(Ok(()), Err)
}

/// Remembers a secret. False where it could not be told from other text, and is hidden nowhere.
pub(crate) fn remember_secret(secret: &str) -> bool {
    // Of a key in lines each is secret, because lines are told one by one; what frames them is not.
    let lines = secret.lines().map(str::trim);
    let lines = lines.filter(|line| !line.starts_with("-----"));
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    for part in iter::once(secret).chain(lines) {
        let json = Value::from(part).to_string();
        let unquoted = json.get(1..json.len() - 1).unwrap_or_default();
        let encoded: String = byte_serialize(part.as_bytes()).collect();
        let forms = [part.to_owned(), encoded, unquoted.to_owned()];
        known.extend(forms.into_iter().filter(|form| can_be_hidden(form)));
    }
    can_be_hidden(secret)
}

/// Remembers what a header says by which a run is told to others. Some carry names, as of tenants, so a short one is a secret only
/// where it is called so. False where it is one that could not be told from other text.
pub(crate) fn remember_header(name: &str, value: &str) -> bool {
    let is_called_so = is_secret(name) || name.eq_ignore_ascii_case("authorization");
    if !is_called_so && value.len() < SHORTEST_IN_WORDS {
        return true;
    }
    // `Bearer …` and `Basic …`: the scheme is no secret, and the rest may be told without it.
    let behind_scheme = value.split_once(' ').map(|(_, secret)| secret);
    let are_known = remember_secret(value) & behind_scheme.is_none_or(remember_secret);
    are_known || !is_called_so
}

fn can_be_hidden(secret: &str) -> bool {
    let says_little = is_number(secret) || NEVER_HIDDEN.contains(&secret);
    let shortest = if says_little {
        SHORTEST_IN_WORDS
    } else {
        SHORTEST
    };
    secret.len() >= shortest
}

/// Whether object_store reads a variable: others begin as those do, and may be no secrets at all.
fn is_read(variable: &str) -> bool {
    let name = variable.to_ascii_lowercase();
    name.parse::<AmazonS3ConfigKey>().is_ok()
        || name.parse::<AzureConfigKey>().is_ok()
        || name.parse::<GoogleConfigKey>().is_ok()
}

/// Whether what is secret of a setting can be hidden.
fn remember_setting(name: &str, value: &str) -> bool {
    if names_file(name) {
        remember_file(Path::new(value));
    }
    // A proxy's URL.
    if let Ok(url) = Url::parse(value)
        && let Some(password) = url.password()
    {
        remember_secret(password);
    }
    if !is_secret(name) || value.is_empty() {
        return true;
    }
    let is_known = remember_secret(value);
    if let Some(json) = json_of(value) {
        remember_json(&json, true);
    }
    // A shared access signature is a query; what is secret of it is the signature.
    for pair in value.trim_start_matches('?').split('&') {
        if let Some(signature) = pair.strip_prefix("sig=") {
            remember_secret(signature);
            parse(pair.as_bytes()).for_each(|(_, decoded)| {
                remember_secret(&decoded);
            });
        }
    }
    is_known
}

/// Whether a setting names a file of credentials.
fn names_file(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    [
        "token_file",
        "service_account",
        "service_account_path",
        "application_credentials",
    ]
    .iter()
    .any(|end| name.ends_with(end))
}

fn remember_file(path: &Path) {
    // A pipe would be waited for.
    let is_small_file =
        std::fs::metadata(path).is_ok_and(|file| file.is_file() && file.len() <= MOST_BYTES);
    if is_small_file && let Ok(text) = std::fs::read_to_string(path) {
        match json_of(&text) {
            Some(json) => remember_json(&json, true),
            None => {
                remember_secret(text.trim());
            }
        }
    }
}

/// The JSON that `text` is, unless any text may look like it: a number, or `true`.
fn json_of(text: &str) -> Option<Value> {
    let json: Value = serde_json::from_str(text).ok()?;
    matches!(json, Value::Object(_) | Value::Array(_) | Value::String(_)).then_some(json)
}

/// Remembers the texts in `value` that are secret by their names; those that have none where `is_called_so`.
fn remember_json(value: &Value, is_called_so: bool) {
    match value {
        Value::String(secret) if is_called_so => {
            remember_secret(secret);
        }
        Value::Array(items) => {
            for item in items {
                remember_json(item, is_called_so);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                remember_json(member, is_secret(name));
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests;
