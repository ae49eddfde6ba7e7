//! What others are told of a small run, word for word.

mod metrics;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::datasets::{Column, Dataset, Datasets};
use super::openlineage::{Identity, Parent};
use super::otlp::TraceParent;
use super::record::{Failure, Record, Span};
use super::{Wanted, Watch, openlineage, otlp};
use crate::failure::FailureKind;
use crate::plan::{Plan, compile};
use crate::publish::CheckResult;
use crate::run::{Event, Observer, Reporter};
use crate::score::Registry;
use crate::spec::Project;

const RUN_ID: &str = "0190a2bc-0000-7000-8000-000000000001";

fn started() -> Event {
    Event::RunStarted {
        run_id: RUN_ID.to_owned(),
        pipeline: "shop".to_owned(),
        as_of: "2025-01-01".to_owned(),
        fingerprint: "f00d".to_owned(),
        threads: 2,
        memory_limit: 1,
    }
}

fn check(name: &str, table: Option<&str>, severity: &str, passed: bool) -> Event {
    Event::Checked {
        result: CheckResult {
            name: name.to_owned(),
            table: table.map(str::to_owned),
            kind: "condition".to_owned(),
            severity: severity.to_owned(),
            passed,
            rows_broken: Some(u64::from(!passed)),
            rows_checked: Some(3),
            detail: "a \"detail\"".to_owned(),
        },
    }
}

fn events() -> Vec<Event> {
    vec![
        started(),
        Event::StageFinished {
            stage: "customers".to_owned(),
            kind: "sql",
            rows: Some(3),
            seconds: 0.25,
        },
        Event::StageFinished {
            stage: "customers".to_owned(),
            kind: "sql",
            rows: None,
            seconds: 0.5,
        },
        Event::SourceRead {
            source: "shop.orders".to_owned(),
            objects: 2,
            bytes: 100,
            rows_read: 10,
            rows_kept: 9,
            rows_set_aside: 1,
            rows_reused: 0,
        },
        Event::TableWritten {
            table: "customers".to_owned(),
            rows: 3,
            bytes: 50,
            empty_because: None,
        },
        check("customers__seen", Some("customers"), "warning", false),
        check("all_well", None, "error", true),
        Event::Committed {
            commit: 7,
            url: "file:///lake".to_owned(),
        },
        Event::RunFinished {
            seconds: 12.0,
            peak_memory_bytes: Some(1_024),
        },
    ]
}

/// A run of the small project that took twelve seconds and a half, half a second of it to plan.
fn record(failure: Option<Failure>) -> Record {
    let reporter = Reporter::default();
    for event in events() {
        reporter.observe(&event);
    }
    let began: DateTime<Utc> = "2025-01-02T03:00:00Z".parse().unwrap();
    let span = |stage: &str, ended| Span {
        stage: stage.to_owned(),
        kind: "sql",
        began: began + TimeDelta::seconds(1),
        ended,
        rows: Some(3),
    };
    Record {
        run_id: RUN_ID.to_owned(),
        pipeline: "shop".to_owned(),
        as_of: Some("2025-01-01".to_owned()),
        began,
        ended: began + TimeDelta::milliseconds(12_500),
        report: reporter.report(),
        spans: vec![
            span("orders", Some(began + TimeDelta::seconds(2))),
            span("customers", None),
        ],
        failure,
    }
}

fn terminated() -> Option<Failure> {
    Some(Failure {
        kind: FailureKind::Terminated,
        message: "the run was asked to stop".to_owned(),
    })
}

fn identity() -> Identity {
    Identity {
        namespace: "cvm".to_owned(),
        parent: Parent::parse(&format!("airflow/etl.marts/{RUN_ID}")),
        root: None,
    }
}

fn datasets() -> Datasets {
    let dataset = |name: &str, column: &str, from: &[(&str, &str)]| Dataset {
        namespace: "s3://lake".to_owned(),
        name: name.to_owned(),
        description: "What it is.".to_owned(),
        columns: vec![Column {
            name: column.to_owned(),
            sql_type: "varchar".to_owned(),
            description: None,
            from: from
                .iter()
                .map(|(table, column)| ((*table).to_owned(), (*column).to_owned()))
                .collect(),
        }],
    };
    let input = dataset("raw/orders", "Customer", &[]);
    let from = [("shop.orders", "Customer")];
    let output = dataset("marts/customers.parquet", "customer_id", &from);
    Datasets {
        description: "A shop.".to_owned(),
        inputs: [("shop.orders".to_owned(), input)].into_iter().collect(),
        outputs: [("customers".to_owned(), output)].into_iter().collect(),
    }
}

