//! A run as Prometheus' text format 0.0.4, which node_exporter's textfile collector and a Pushgateway read.
//!
//! Written by hand: the client libraries are made for counters that threads change while a server is asked for them. Here are a few
//! dozen gauges of a run that is over, in an order that is always the same, which no library gives for families with labels.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use super::record::Record;
use crate::run::report::SourceReport;
use crate::store::redacted;

/// The type of what [`text`] gives.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The labels of a sample besides the pipeline.
type Labels<'a> = Vec<(&'static str, &'a str)>;

/// A figure of a raw table.
type Figure = fn(&SourceReport) -> u64;

/// The metrics of a run that is over. All are gauges, because each run tells its own figures anew.
pub(super) fn text(record: &Record) -> String {
    let mut page = Page::of(record);
    run(&mut page, record);
    sources(&mut page, record);
    // A run that failed has published nothing, whatever it wrote aside.
    if record.failure.is_none() {
        tables(&mut page, record);
    }
    stages(&mut page, record);
    checks(&mut page, record);
    page.text
}

fn run(page: &mut Page<'_>, record: &Record) {
    let report = &record.report;
    let truth = |holds: bool| Some(if holds { 1.0 } else { 0.0 });
    let seconds = |time: chrono::DateTime<chrono::Utc>| time.timestamp_millis() as f64 / 1_000.0;
    let of_run: [(&str, &str, Option<f64>); 10] = [
        (
            "cvm_run_success",
            "Whether the last run ended well, having published or having found nothing new.",
            truth(record.failure.is_none()),
        ),
        (
            "cvm_run_exit_code",
            "The exit code of the last run: 0 ok, 1 internal, 2 configuration, 3 data quality, 4 concurrent run, 5 transient store \
             failure, 6 terminated.",
            Some(f64::from(record.exit_code())),
        ),
        (
            "cvm_run_unchanged",
            "Whether the last run published nothing because nothing had changed.",
            truth(report.unchanged_since.is_some()),
        ),
        (
            "cvm_run_duration_seconds",
            "How long the last run took.",
            Some(record.seconds()),
        ),
        (
            "cvm_run_completed_timestamp_seconds",
            "When the last run ended, well or not.",
            Some(seconds(record.ended)),
        ),
        (
            "cvm_run_as_of_timestamp_seconds",
            "The midnight, in UTC, of the day that is the exclusive end of what the last run saw.",
            record.as_of_midnight().map(seconds),
        ),
        (
            "cvm_run_commit",
            "The number of the commit that readers see since the last run.",
            report.commit.map(|commit| commit as f64),
        ),
        (
            "cvm_run_warnings",
            "What the last run found odd.",
            Some(report.warnings.len() as f64),
        ),
        (
            "cvm_run_threads",
            "Partitions that worked at the same time.",
            (report.threads > 0).then_some(report.threads as f64),
        ),
        (
            "cvm_peak_memory_bytes",
            "The most memory that the process of the last run held.",
            report.peak_memory_bytes.map(|bytes| bytes as f64),
        ),
    ];
    for (name, help, value) in of_run {
        page.family(name, help, value.map(|value| (Labels::new(), value)));
    }
}

fn sources(page: &mut Page<'_>, record: &Record) {
    let sources = &record.report.sources;
    let figures: [(&str, &str, Figure); 4] = [
        (
            "cvm_source_rows_read",
            "Rows read of a raw table: kept and set aside.",
            |source| source.rows_read,
        ),
        (
            "cvm_source_rows_set_aside",
            "Rows of a raw table that did not fit their contract.",
            |source| source.rows_set_aside,
        ),
        (
            "cvm_source_bytes",
            "Bytes read of a raw table, as they lie in the store.",
            |source| source.bytes,
        ),
        ("cvm_source_objects", "Objects of a raw table.", |source| {
            source.objects as u64
        }),
    ];
    for (name, help, figure) in figures {
        let samples = sources.iter().map(|source| {
            let labels: Labels<'_> = vec![("source", source.source.as_str())];
            (labels, figure(source) as f64)
        });
        page.family(name, help, samples);
    }
}

