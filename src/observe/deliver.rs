//! Requests to whoever is told of a run: bounded, tried once, and never a reason for a run to fail.

use std::error::Error;
use std::time::Duration;

use crate::store::redacted;

/// How long one request may take from its beginning to its answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// How long of it until there is a connection.
const CONNECT: Duration = Duration::from_secs(2);
/// Characters of an answer that are told in a warning.
const ANSWER_CHARS: usize = 200;
/// Bytes of it that are looked at.
const ANSWER_BYTES: usize = 16 * 1024;

/// Where something is sent, and with what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub(super) url: url::Url,
    pub(super) headers: Vec<(String, String)>,
}

impl Endpoint {
    /// Sends `value` in the place of what was to be sent under that name.
    pub(super) fn set_header(&mut self, name: &str, value: String) {
        self.headers
            .retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value));
    }

    /// The URL as it may be told: without user, password and query.
    pub(super) fn shown(&self) -> String {
        let mut shown = self.url.clone();
        // Both setters fail only for URLs that can carry neither.
        let _ = shown.set_password(None);
        let _ = shown.set_username("");
        shown.set_query(None);
        shown.set_fragment(None);
        shown.to_string()
    }
}

/// A body, without secrets, and its type.
#[derive(Debug, Clone)]
pub(super) struct Message {
    /// `PUT` replaces what is there, `POST` adds to it.
    pub(super) replaces: bool,
    pub(super) content_type: &'static str,
    pub(super) body: String,
}

/// Sends messages.
#[derive(Debug, Clone)]
pub(super) struct Client {
    http: reqwest::Client,
}

impl Client {
    /// A client that has contacted nobody.
    pub(super) fn new() -> Result<Self, String> {
        let http = reqwest::Client::builder()
            .timeout(PATIENCE)
            .connect_timeout(CONNECT)
            .user_agent(concat!("cvm/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(because)?;
        Ok(Self { http })
    }

    /// Sends a message; an answer other than 2xx is a failure. Secrets are cut out of what is told of it.
    pub(super) async fn send(&self, to: &Endpoint, message: &Message) -> Result<(), String> {
        let method = if message.replaces {
            reqwest::Method::PUT
        } else {
            reqwest::Method::POST
        };
        let mut request = self
            .http
            .request(method, to.url.as_str())
            .header("content-type", message.content_type);
        for (name, value) in &to.headers {
            request = request.header(name.as_str(), value.as_str());
        }
        let sent = request.body(message.body.clone()).send().await;
        let mut response = sent.map_err(because)?;
        let status = response.status();
        if status.is_success() {
            return Ok(());
        }
        let mut answer = Vec::new();
        while let Ok(Some(bytes)) = response.chunk().await {
            answer.extend_from_slice(&bytes);
            if answer.len() > ANSWER_BYTES {
                break;
            }
        }
        // Secrets first: of one that is cut in two, neither part would be known.
        let answer = redacted(&String::from_utf8_lossy(&answer));
        let words: Vec<&str> = answer.split_whitespace().collect();
        let line: String = words.join(" ").chars().take(ANSWER_CHARS).collect();
        Err(format!("{status}: {line}"))
    }
}

/// An error and its causes in a line, without the URL, which may hold a password.
fn because(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        said.push_str(": ");
        said.push_str(&inner.to_string());
        cause = inner.source();
    }
    redacted(&said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_shown() {
        let endpoint = Endpoint {
            url: url::Url::parse("https://me:hidden@push:9091/metrics?token=hidden").unwrap(),
            headers: Vec::new(),
        };
        assert_eq!(endpoint.shown(), "https://push:9091/metrics");
    }

    #[tokio::test]
    async fn nobody_there_is_told_without_the_url() {
        // A port that was free a moment ago.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let endpoint = Endpoint {
            url: url::Url::parse(&format!("http://127.0.0.1:{port}/secret")).unwrap(),
            headers: Vec::new(),
        };
        let message = Message {
            replaces: false,
            content_type: "application/json",
            body: "{}".to_owned(),
        };
        let told = Client::new().unwrap().send(&endpoint, &message).await;
        let told = told.unwrap_err();
        assert!(
            told.starts_with("error sending request: ") && !told.contains("/secret"),
            "{told}"
        );
    }
}
