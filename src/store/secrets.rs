//! The secrets that this process was given, so that no error shows them.
//!
//! A server may quote the request in its answer, and object_store puts the answer into its error: S3 tells the session token where
//! a signature is wrong. Known are the secrets among the options of stores and in the variables of providers, what the files hold
//! that these name and object_store reads itself, and those with which a run is told to others. Not known are credentials that
//! object_store is given for them by a server, and what comes to stand in a file after its store was opened. What is shorter than four
//! characters, or than eight and a number, is shown: without it no text would be whole.

use std::collections::BTreeSet;
use std::iter;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;
use url::Url;
use url::form_urlencoded::{byte_serialize, parse};

use crate::spec::is_secret;

/// Of the process, because errors come from wherever stores are used.
static KNOWN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

const SHORTEST: usize = 4;
/// A shorter secret is hidden where it stands as a word: parts of words would be like it.
const SHORTEST_IN_WORDS: usize = 8;
const SHOWN_INSTEAD: &str = "(secret)";
/// Short texts that are hidden nowhere: JSON would not be JSON without them, and the last would hide behind itself.
const NEVER_HIDDEN: [&str; 4] = ["true", "false", "null", "secret"];
/// A file of credentials is smaller.
const MOST_BYTES: u64 = 64 * 1024;
/// Below the home folder: where Google's tools leave credentials, and object_store looks for them.
const GOOGLES_FILE: &str = ".config/gcloud/application_default_credentials.json";

/// `text` without the secrets that are known: as they are, percent-encoded, and as JSON writes them. JSON stays JSON.
pub(crate) fn redacted(text: &str) -> String {
    let known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    // The longest first: one may be a part of another.
    let mut secrets: Vec<&String> = known.iter().collect();
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    let hide = |text: String, secret: &String| {
        if secret.len() < SHORTEST_IN_WORDS {
            without_word(&text, secret)
        } else {
            text.replace(secret.as_str(), SHOWN_INSTEAD)
        }
    };
    secrets.into_iter().fold(text.to_owned(), hide)
}

/// `text` without `word` where it stands alone, unless it names a value of JSON or a label of a metric.
fn without_word(text: &str, word: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut at = 0;
    for (start, _) in text.match_indices(word) {
        let end = start + word.len();
        let (Some(before), Some(behind)) = (text.get(..start), text.get(end..)) else {
            continue;
        };
        let is_part = ends_in_word(before) || behind.starts_with(is_of_word);
        let is_name =
            before.ends_with('"') && behind.starts_with("\":") || behind.starts_with("=\"");
        if is_part || is_name {
            continue;
        }
        shown.push_str(text.get(at..start).unwrap_or_default());
        shown.push_str(SHOWN_INSTEAD);
        at = end;
    }
    shown.push_str(text.get(at..).unwrap_or_default());
    shown
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
pub(super) fn remember<'a>(options: impl IntoIterator<Item = (&'a String, &'a String)>) {
    for (name, value) in options {
        remember_setting(name, value);
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
        {
            remember_setting(name, value);
        }
    }
    if let Some(home) = std::env::var_os("HOME") {
        remember_file(&Path::new(&home).join(GOOGLES_FILE));
    }
}

/// Remembers a secret that is no store's: the key or password of whoever is told of a run.
pub(crate) fn remember_secret(secret: &str) {
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
}

/// Remembers what a header says by which a run is told to others. Some carry names, as of tenants, so a short one is a secret only
/// where it is called so.
pub(crate) fn remember_header(name: &str, value: &str) {
    let is_called_so = is_secret(name) || name.eq_ignore_ascii_case("authorization");
    if is_called_so || value.len() >= SHORTEST_IN_WORDS {
        remember_secret(value);
        // `Bearer …` and `Basic …`: the scheme is no secret, and the rest may be told without it.
        if let Some((_, secret)) = value.split_once(' ') {
            remember_secret(secret);
        }
    }
}

fn can_be_hidden(secret: &str) -> bool {
    let says_little = secret.parse::<f64>().is_ok() || NEVER_HIDDEN.contains(&secret);
    let shortest = if says_little {
        SHORTEST_IN_WORDS
    } else {
        SHORTEST
    };
    secret.len() >= shortest
}

fn remember_setting(name: &str, value: &str) {
    if names_file(name) {
        remember_file(Path::new(value));
    }
    // A proxy's URL.
    if let Ok(url) = Url::parse(value)
        && let Some(password) = url.password()
    {
        remember_secret(password);
    }
    if !is_secret(name) {
        return;
    }
    remember_text(value);
    remember_secret(value);
    // A shared access signature is a query; what is secret of it is the signature.
    for pair in value.trim_start_matches('?').split('&') {
        if let Some(signature) = pair.strip_prefix("sig=") {
            remember_secret(signature);
            parse(pair.as_bytes()).for_each(|(_, decoded)| remember_secret(&decoded));
        }
    }
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
        remember_text(&text);
    }
}

