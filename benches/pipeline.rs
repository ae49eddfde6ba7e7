//! A whole run, raw objects to published tables, on the synthetic company: `cargo bench --bench pipeline`.
#![expect(
    clippy::unwrap_used,
    missing_docs,
    reason = "a benchmark may fail loudly"
)]

use std::path::Path;
use std::sync::Arc;

use criterion::{Criterion, SamplingMode, criterion_group, criterion_main};
use cvm::demo::{self, GenerateOptions};
use cvm::plan::{Plan, compile};
use cvm::run::{Inputs, RunOptions, machine, run};
use cvm::score::Registry;
use cvm::spec::Project;
use cvm::store;
use tempfile::TempDir;
use tokio::sync::watch;

const CUSTOMERS: u64 = 20_000;

async fn company(folder: &Path) -> Plan {
    let raw = format!("file:{}", folder.join("raw").display());
    let lake = format!("file:{}", folder.join("lake").display());
    let options = GenerateOptions {
        customers: CUSTOMERS,
        ..GenerateOptions::default()
    };
    let opened = store::open(&raw, &std::collections::BTreeMap::new(), folder).unwrap();
    demo::generate(&options, opened.store, &opened.prefix, |_| {})
        .await
        .unwrap();
    let project = Project::shipped(folder.to_owned());
    let environment = |name: &str| match name {
        "CVM_DEMO_RAW" => Some(raw.clone()),
        "CVM_DEMO_LAKE" => Some(lake.clone()),
        _ => None,
    };
    let planned = compile(
        &project,
        "pipelines/demo.yml",
        &Registry::standard(),
        &environment,
    )
    .await;
    planned.map_err(|problems| format!("{problems:?}")).unwrap()
}

fn whole_run(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let folder = TempDir::new().unwrap();
    let plan = runtime.block_on(company(folder.path()));
    let mut group = criterion.benchmark_group("pipeline");
    group.sampling_mode(SamplingMode::Flat).sample_size(10);
    group.bench_function(format!("demo of {CUSTOMERS} customers"), |bencher| {
        bencher.iter(|| {
            let (_stop, asked) = watch::channel(false);
            let options = RunOptions {
                inputs: Inputs::default(),
                reuse: false,
                as_of: demo::DEFAULT_AS_OF,
                run_id: uuid::Uuid::now_v7().to_string(),
                threads: machine::cores(),
                memory_limit: machine::default_memory_limit(),
                work_folder: None,
                cache: None,
                root: folder.path().to_owned(),
                observers: Vec::new(),
                clock: Arc::new(chrono::Utc::now),
                stop: asked,
            };
            runtime.block_on(run(&plan, options)).unwrap()
        });
    });
    group.finish();
}

criterion_group!(benches, whole_run);
criterion_main!(benches);
