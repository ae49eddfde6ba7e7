//! A run as OpenLineage's events, of version 2-0-2 of its specification: `START`, then `COMPLETE`, `FAIL` or `ABORT`.
//!
//! Inputs are the raw tables, outputs the published ones, each with its columns; the columns of outputs name the raw columns that
//! their values are made of, as [`crate::plan::lineage`] derives them from the SQL. Whether a value was copied or worked out is not
//! told, nor what only decides which rows there are. A run that found nothing new names its outputs too, without figures, and the tag
//! `unchanged_since`: a backend that keeps a job's datasets by its last run would lose them otherwise.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value, json};

use super::datasets::{Column, Dataset, Datasets};
use super::record::Record;
use crate::failure::FailureKind;
use crate::publish::CheckResult;

const EVENT_SCHEMA: &str = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent";
const FACETS: &str = "https://openlineage.io/spec/facets";
const VERSION: &str = env!("CARGO_PKG_VERSION");
const PRODUCER: &str = concat!("urn:cvm:", env!("CARGO_PKG_VERSION"));

/// Who runs the pipeline, as a scheduler names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parent {
    pub(super) namespace: String,
    pub(super) job: String,
    pub(super) run_id: String,
}

impl Parent {
    /// `namespace/job/run id`, as Airflow's `lineage_parent_id` gives it; none where it is something else.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (rest, run_id) = text.trim().rsplit_once('/')?;
        let (namespace, job) = rest.rsplit_once('/')?;
        let run_id = uuid::Uuid::parse_str(run_id).ok()?;
        let is_whole = !namespace.is_empty() && !job.is_empty();
        is_whole.then(|| Self {
            namespace: namespace.to_owned(),
            job: job.to_owned(),
            run_id: run_id.to_string(),
        })
    }

    fn told(&self) -> Value {
        json!({
            "run": { "runId": self.run_id },
            "job": { "namespace": self.namespace, "name": self.job },
        })
    }
}

/// What the environment says of the job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) namespace: String,
    pub(super) parent: Option<Parent>,
    /// The run at the top, where it is not the parent.
    pub(super) root: Option<Parent>,
}

/// The event of a run that begins.
pub(super) fn started(record: &Record, datasets: &Datasets, identity: &Identity) -> Value {
    let facets = run_facets(record, identity);
    event("START", record.began, facets, record, datasets, identity)
}

/// The event of a run that has ended.
pub(super) fn ended(record: &Record, datasets: &Datasets, identity: &Identity) -> Value {
    let kind = match record.failure.as_ref().map(|failure| failure.kind) {
        None => "COMPLETE",
        Some(FailureKind::Terminated) => "ABORT",
        Some(_) => "FAIL",
    };
    let mut facets = run_facets(record, identity);
    if let Some(failure) = &record.failure {
        let content = json!({ "message": failure.message, "programmingLanguage": "Rust" });
        put(
            &mut facets,
            "errorMessage",
            "1-0-1",
            "ErrorMessageRunFacet",
            content,
        );
    }
    if !record.report.checks.is_empty() {
        let tests: Vec<Value> = record.report.checks.iter().map(test).collect();
        put(
            &mut facets,
            "test",
            "1-0-1",
            "TestRunFacet",
            json!({ "tests": tests }),
        );
    }
    event(kind, record.ended, facets, record, datasets, identity)
}

fn event(
    kind: &str,
    at: DateTime<Utc>,
    run_facets: Map<String, Value>,
    record: &Record,
    datasets: &Datasets,
    identity: &Identity,
) -> Value {
    let inputs: Vec<Value> = datasets
        .inputs
        .iter()
        .map(|(source, dataset)| input(source, dataset, record, identity))
        .collect();
    let outputs: Vec<Value> = datasets
        .outputs
        .iter()
        .map(|(table, dataset)| {
            let mut output = output(table, dataset, record, identity);
            // What is long and always the same is told once.
            if kind != "START" {
                put_lineage(&mut output, dataset, datasets);
            }
            output
        })
        .collect();
    json!({
        "eventType": kind,
        "eventTime": at.to_rfc3339_opts(SecondsFormat::Millis, true),
        "producer": PRODUCER,
        "schemaURL": EVENT_SCHEMA,
        "run": { "runId": record.run_id, "facets": run_facets },
        "job": {
            "namespace": identity.namespace,
            "name": record.pipeline,
            "facets": job_facets(datasets),
        },
        "inputs": inputs,
        "outputs": outputs,
    })
}

