//! Who is told of a run: what the command line and the environment say. The variables are those that OpenLineage's and
//! OpenTelemetry's own clients read; an empty one counts as none.

use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use url::{Url, form_urlencoded};

use super::deliver::Endpoint;
use super::openlineage::{Identity, Parent};
use super::otlp::TraceParent;
use crate::store::{remember_header, remember_secret};

const NAMESPACE: &str = "cvm";
const SERVICE: &str = "cvm";
const LINEAGE_PATH: &str = "api/v1/lineage";
const TRACES_PATH: &str = "v1/traces";

/// What the command line asks for.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// A file for OpenLineage's events, one a line, added to its end.
    pub lineage: Option<PathBuf>,
    /// A file for Prometheus' metrics, replaced.
    pub metrics: Option<PathBuf>,
    /// The URL of a Pushgateway.
    pub push: Option<String>,
}

/// Who is told of a run.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) lineage_file: Option<PathBuf>,
    pub(super) metrics_file: Option<PathBuf>,
    pub(super) lineage: Option<Endpoint>,
    /// Without the group of the pipeline.
    pub(super) push: Option<Endpoint>,
    pub(super) traces: Option<Endpoint>,
    pub(super) identity: Identity,
    pub(super) trace_parent: Option<TraceParent>,
    pub(super) service: String,
    pub(super) resource: Vec<(String, String)>,
    /// What was not understood.
    pub(super) warnings: Vec<String>,
}

impl Settings {
    /// What is asked for, with `environment` as the variables of the process. Secrets among them are remembered, so that nothing
    /// shows them.
    pub(super) fn of(wanted: Wanted, environment: &dyn Fn(&str) -> Option<String>) -> Self {
        let get = |name: &str| {
            let value = environment(name).unwrap_or_default();
            let value = value.trim();
            (!value.is_empty()).then(|| value.to_owned())
        };
        let mut warnings = Vec::new();
        let push = wanted.push.filter(|url| !url.is_empty());
        let push = push.and_then(|url| endpoint("the Pushgateway's URL", &url, "", &mut warnings));
        let mut settings = Self {
            lineage_file: wanted.lineage,
            metrics_file: wanted.metrics,
            lineage: lineage(&get, &mut warnings),
            push,
            traces: traces(&get, &mut warnings),
            identity: Identity {
                namespace: get("OPENLINEAGE_NAMESPACE").unwrap_or_else(|| NAMESPACE.to_owned()),
                parent: None,
                root: None,
            },
            trace_parent: None,
            service: get("OTEL_SERVICE_NAME").unwrap_or_else(|| SERVICE.to_owned()),
            resource: get("OTEL_RESOURCE_ATTRIBUTES")
                .map(|text| pairs(&text))
                .unwrap_or_default(),
            warnings,
        };
        // `service.name` stands there alone: two of one name would be no attributes.
        settings.resource.retain(|(name, value)| {
            let is_service = name == "service.name";
            if is_service && get("OTEL_SERVICE_NAME").is_none() {
                settings.service.clone_from(value);
            }
            !is_service && name != "service.version"
        });
        if settings.tells_lineage() {
            settings.identity.parent = settings.parent("OPENLINEAGE_PARENT_ID", &get);
            settings.identity.root = settings.parent("OPENLINEAGE_ROOT_PARENT_ID", &get);
        }
        if settings.traces.is_some() {
            settings.find_trace_parent(&get);
        }
        settings
    }

    pub(super) fn tells_lineage(&self) -> bool {
        self.lineage.is_some() || self.lineage_file.is_some()
    }

    /// Whether anybody is told, be it only what was not understood.
    pub(super) fn tells(&self) -> bool {
        self.tells_lineage()
            || self.metrics_file.is_some()
            || self.push.is_some()
            || self.traces.is_some()
            || !self.warnings.is_empty()
    }

    fn parent(&mut self, name: &str, get: &dyn Fn(&str) -> Option<String>) -> Option<Parent> {
        let text = get(name)?;
        let parent = Parent::parse(&text);
        if parent.is_none() {
            self.warnings.push(format!(
                "{name} is not `namespace/job/run id` with a UUID as the run's id: lineage goes without it"
            ));
        }
        parent
    }

    fn find_trace_parent(&mut self, get: &dyn Fn(&str) -> Option<String>) {
        let Some(text) = get("TRACEPARENT") else {
            return;
        };
        match TraceParent::parse(&text) {
            // Whoever began the trace does not keep it.
            Some(parent) if !parent.is_sampled => self.traces = None,
            Some(parent) => self.trace_parent = Some(parent),
            None => self.warnings.push(
                "TRACEPARENT is not `00-<trace id>-<span id>-<flags>`: the run is a trace of its own"
                    .to_owned(),
            ),
        }
    }
}