/// The fields of a facet besides who made it, once it is seen that its form is named as its key says.
fn facet<'a>(facets: &'a Value, key: &str, form: &str) -> &'a Value {
    let facet = &facets[key];
    let schema = facet["_schemaURL"].as_str().unwrap();
    assert!(
        schema.ends_with(&format!("/{form}.json#/$defs/{form}")),
        "{schema}"
    );
    assert_eq!(
        facet["_producer"],
        concat!("urn:cvm:", env!("CARGO_PKG_VERSION"))
    );
    facet
}

#[test]
fn a_run_that_published_is_complete() {
    let event = openlineage::ended(&record(None), &datasets(), &identity());
    assert_eq!(event["eventType"], "COMPLETE");
    assert_eq!(event["eventTime"], "2025-01-02T03:00:12.500Z");
    assert_eq!(event["run"]["runId"], RUN_ID);
    assert_eq!(
        (&event["job"]["namespace"], &event["job"]["name"]),
        (&json!("cvm"), &json!("shop"))
    );
    let run = &event["run"]["facets"];
    let parent = json!({ "run": { "runId": RUN_ID }, "job": { "namespace": "airflow", "name": "etl.marts" } });
    let told = facet(run, "parent", "ParentRunFacet");
    assert_eq!(
        (&told["run"], &told["job"]),
        (&parent["run"], &parent["job"])
    );
    assert_eq!(told["root"], parent);
    let nominal = facet(run, "nominalTime", "NominalTimeRunFacet");
    assert_eq!(nominal["nominalStartTime"], "2025-01-01T00:00:00.000Z");
    assert_eq!(
        facet(run, "tags", "TagsRunFacet")["tags"],
        json!([
            { "key": "as_of", "value": "2025-01-01", "source": "CVM" },
            { "key": "plan_fingerprint", "value": "f00d", "source": "CVM" },
            { "key": "commit", "value": "7", "source": "CVM" },
        ])
    );
    let tests = &facet(run, "test", "TestRunFacet")["tests"];
    assert_eq!(
        tests[0],
        json!({
            "name": "customers__seen", "status": "fail", "severity": "warn", "type": "condition",
            "description": "a \"detail\"",
        })
    );
    assert_eq!(
        (&tests[1]["status"], &tests[1]["severity"]),
        (&json!("pass"), &json!("error"))
    );
    assert!(run.get("errorMessage").is_none());
}

#[test]
fn datasets_carry_their_columns_figures_and_checks() {
    let event = openlineage::ended(&record(None), &datasets(), &identity());
    let input = &event["inputs"][0];
    assert_eq!(
        (&input["namespace"], &input["name"]),
        (&json!("s3://lake"), &json!("raw/orders"))
    );
    let read = facet(
        &input["inputFacets"],
        "inputStatistics",
        "InputStatisticsInputDatasetFacet",
    );
    assert_eq!(
        (&read["rowCount"], &read["size"], &read["fileCount"]),
        (&json!(10), &json!(100), &json!(2))
    );
    let output = &event["outputs"][0];
    let written = facet(
        &output["outputFacets"],
        "outputStatistics",
        "OutputStatisticsOutputDatasetFacet",
    );
    assert_eq!(
        (&written["rowCount"], &written["size"]),
        (&json!(3), &json!(50))
    );
    let facets = &output["facets"];
    assert_eq!(
        facet(facets, "schema", "SchemaDatasetFacet")["fields"],
        json!([{ "name": "customer_id", "type": "varchar" }])
    );
    assert_eq!(
        facet(facets, "symlinks", "SymlinksDatasetFacet")["identifiers"],
        json!([{ "namespace": "cvm", "name": "shop.customers", "type": "TABLE" }])
    );
    let from = json!({ "namespace": "s3://lake", "name": "raw/orders", "field": "Customer" });
    assert_eq!(
        facet(facets, "columnLineage", "ColumnLineageDatasetFacet")["fields"],
        json!({ "customer_id": { "inputFields": [from] } })
    );
    let checks = facet(
        &output["outputFacets"],
        "dataQualityAssertions",
        "DataQualityAssertionsDatasetFacet",
    );
    assert_eq!(
        checks["assertions"],
        json!([{
            "assertion": "condition", "success": false, "severity": "warn", "name": "customers__seen",
            "description": "a \"detail\"",
        }])
    );
}

#[test]
fn a_run_that_was_stopped_is_aborted_and_wrote_nothing() {
    let event = openlineage::ended(&record(terminated()), &datasets(), &identity());
    assert_eq!(event["eventType"], "ABORT");
    let error = facet(
        &event["run"]["facets"],
        "errorMessage",
        "ErrorMessageRunFacet",
    );
    assert_eq!(error["message"], "the run was asked to stop");
    assert!(
        event["outputs"][0]["outputFacets"]
            .get("outputStatistics")
            .is_none()
    );
    let failed = terminated().map(|failure| Failure {
        kind: FailureKind::DataQuality,
        ..failure
    });
    let event = openlineage::ended(&record(failed), &datasets(), &identity());
    assert_eq!(event["eventType"], "FAIL");
}