/// Remembers what is secret by its name in JSON; of any other text all of it.
fn remember_text(text: &str) {
    match serde_json::from_str::<Value>(text) {
        Ok(value @ (Value::Object(_) | Value::Array(_))) => remember_members(&value),
        Ok(Value::String(secret)) => remember_secret(&secret),
        _ => remember_secret(text.trim()),
    }
}

fn remember_members(value: &Value) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(secret) if is_secret(name) => remember_secret(secret),
                    _ => remember_members(member),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(remember_members),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_hidden_as_it_is_and_encoded() {
        remember_setting("secret_access_key", "hidden/by+test=1");
        remember_setting("sas_key", "?sv=1&sig=signed%2Fby%2Btest");
        remember_setting("proxy_url", "http://user:proxied-by-test@host");
        remember_secret("quo\"ted-by-test");
        assert_eq!(
            redacted("<hidden/by+test=1> hidden%2Fby%2Btest%3D1 proxied-by-test"),
            "<(secret)> (secret) (secret)"
        );
        assert_eq!(
            redacted("sv=1&amp;sig=signed%2Fby%2Btest signed/by+test"),
            "sv=1&amp;sig=(secret) (secret)"
        );
        assert_eq!(
            redacted("{\"a\":\"quo\\\"ted-by-test\"}"),
            "{\"a\":\"(secret)\"}"
        );
    }

    #[test]
    fn a_short_secret_is_hidden_where_it_is_a_word() {
        remember_setting("account_key", "q7/x");
        remember_setting("account_key", "Zz9q");
        for (text, shown) in [
            ("Zz9q", "(secret)"),
            ("key:Zz9q\n", "key:(secret)\n"),
            ("a/b?key=Zz9q&c", "a/b?key=(secret)&c"),
            (
                "{\"said\":\"key\\nZz9q\\n\",\"Zz9q\":1}",
                "{\"said\":\"key\\n(secret)\\n\",\"Zz9q\":1}",
            ),
            ("key%3DZz9q%26", "key%3D(secret)%26"),
            ("rows{Zz9q=\"Zz9q\"} 1", "rows{Zz9q=\"(secret)\"} 1"),
            ("aZz9q Zz9q1 Zz9q_rows", "aZz9q Zz9q1 Zz9q_rows"),
            ("q7%2Fx, q7/x", "(secret), (secret)"),
        ] {
            assert_eq!(redacted(text), shown);
        }
    }

    #[test]
    fn what_json_and_texts_are_made_of_is_not_hidden() {
        for secret in ["", "abc", "1234", "20.5e3", "true", "null", "secret"] {
            remember_secret(secret);
        }
        let text = "{\"rows\":1234,\"is\":true,\"abc\":null,\"at\":\"1234-20.5e3 secret\"}";
        assert_eq!(redacted(text), text);
    }

    #[test]
    fn a_header_is_a_secret_where_it_is_called_so_or_long() {
        remember_header("x-tenant", "t3nA");
        remember_header("x-team", "team-of-a-test");
        remember_header("x-api-key", "aK3y");
        remember_header("Authorization", "Basic bA5e");
        assert_eq!(
            redacted("t3nA team-of-a-test aK3y bA5e"),
            "t3nA (secret) (secret) (secret)"
        );
    }

    #[test]
    fn files_that_hold_credentials_are_known() {
        for name in [
            "AWS_WEB_IDENTITY_TOKEN_FILE",
            "container_authorization_token_file",
            "azure_federated_token_file",
            "GOOGLE_SERVICE_ACCOUNT",
            "SERVICE_ACCOUNT",
            "service_account_path",
            "google_application_credentials",
        ] {
            assert!(names_file(name), "{name}");
        }
        assert!(!names_file("service_account_key"));
    }

    #[test]
    fn what_a_file_holds_is_hidden() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        // Nothing is there yet.
        remember_setting("web_identity_token_file", path.to_str().unwrap());
        remember_file(folder.path());
        std::fs::write(&path, "token-of-test\n").unwrap();
        remember_setting("web_identity_token_file", path.to_str().unwrap());
        let account = "{\"type\": \"service_account\", \"private_key_id\": \"id-of-test\",
            \"private_key\": \"-----BEGIN KEY-----\\nfirst-of-test\\nsecond+of+test\\n-----END KEY-----\\n\",
            \"source\": {\"refresh_token\": \"refreshed-by-test\"}}";
        std::fs::write(&path, account).unwrap();
        remember_setting("SERVICE_ACCOUNT", path.to_str().unwrap());
        remember_setting(
            "service_account_key",
            "{\"private_key\": \"within-a-test\"}",
        );
        assert_eq!(
            redacted("token-of-test id-of-test first-of-test second%2Bof%2Btest"),
            "(secret) id-of-test (secret) (secret)"
        );
        assert_eq!(
            redacted("-----BEGIN KEY-----\\nfirst-of-test\\nsecond+of+test\\n-----END KEY-----\\n"),
            "(secret)"
        );
        assert_eq!(
            redacted("refreshed-by-test, within-a-test, service_account"),
            "(secret), (secret), service_account"
        );
    }
}