fn lineage(get: &dyn Fn(&str) -> Option<String>, warnings: &mut Vec<String>) -> Option<Endpoint> {
    if is_true(get("OPENLINEAGE_DISABLED")) {
        return None;
    }
    let url = get("OPENLINEAGE_URL")?;
    let path = get("OPENLINEAGE_ENDPOINT").unwrap_or_else(|| LINEAGE_PATH.to_owned());
    let mut endpoint = endpoint("OPENLINEAGE_URL", &url, &path, warnings)?;
    if let Some(key) = get("OPENLINEAGE_API_KEY") {
        if !remember_secret(&key) {
            warnings.push(too_short("lineage", "OPENLINEAGE_API_KEY"));
            return None;
        }
        let bearer = format!("Bearer {key}");
        endpoint.set_header("authorization", bearer);
    }
    Some(endpoint)
}

fn traces(get: &dyn Fn(&str) -> Option<String>, warnings: &mut Vec<String>) -> Option<Endpoint> {
    let is_off = get("OTEL_TRACES_EXPORTER").is_some_and(|exporter| exporter == "none");
    if is_true(get("OTEL_SDK_DISABLED")) || is_off {
        return None;
    }
    // What is said of traces alone comes first, and its URL is taken as it is.
    let of_traces = |name: &str| get(&format!("OTEL_EXPORTER_OTLP_TRACES_{name}"));
    let of_all = |name: &str| get(&format!("OTEL_EXPORTER_OTLP_{name}"));
    let (name, url, path) = match of_traces("ENDPOINT") {
        Some(url) => ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", url, ""),
        None => (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            of_all("ENDPOINT")?,
            TRACES_PATH,
        ),
    };
    let protocol = of_traces("PROTOCOL").or_else(|| of_all("PROTOCOL"));
    if protocol.as_deref() == Some("grpc") {
        warnings.push(
            "no trace: OTEL_EXPORTER_OTLP_PROTOCOL is grpc, and cvm speaks http/json; name the collector's HTTP port, which is \
             4318 where nothing else is said"
                .to_owned(),
        );
        return None;
    }
    let mut endpoint = endpoint(name, &url, path, warnings)?;
    let headers = of_traces("HEADERS").or_else(|| of_all("HEADERS"));
    for (name, value) in headers.map(|text| pairs(&text)).unwrap_or_default() {
        if !remember_header(&name, &value) {
            let header = format!("the header `{name}` of OTEL_EXPORTER_OTLP_HEADERS");
            warnings.push(too_short("trace", &header));
            return None;
        }
        endpoint.set_header(&name, value);
    }
    Some(endpoint)
}

/// `path` below the URL that `what` says. A user and password in it become a header.
fn endpoint(what: &str, url: &str, path: &str, warnings: &mut Vec<String>) -> Option<Endpoint> {
    let below = if path.is_empty() {
        url.to_owned()
    } else {
        format!(
            "{}/{}",
            url.trim_end_matches('/'),
            path.trim_start_matches('/')
        )
    };
    let parsed = Url::parse(&below).ok();
    let Some(mut url) = parsed.filter(|url| matches!(url.scheme(), "http" | "https")) else {
        // What it says may hold a password.
        warnings.push(format!("{what} is no URL of the form http://host:port"));
        return None;
    };
    let mut headers = Vec::new();
    if let Some(password) = url.password() {
        let password = decoded(password);
        let pair = STANDARD.encode(format!("{}:{password}", decoded(url.username())));
        // A server may quote it in any of its forms.
        let all = [url.password().unwrap_or_default(), &password, &pair].map(remember_secret);
        if all.contains(&false) {
            warnings.push(too_short("word to it", &format!("the password of {what}")));
            return None;
        }
        headers.push(("authorization".to_owned(), format!("Basic {pair}")));
    }
    // Both setters fail only for URLs that can carry neither.
    let _ = url.set_password(None);
    let _ = url.set_username("");
    Some(Endpoint { url, headers })
}

/// What is not told, because a secret for it could not be hidden.
fn too_short(what: &str, secret: &str) -> String {
    format!(
        "no {what}: {secret} could not be told from other text, and so not be kept out of messages: a secret needs at least four \
         characters, or eight where it is a number"
    )
}

/// `name=value,name=value`, percent-encoded, as OpenTelemetry writes lists.
fn pairs(text: &str) -> Vec<(String, String)> {
    let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(name, value)| (decoded(name.trim()), decoded(value.trim())))
        .filter(|(name, _)| !name.is_empty())
        .collect()
}

