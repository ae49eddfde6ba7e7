//! A run as a trace: one span for the run, one for each stage, as OTLP's JSON (`ExportTraceServiceRequest`).
//!
//! Written by hand: all spans are known at once when the run is over, so there is nothing for an SDK with its processors and threads
//! to do, and the JSON is a plain form: ids in hex, 64-bit whole numbers as text, enums as numbers. Secrets are cut out of texts as they
//! are put in, because those numbers must stay.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::record::{Record, Span};
use crate::plan::fingerprint;
use crate::store::redacted;

/// `SPAN_KIND_INTERNAL`.
const INTERNAL: u8 = 1;
/// `STATUS_CODE_OK` and `STATUS_CODE_ERROR`.
const OK: u8 = 1;
const ERROR: u8 = 2;

/// The span that the run belongs to, as W3C's `traceparent` names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TraceParent {
    trace_id: String,
    span_id: String,
    /// Whether whoever began the trace keeps it. Where it does not, parts of it are of no use.
    pub(super) is_sampled: bool,
}

impl TraceParent {
    /// `00-<trace id>-<span id>-<flags>`; none where it is something else.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().split('-');
        let (version, trace_id, span_id, flags) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let is_hex = |text: &str, length: usize| {
            text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit())
        };
        let is_id = |text: &str, length: usize| {
            is_hex(text, length) && text.contains(|digit: char| digit != '0')
        };
        let is_whole =
            is_hex(version, 2) && version != "ff" && (version != "00" || parts.next().is_none());
        if !is_whole || !is_id(trace_id, 32) || !is_id(span_id, 16) || !is_hex(flags, 2) {
            return None;
        }
        let flags = u8::from_str_radix(flags, 16).ok()?;
        Some(Self {
            trace_id: trace_id.to_ascii_lowercase(),
            span_id: span_id.to_ascii_lowercase(),
            is_sampled: flags & 1 == 1,
        })
    }
}

/// The trace of a run that is over. Without a parent the run's own id is the trace's, so that one leads to the other.
pub(super) fn trace(
    record: &Record,
    service: &str,
    resource: &[(String, String)],
    parent: Option<&TraceParent>,
) -> Value {
    let trace_id = parent.map_or_else(
        || record.run_id.replace('-', ""),
        |parent| parent.trace_id.clone(),
    );
    let mut root = run_span(record, &trace_id);
    if let (Some(root), Some(parent)) = (root.as_object_mut(), parent) {
        root.insert("parentSpanId".to_owned(), parent.span_id.clone().into());
    }
    let stages = record.spans.iter().zip(1..);
    let stages = stages.map(|(span, number)| stage_span(record, span, number, &trace_id));
    let spans: Vec<Value> = std::iter::once(root).chain(stages).collect();
    let own = [
        ("service.name", Value::from(service)),
        ("service.version", Value::from(env!("CARGO_PKG_VERSION"))),
    ];
    let mut about = attributes(own);
    for (name, value) in resource {
        about.push(attribute(name, &Value::from(value.as_str())));
    }
    json!({ "resourceSpans": [{
        "resource": { "attributes": about },
        "scopeSpans": [{
            "scope": { "name": "cvm", "version": env!("CARGO_PKG_VERSION") },
            "spans": spans,
        }],
    }] })
}

fn run_span(record: &Record, trace_id: &str) -> Value {
    let report = &record.report;
    let text = |text: &Option<String>| text.clone().map_or(Value::Null, Value::from);
    let number = |number: Option<u64>| number.map_or(Value::Null, Value::from);
    let rows_read: u64 = report.sources.iter().map(|source| source.rows_read).sum();
    let rows_set_aside: u64 = report
        .sources
        .iter()
        .map(|source| source.rows_set_aside)
        .sum();
    let about = attributes([
        ("cvm.run_id", Value::from(record.run_id.as_str())),
        ("cvm.pipeline", Value::from(record.pipeline.as_str())),
        ("cvm.as_of", text(&record.as_of)),
        ("cvm.exit_code", Value::from(record.exit_code())),
        ("cvm.commit", number(report.commit)),
        ("cvm.unchanged_since", text(&report.unchanged_since)),
        ("cvm.rows_read", Value::from(rows_read)),
        ("cvm.rows_set_aside", Value::from(rows_set_aside)),
        ("cvm.peak_memory_bytes", number(report.peak_memory_bytes)),
    ]);
    let name = format!("run {}", record.pipeline);
    let mut span = span(
        record,
        0,
        trace_id,
        &name,
        (record.began, record.ended),
        about,
    );
    let Some(content) = span.as_object_mut() else {
        return span;
    };
    if let Some(failure) = &record.failure {
        let message = failure.message.as_str();
        content.insert(
            "status".to_owned(),
            json!({ "code": ERROR, "message": redacted(message) }),
        );
        let exception = attributes([
            ("exception.type", Value::from(format!("{:?}", failure.kind))),
            ("exception.message", Value::from(message)),
        ]);
        let event = json!({
            "timeUnixNano": nanoseconds(record.ended),
            "name": "exception",
            "attributes": exception,
        });
        content.insert("events".to_owned(), json!([event]));
    } else {
        content.insert("status".to_owned(), json!({ "code": OK }));
    }
    span
}

fn stage_span(record: &Record, stage: &Span, number: u64, trace_id: &str) -> Value {
    let about = attributes([
        ("cvm.stage", Value::from(stage.stage.as_str())),
        ("cvm.stage.kind", Value::from(stage.kind)),
        ("cvm.rows", stage.rows.map_or(Value::Null, Value::from)),
    ]);
    let name = format!("{} {}", stage.kind, stage.stage);
    let times = (stage.began, stage.ended.unwrap_or(record.ended));
    let mut span = span(record, number, trace_id, &name, times, about);
    if let Some(content) = span.as_object_mut() {
        content.insert("parentSpanId".to_owned(), span_id(record, 0).into());
        if stage.ended.is_none() {
            content.insert("status".to_owned(), json!({ "code": ERROR }));
        }
    }
    span
}

fn span(
    record: &Record,
    number: u64,
    trace_id: &str,
    name: &str,
    (began, ended): (DateTime<Utc>, DateTime<Utc>),
    about: Vec<Value>,
) -> Value {
    json!({
        "traceId": trace_id,
        "spanId": span_id(record, number),
        "name": redacted(name),
        "kind": INTERNAL,
        "startTimeUnixNano": nanoseconds(began),
        // The clock may have been set back meanwhile.
        "endTimeUnixNano": nanoseconds(ended.max(began)),
        "attributes": about,
    })
}

/// Eight bytes that no other span of the trace has, in hex. 0 is the run's.
fn span_id(record: &Record, number: u64) -> String {
    let number = number.to_string();
    let hash = fingerprint([record.run_id.as_str(), number.as_str()]);
    hash.chars().take(16).collect()
}

fn nanoseconds(time: DateTime<Utc>) -> String {
    time.timestamp_nanos_opt().unwrap_or_default().to_string()
}

/// Attributes, without those that have no value.
fn attributes<const N: usize>(named: [(&str, Value); N]) -> Vec<Value> {
    named
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| attribute(name, value))
        .collect()
}

fn attribute(name: &str, value: &Value) -> Value {
    let mut typed = Map::new();
    match value {
        Value::String(text) => typed.insert("stringValue".to_owned(), redacted(text).into()),
        other => typed.insert("intValue".to_owned(), other.to_string().into()),
    };
    json!({ "key": name, "value": typed })
}