fn tables(page: &mut Page<'_>, record: &Record) {
    let tables = &record.report.tables;
    let rows = tables.iter().map(|table| {
        let labels: Labels<'_> = vec![("table", table.table.as_str())];
        (labels, table.rows as f64)
    });
    page.family("cvm_table_rows", "Rows of a published table.", rows);
    let bytes = tables.iter().map(|table| {
        let labels: Labels<'_> = vec![("table", table.table.as_str())];
        (labels, table.bytes as f64)
    });
    page.family("cvm_table_bytes", "Bytes of a published table.", bytes);
}

fn stages(page: &mut Page<'_>, record: &Record) {
    // A table may be worked on more than once, and a sample must be there once.
    let mut seconds: BTreeMap<(&str, &str), f64> = BTreeMap::new();
    for stage in &record.report.stages {
        *seconds
            .entry((stage.stage.as_str(), stage.kind))
            .or_default() += stage.seconds;
    }
    let samples = seconds.into_iter().map(|((stage, kind), seconds)| {
        let labels: Labels<'_> = vec![("stage", stage), ("kind", kind)];
        (labels, seconds)
    });
    page.family(
        "cvm_stage_duration_seconds",
        "How long a stage took; a view's time is spent where it is read.",
        samples,
    );
}

fn checks(page: &mut Page<'_>, record: &Record) {
    let checks = &record.report.checks;
    let mut failed: BTreeMap<(&str, &str), bool> = BTreeMap::new();
    let mut broken: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for check in checks {
        let key = (check.name.as_str(), check.severity.as_str());
        *failed.entry(key).or_default() |= !check.passed;
        if let Some(rows) = check.rows_broken {
            *broken.entry(key).or_default() += rows;
        }
    }
    let labels = |(check, severity): (&str, &str)| (check.to_owned(), severity.to_owned());
    let mut samples: Vec<((String, String), f64)> = Vec::new();
    for (key, failed) in failed {
        samples.push((labels(key), if failed { 1.0 } else { 0.0 }));
    }
    page.checks("cvm_check_failed", "Whether rows broke a check.", &samples);
    samples.clear();
    for (key, rows) in broken {
        samples.push((labels(key), rows as f64));
    }
    page.checks(
        "cvm_check_rows_broken",
        "Rows that broke a check.",
        &samples,
    );
}

/// The text so far.
struct Page<'a> {
    pipeline: &'a str,
    text: String,
}

impl<'a> Page<'a> {
    fn of(record: &'a Record) -> Self {
        Self {
            pipeline: &record.pipeline,
            text: String::new(),
        }
    }

    /// A gauge with its samples; nothing where there are none.
    fn family<'b>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels<'b>, f64)>,
    ) {
        let mut told = false;
        for (labels, value) in samples {
            if !told {
                self.text.push_str(&format!("# HELP {name} {help}\n"));
                self.text.push_str(&format!("# TYPE {name} gauge\n"));
                told = true;
            }
            let pipeline = escaped(self.pipeline);
            self.text
                .push_str(&format!("{name}{{pipeline=\"{pipeline}\""));
            for (label, text) in labels {
                let text = escaped(text);
                self.text.push_str(&format!(",{label}=\"{text}\""));
            }
            self.text.push_str(&format!("}} {value}\n"));
        }
    }

    /// A gauge of checks.
    fn checks(&mut self, name: &str, help: &str, samples: &[((String, String), f64)]) {
        let samples = samples.iter().map(|((check, severity), value)| {
            let labels: Labels<'_> =
                vec![("check", check.as_str()), ("severity", severity.as_str())];
            (labels, *value)
        });
        self.family(name, help, samples);
    }
}

/// The value of a label as the format quotes it, without secrets.
fn escaped(text: &str) -> String {
    redacted(text)
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

/// Puts `text` in the place of `file` in one step, so that a collector never reads half of it.
pub(super) fn replace(file: &Path, text: &str) -> io::Result<()> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    // The collector reads `*.prom` alone.
    let aside = file.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
    let written = std::fs::write(&aside, text).and_then(|()| std::fs::rename(&aside, file));
    if written.is_err() {
        // There may be nothing to remove.
        drop(std::fs::remove_file(&aside));
    }
    written
}