/// Percent-decoded text.
fn decoded(text: &str) -> String {
    // A form's decoder, of which everything that only forms have is hidden.
    let hidden = text
        .replace('+', "%2B")
        .replace('&', "%26")
        .replace('=', "%3D");
    form_urlencoded::parse(hidden.as_bytes())
        .map(|(text, _)| text.into_owned())
        .next()
        .unwrap_or_default()
}

fn is_true(value: Option<String>) -> bool {
    value.is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::redacted;

    fn settings(variables: &[(&str, &str)], wanted: Wanted) -> Settings {
        let get = |name: &str| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Settings::of(wanted, &get)
    }

    #[test]
    fn nobody_is_told_where_nobody_asks() {
        let settings = settings(
            &[("OPENLINEAGE_URL", ""), ("TRACEPARENT", "x")],
            Wanted::default(),
        );
        assert!(!settings.tells());
    }

    #[test]
    fn the_variables_of_the_clients_are_read() {
        let settings = settings(
            &[
                ("OPENLINEAGE_URL", "http://marquez:5000/"),
                ("OPENLINEAGE_API_KEY", "a-key-of-a-test"),
                (
                    "OPENLINEAGE_PARENT_ID",
                    "airflow/etl.marts/0190a2bc-0000-7000-8000-000000000001",
                ),
                ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318"),
                (
                    "OTEL_EXPORTER_OTLP_HEADERS",
                    "authorization=Basic%20a+b%3D,x-tenant=shop",
                ),
                (
                    "OTEL_RESOURCE_ATTRIBUTES",
                    "service.name=marts,deployment.environment=test",
                ),
                (
                    "TRACEPARENT",
                    "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                ),
            ],
            Wanted::default(),
        );
        assert_eq!(settings.warnings, Vec::<String>::new());
        let lineage = settings.lineage.unwrap();
        assert_eq!(lineage.url.as_str(), "http://marquez:5000/api/v1/lineage");
        assert_eq!(lineage.headers[0].1, "Bearer a-key-of-a-test");
        let parent = settings.identity.parent.unwrap();
        assert_eq!(
            (parent.namespace.as_str(), parent.job.as_str()),
            ("airflow", "etl.marts")
        );
        let traces = settings.traces.unwrap();
        assert_eq!(traces.url.as_str(), "http://collector:4318/v1/traces");
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            traces.headers,
            [
                header("authorization", "Basic a+b="),
                header("x-tenant", "shop")
            ]
        );
        assert_eq!(settings.service, "marts");
        assert_eq!(
            settings.resource,
            [header("deployment.environment", "test")]
        );
        assert!(settings.trace_parent.is_some());
    }

    #[test]
    fn a_password_becomes_a_header() {
        let wanted = Wanted {
            push: Some("https://me:a%2Fpassword@push:9091".to_owned()),
            ..Wanted::default()
        };
        let push = settings(&[], wanted).push.unwrap();
        assert_eq!(push.url.as_str(), "https://push:9091/");
        let header = (
            "authorization".to_owned(),
            "Basic bWU6YS9wYXNzd29yZA==".to_owned(),
        );
        assert_eq!(push.headers, [header]);
        assert_eq!(
            redacted("a/password a%2Fpassword bWU6YS9wYXNzd29yZA=="),
            "(secret) (secret) (secret)"
        );
    }

    #[test]
    fn an_endpoint_of_traces_is_taken_as_it_is() {
        let settings = settings(
            &[
                ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://other:4318"),
                (
                    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
                    "http://collector/otlp",
                ),
            ],
            Wanted::default(),
        );
        assert_eq!(
            settings.traces.unwrap().url.as_str(),
            "http://collector/otlp"
        );
    }

    #[test]
    fn what_is_not_understood_is_told_without_what_it_says() {
        let settings = settings(
            &[
                ("OPENLINEAGE_URL", "http://marquez:5000"),
                ("OPENLINEAGE_PARENT_ID", "airflow/etl/1"),
                ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317"),
            ],
            Wanted {
                push: Some("user:hidden@host".to_owned()),
                ..Wanted::default()
            },
        );
        assert_eq!(
            settings.warnings,
            [
                "the Pushgateway's URL is no URL of the form http://host:port",
                "OTEL_EXPORTER_OTLP_ENDPOINT is no URL of the form http://host:port",
                "OPENLINEAGE_PARENT_ID is not `namespace/job/run id` with a UUID as the run's id: lineage goes without it",
            ]
        );
    }

    #[test]
    fn a_trace_that_is_not_kept_is_not_sent() {
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318");
        let parent = (
            "TRACEPARENT",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
        );
        assert!(
            settings(&[endpoint, parent], Wanted::default())
                .traces
                .is_none()
        );
        let grpc = ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
        let settings = settings(&[endpoint, grpc], Wanted::default());
        assert!(settings.traces.is_none() && settings.warnings.len() == 1);
    }
}