#[test]
fn a_parent_is_three_things() {
    let parse = |text: &str| Parent::parse(text).map(|parent| (parent.namespace, parent.job));
    let parent = |namespace: &str, job: &str| Some((namespace.to_owned(), job.to_owned()));
    assert_eq!(parse(&format!("a/b/{RUN_ID}")), parent("a", "b"));
    assert_eq!(parse(&format!("s3://a/b/{RUN_ID}")), parent("s3://a", "b"));
    for wrong in [
        "",
        "a/b/1",
        RUN_ID,
        "b/0190a2bc-0000-7000-8000-000000000001",
    ] {
        assert_eq!(parse(wrong), None, "{wrong}");
    }
}

#[test]
fn a_run_is_a_trace_of_its_own_or_a_part_of_one() {
    let resource = [("deployment.environment".to_owned(), "test".to_owned())];
    let told = otlp::trace(&record(None), "cvm", &resource, None);
    let of = &told["resourceSpans"][0];
    assert_eq!(
        of["resource"]["attributes"],
        json!([
            { "key": "service.name", "value": { "stringValue": "cvm" } },
            { "key": "service.version", "value": { "stringValue": env!("CARGO_PKG_VERSION") } },
            { "key": "deployment.environment", "value": { "stringValue": "test" } },
        ])
    );
    let spans = of["scopeSpans"][0]["spans"].as_array().unwrap();
    let names: Vec<&Value> = spans.iter().map(|span| &span["name"]).collect();
    assert_eq!(names, ["run shop", "sql orders", "sql customers"]);
    let [run, orders, customers] = spans.as_slice() else {
        panic!("three spans");
    };
    assert_eq!(run["traceId"], "0190a2bc000070008000000000000001");
    assert!(run.get("parentSpanId").is_none());
    assert_eq!(run["startTimeUnixNano"], "1735786800000000000");
    assert_eq!(run["endTimeUnixNano"], "1735786812500000000");
    assert_eq!(run["status"], json!({ "code": 1 }));
    assert_eq!(orders["parentSpanId"], run["spanId"]);
    assert_eq!(orders["endTimeUnixNano"], "1735786802000000000");
    // A stage that never ended is the one that failed; it ends with the run.
    assert_eq!(customers["status"], json!({ "code": 2 }));
    assert_eq!(customers["endTimeUnixNano"], run["endTimeUnixNano"]);
    assert_eq!(
        orders["attributes"],
        json!([
            { "key": "cvm.stage", "value": { "stringValue": "orders" } },
            { "key": "cvm.stage.kind", "value": { "stringValue": "sql" } },
            { "key": "cvm.rows", "value": { "intValue": "3" } },
        ])
    );
    let text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let parent = TraceParent::parse(text).unwrap();
    let told = otlp::trace(&record(terminated()), "cvm", &[], Some(&parent));
    let run = &told["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
    assert_eq!(run["traceId"], "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(run["parentSpanId"], "b7ad6b7169203331");
    assert_eq!(
        run["status"],
        json!({ "code": 2, "message": "the run was asked to stop" })
    );
    assert_eq!(run["events"][0]["name"], "exception");
}

#[test]
fn what_is_no_trace_parent_is_none() {
    let zero = "00-00000000000000000000000000000000-b7ad6b7169203331-01";
    let short = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b71692033-01";
    let long = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more";
    for wrong in ["", "00", zero, short, long] {
        assert_eq!(TraceParent::parse(wrong), None, "{wrong}");
    }
}

async fn small_project() -> Plan {
    let text = include_str!("../../../tests/pipelines/ok/base.txt");
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    for section in text.split("\n--- ").skip(1) {
        let (path, text) = section.split_once('\n').unwrap();
        files.insert(path.to_owned(), format!("{text}\n"));
    }
    let project = Project::from_files(PathBuf::new(), files);
    match compile(
        &project,
        "pipelines/shop.yml",
        &Registry::standard(),
        &|_| None,
    )
    .await
    {
        Ok(plan) => plan,
        Err(problems) => panic!("{problems:?}"),
    }
}

#[tokio::test]
async fn columns_are_followed_to_the_raw_ones() {
    let plan = small_project().await;
    let datasets = Datasets::of(&plan, Path::new("/not-there"));
    let named = |dataset: &Dataset| format!("{} {}", dataset.namespace, dataset.name);
    let inputs: Vec<String> = datasets.inputs.values().map(named).collect();
    // The pipeline reads nothing else.
    assert_eq!(inputs, ["file /not-there/lake/shop/orders"]);
    let outputs: Vec<&String> = datasets.outputs.keys().collect();
    assert_eq!(
        outputs,
        [
            "customers",
            "rows_set_aside",
            "check_results",
            "model_fits",
            "model_calibration"
        ]
    );
    let set_aside = datasets.outputs["rows_set_aside"].columns.iter();
    let set_aside = set_aside.map(|column| format!("{} {}", column.name, column.sql_type));
    assert_eq!(
        set_aside.collect::<Vec<_>>()[..2],
        ["source varchar", "file varchar"]
    );
    let customers = &datasets.outputs["customers"];
    assert_eq!(
        named(customers),
        "file /not-there/lake/marts/shop/customers.parquet"
    );
    let from = customers.columns.iter().map(|column| {
        let from = column
            .from
            .iter()
            .map(|(table, column)| format!("{table}.{column}"));
        format!("{}: {}", column.name, from.collect::<Vec<_>>().join(", "))
    });
    let scored = "shop.orders.Amount, shop.orders.Customer, shop.orders.Ordered";
    assert_eq!(
        from.collect::<Vec<_>>(),
        [
            "customer_id: shop.orders.Customer".to_owned(),
            "first_order_date: shop.orders.Ordered".to_owned(),
            // Counts of rows, of a raw table and of an entity that nothing is bound to.
            "order_days: ".to_owned(),
            format!("probability_alive: {scored}"),
            format!("customer_lifetime_value: {scored}"),
            "returns_of_the_shop: ".to_owned(),
        ]
    );
}

/// The lines that a run leaves in its files, planned or not.
async fn watched(planned: Option<&Plan>, failure: Option<Failure>) -> (Vec<Value>, String) {
    let folder = tempfile::tempdir().unwrap();
    let wanted = Wanted {
        lineage: Some(folder.path().join("lineage.jsonl")),
        metrics: Some(folder.path().join("cvm.prom")),
        push: None,
    };
    let as_of = Some("2025-01-01".to_owned());
    let watch = Watch::new(RUN_ID, "file_name", as_of, wanted, &|_| None).unwrap();
    if let Some(plan) = planned {
        watch.planned(plan, Path::new("/not-there"));
        for event in events() {
            watch.observe(&event);
        }
    }
    assert_eq!(watch.finish(failure).await, Vec::<String>::new());
    let lineage = std::fs::read_to_string(folder.path().join("lineage.jsonl")).unwrap();
    let lines = lineage
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    let metrics = std::fs::read_to_string(folder.path().join("cvm.prom")).unwrap();
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 2, "nothing else is left behind");
    (lines.collect(), metrics)
}

#[tokio::test]
async fn a_run_starts_and_completes() {
    let plan = small_project().await;
    let (lineage, metrics) = watched(Some(&plan), None).await;
    let kinds: Vec<&Value> = lineage.iter().map(|event| &event["eventType"]).collect();
    assert_eq!(kinds, ["START", "COMPLETE"]);
    assert_eq!(
        lineage[0]["outputs"][0]["name"],
        "/not-there/lake/marts/shop/customers.parquet"
    );
    assert!(metrics.contains("cvm_table_rows{pipeline=\"shop\",table=\"customers\"} 3\n"));
}

#[tokio::test]
async fn a_run_that_never_began_fails_under_the_name_of_its_file() {
    let failure = Failure {
        kind: FailureKind::Configuration,
        message: "1 fault".to_owned(),
    };
    let (lineage, metrics) = watched(None, Some(failure)).await;
    assert_eq!(lineage.len(), 1);
    assert_eq!(lineage[0]["eventType"], "FAIL");
    assert_eq!(lineage[0]["job"]["name"], "file_name");
    assert_eq!(lineage[0]["inputs"], json!([]));
    assert!(metrics.contains("cvm_run_exit_code{pipeline=\"file_name\"} 2\n"));
}

#[tokio::test]
async fn who_is_not_there_is_a_warning() {
    // A port that was free a moment ago.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let url = format!("http://me:hidden-of-a-test@127.0.0.1:{port}");
    let wanted = Wanted {
        push: Some(url.clone()),
        ..Wanted::default()
    };
    let environment = |name: &str| match name {
        "OPENLINEAGE_URL" | "OTEL_EXPORTER_OTLP_ENDPOINT" => Some(url.clone()),
        _ => None,
    };
    let watch = Watch::new(RUN_ID, "shop", None, wanted, &environment).unwrap();
    watch.observe(&started());
    let warnings = watch.finish(None).await;
    let told = ["lineage", "metrics", "the trace"];
    let paths = [
        "api/v1/lineage",
        "metrics/job/cvm/pipeline/shop",
        "v1/traces",
    ];
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    for ((what, path), warning) in told.iter().zip(paths).zip(&warnings) {
        let begins =
            format!("{what} did not reach http://127.0.0.1:{port}/{path}: error sending request");
        assert!(warning.starts_with(&begins), "{warning}");
        assert!(!warning.contains("hidden-of-a-test"), "{warning}");
    }
}