fn run_facets(record: &Record, identity: &Identity) -> Map<String, Value> {
    let mut facets = Map::new();
    if let Some(parent) = &identity.parent {
        let mut content = parent.told();
        let root = identity.root.as_ref().unwrap_or(parent);
        if let Some(content) = content.as_object_mut() {
            content.insert("root".to_owned(), root.told());
        }
        put(&mut facets, "parent", "1-2-0", "ParentRunFacet", content);
    }
    // A scheduler starts the run as of a day when that day begins.
    if let Some(midnight) = record.as_of_midnight() {
        let scheduled = midnight.to_rfc3339_opts(SecondsFormat::Millis, true);
        let content = json!({ "nominalStartTime": scheduled });
        put(
            &mut facets,
            "nominalTime",
            "1-0-1",
            "NominalTimeRunFacet",
            content,
        );
    }
    let engine = json!({ "name": "cvm", "version": VERSION });
    put(
        &mut facets,
        "processing_engine",
        "1-1-1",
        "ProcessingEngineRunFacet",
        engine,
    );
    let report = &record.report;
    let fingerprint = (!report.fingerprint.is_empty()).then(|| report.fingerprint.clone());
    let tags: Vec<Value> = [
        ("as_of", record.as_of.clone()),
        ("plan_fingerprint", fingerprint),
        ("commit", report.commit.map(|commit| commit.to_string())),
        ("unchanged_since", report.unchanged_since.clone()),
    ]
    .into_iter()
    .filter_map(|(key, value)| Some(json!({ "key": key, "value": value?, "source": "CVM" })))
    .collect();
    put(
        &mut facets,
        "tags",
        "1-0-0",
        "TagsRunFacet",
        json!({ "tags": tags }),
    );
    facets
}

fn job_facets(datasets: &Datasets) -> Map<String, Value> {
    let mut facets = Map::new();
    let kind = json!({ "processingType": "BATCH", "integration": "CVM", "jobType": "PIPELINE" });
    put(&mut facets, "jobType", "2-0-4", "JobTypeJobFacet", kind);
    if !datasets.description.is_empty() {
        let content = json!({ "description": datasets.description });
        put(
            &mut facets,
            "documentation",
            "1-1-0",
            "DocumentationJobFacet",
            content,
        );
    }
    facets
}

fn input(source: &str, dataset: &Dataset, record: &Record, identity: &Identity) -> Value {
    let mut figures = Map::new();
    let read = record
        .report
        .sources
        .iter()
        .find(|read| read.source == source);
    if let Some(read) = read {
        let content =
            json!({ "rowCount": read.rows_read, "size": read.bytes, "fileCount": read.objects });
        put(
            &mut figures,
            "inputStatistics",
            "1-0-0",
            "InputStatisticsInputDatasetFacet",
            content,
        );
    }
    put_assertions(&mut figures, source, record);
    json!({
        "namespace": dataset.namespace,
        "name": dataset.name,
        "facets": dataset_facets(dataset, source, identity),
        "inputFacets": figures,
    })
}

fn output(table: &str, dataset: &Dataset, record: &Record, identity: &Identity) -> Value {
    let mut figures = Map::new();
    // A run that failed has published nothing, whatever it wrote aside.
    let written = record
        .report
        .tables
        .iter()
        .find(|written| written.table == table);
    if let (Some(written), None) = (written, &record.failure) {
        let content = json!({ "rowCount": written.rows, "size": written.bytes, "fileCount": 1 });
        put(
            &mut figures,
            "outputStatistics",
            "1-0-2",
            "OutputStatisticsOutputDatasetFacet",
            content,
        );
    }
    put_assertions(&mut figures, table, record);
    let name = format!("{}.{table}", record.pipeline);
    json!({
        "namespace": dataset.namespace,
        "name": dataset.name,
        "facets": dataset_facets(dataset, &name, identity),
        "outputFacets": figures,
    })
}

