//! The secrets that this process was given, so that no error shows them.
//!
//! A server may quote the request in its answer, and object_store puts the answer into its error: S3 tells the session token where
//! a signature is wrong. Known are the secrets among the options of stores and in the variables of providers, and those with which a
//! run is told to others; not what a file holds that object_store reads itself, and not what is shorter than eight characters, which
//! would hide half of every text.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use url::form_urlencoded::{byte_serialize, parse};

/// Of the process, because errors come from wherever stores are used.
static KNOWN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

const SHORTEST: usize = 8;
const SHOWN_INSTEAD: &str = "(secret)";

/// `text` without the secrets that are known, as they are and percent-encoded.
pub(crate) fn redacted(text: &str) -> String {
    let known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    // The longest first: one may be a part of another.
    let mut secrets: Vec<&String> = known.iter().collect();
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    let hide = |text: String, secret: &String| text.replace(secret.as_str(), SHOWN_INSTEAD);
    secrets.into_iter().fold(text.to_owned(), hide)
}

/// Remembers the value of each setting that is a secret by its name, of the options of a store and of its provider's variables.
pub(super) fn remember<'a>(options: impl IntoIterator<Item = (&'a String, &'a String)>) {
    for (name, value) in options {
        remember_setting(name, value);
    }
    for (name, value) in std::env::vars_os() {
        let (Some(name), Some(value)) = (name.to_str(), value.to_str()) else {
            continue;
        };
        if ["AWS_", "AZURE_", "GOOGLE_"]
            .iter()
            .any(|provider| name.starts_with(provider))
        {
            remember_setting(name, value);
        }
    }
}

/// Remembers a secret that is no store's: the key or password of whoever is told of a run.
pub(crate) fn remember_secret(secret: &str) {
    if secret.len() >= SHORTEST {
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(secret.to_owned());
        known.insert(byte_serialize(secret.as_bytes()).collect());
    }
}

fn remember_setting(name: &str, value: &str) {
    if !is_secret(name) {
        return;
    }
    remember_secret(value);
    // A shared access signature is a query; what is secret of it is the signature.
    for pair in value.trim_start_matches('?').split('&') {
        if let Some(signature) = pair.strip_prefix("sig=") {
            remember_secret(signature);
            parse(pair.as_bytes()).for_each(|(_, decoded)| remember_secret(&decoded));
        }
    }
}

/// Key ids and paths of files are none, and help whoever looks for what is wrong.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let says_so = ["key", "secret", "token", "sas", "password"]
        .iter()
        .any(|word| name.contains(word));
    says_so
        && !["_id", "_file", "_path", "_uri", "_url", "_endpoint"]
            .iter()
            .any(|end| name.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::{is_secret, redacted, remember_setting};

    #[test]
    fn secrets_are_named_so() {
        for name in [
            "AWS_SECRET_ACCESS_KEY",
            "session_token",
            "sas_key",
            "account_key",
        ] {
            assert!(is_secret(name), "{name}");
        }
        for name in [
            "AWS_ACCESS_KEY_ID",
            "endpoint",
            "region",
            "AWS_WEB_IDENTITY_TOKEN_FILE",
        ] {
            assert!(!is_secret(name), "{name}");
        }
    }

    #[test]
    fn a_secret_is_hidden_as_it_is_and_encoded() {
        remember_setting("secret_access_key", "hidden/by+test=1");
        remember_setting("sas_key", "?sv=1&sig=signed%2Fby%2Btest");
        remember_setting("account_key", "short");
        assert_eq!(
            redacted("<hidden/by+test=1> hidden%2Fby%2Btest%3D1 short"),
            "<(secret)> (secret) short"
        );
        assert_eq!(
            redacted("sv=1&amp;sig=signed%2Fby%2Btest signed/by+test"),
            "sv=1&amp;sig=(secret) (secret)"
        );
    }
}