/// Puts what the columns of a published table are made of to its other facets.
fn put_lineage(output: &mut Value, dataset: &Dataset, datasets: &Datasets) {
    let fields: Map<String, Value> = dataset
        .columns
        .iter()
        .filter_map(|column| Some((column.name.clone(), origins(column, datasets)?)))
        .collect();
    let facets = output.get_mut("facets").and_then(Value::as_object_mut);
    if let (Some(facets), false) = (facets, fields.is_empty()) {
        put(
            facets,
            "columnLineage",
            "1-2-0",
            "ColumnLineageDatasetFacet",
            json!({ "fields": fields }),
        );
    }
}

/// The raw columns that a value is made of; none where there are none, as of a count of rows.
fn origins(column: &Column, datasets: &Datasets) -> Option<Value> {
    let fields: Vec<Value> = column
        .from
        .iter()
        .filter_map(|(source, field)| {
            let from = datasets.inputs.get(source)?;
            Some(json!({ "namespace": from.namespace, "name": from.name, "field": field }))
        })
        .collect();
    (!fields.is_empty()).then(|| json!({ "inputFields": fields }))
}

/// What is true of a dataset whatever a run finds; `name` is how cvm and its users call it.
fn dataset_facets(dataset: &Dataset, name: &str, identity: &Identity) -> Map<String, Value> {
    let mut facets = Map::new();
    let symlink = json!({ "namespace": identity.namespace, "name": name, "type": "TABLE" });
    let symlinks = json!({ "identifiers": [symlink] });
    put(
        &mut facets,
        "symlinks",
        "1-0-1",
        "SymlinksDatasetFacet",
        symlinks,
    );
    if !dataset.description.is_empty() {
        let content = json!({ "description": dataset.description });
        put(
            &mut facets,
            "documentation",
            "1-1-0",
            "DocumentationDatasetFacet",
            content,
        );
    }
    if !dataset.columns.is_empty() {
        let fields: Vec<Value> = dataset.columns.iter().map(schema_field).collect();
        let content = json!({ "fields": fields });
        put(
            &mut facets,
            "schema",
            "1-2-0",
            "SchemaDatasetFacet",
            content,
        );
    }
    facets
}

fn schema_field(column: &Column) -> Value {
    let mut field = json!({ "name": column.name, "type": column.sql_type });
    if let (Some(field), Some(description)) = (field.as_object_mut(), &column.description) {
        field.insert("description".to_owned(), description.as_str().into());
    }
    field
}

/// The checks of a table, beside what it is read or written with.
fn put_assertions(facets: &mut Map<String, Value>, table: &str, record: &Record) {
    let checks = record.report.checks.iter();
    let assertions: Vec<Value> = checks
        .filter(|check| check.table.as_deref() == Some(table))
        .map(|check| {
            json!({
                "assertion": check.kind,
                "success": check.passed,
                "severity": severity(check),
                "name": check.name,
                "description": check.detail,
            })
        })
        .collect();
    if !assertions.is_empty() {
        put(
            facets,
            "dataQualityAssertions",
            "1-1-0",
            "DataQualityAssertionsDatasetFacet",
            json!({ "assertions": assertions }),
        );
    }
}

/// A check as a test of the run: those of tables between the raw ones and the published are told here alone.
fn test(check: &CheckResult) -> Value {
    json!({
        "name": check.name,
        "status": if check.passed { "pass" } else { "fail" },
        "severity": severity(check),
        "type": check.kind,
        "description": check.detail,
    })
}

/// OpenLineage's word for a severity.
fn severity(check: &CheckResult) -> &'static str {
    if check.severity == "warning" {
        "warn"
    } else {
        "error"
    }
}

/// Puts a facet, with who made it and what its form is.
fn put(facets: &mut Map<String, Value>, key: &str, version: &str, form: &str, content: Value) {
    let mut facet = Map::new();
    facet.insert("_producer".to_owned(), PRODUCER.into());
    let schema = format!("{FACETS}/{version}/{form}.json#/$defs/{form}");
    facet.insert("_schemaURL".to_owned(), schema.into());
    if let Value::Object(content) = content {
        facet.extend(content);
    }
    facets.insert(key.to_owned(), Value::Object(facet));
}
