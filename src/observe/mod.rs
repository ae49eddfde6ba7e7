//! A run as others see it: OpenLineage's events, Prometheus' metrics, a trace by OTLP.
//!
//! A [`Watch`] observes the same events as the log and the report do. The renderers are pure functions of what it noted (`record`) and
//! of what the plan reads and publishes (`datasets`); `deliver` sends what they give.
//!
//! Whoever is told changes nothing: who does not answer or refuses costs a run five seconds at its end at most, one where the process
//! was asked to stop, and a warning. Nothing is sent again.

mod datasets;
mod deliver;
mod openlineage;
mod otlp;
mod prometheus;
mod record;
mod settings;
#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use self::datasets::Datasets;
use self::deliver::{Client, Endpoint, Message, PATIENCE};
pub use self::record::Failure;
use self::record::{Record, Recorder};
use self::settings::Settings;
pub use self::settings::Wanted;
use crate::failure::FailureKind;
use crate::plan::Plan;
use crate::run::{Event, Observer};
use crate::store::{redacted, redacted_json};

/// How long others may take where the process was asked to stop: schedulers kill it some seconds later.
const PATIENCE_OF_THE_STOPPED: Duration = Duration::from_secs(1);
const JSON: &str = "application/json";

/// Tells others of a run, while it runs and when it is over.
pub struct Watch {
    settings: Settings,
    run_id: String,
    /// What the pipeline is called until its plan says it.
    called: String,
    as_of: Option<String>,
    pipeline: OnceLock<String>,
    datasets: OnceLock<Datasets>,
    recorder: Recorder,
    client: Option<Client>,
    /// Whether the process is asked to stop.
    stop: OnceLock<watch::Receiver<bool>>,
    /// Lineage on its way to a backend; none once there will be no more.
    lineage: Mutex<Option<UnboundedSender<String>>>,
    posting: Mutex<Option<JoinHandle<Vec<String>>>>,
    warnings: Mutex<Vec<String>>,
}

impl Watch {
    /// Watches a run of the pipeline that is `called` so; none where neither `wanted` nor `environment`, the variables of the
    /// process, asks for it. Must be called within a Tokio runtime.
    pub fn new(
        run_id: &str,
        called: &str,
        as_of: Option<String>,
        wanted: Wanted,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Option<Self> {
        let settings = Settings::of(wanted, environment);
        if !settings.tells() {
            return None;
        }
        let mut warnings = settings.warnings.clone();
        let endpoints = [&settings.lineage, &settings.push, &settings.traces];
        let client = if endpoints.iter().any(|endpoint| endpoint.is_some()) {
            match Client::new() {
                Ok(client) => Some(client),
                Err(reason) => {
                    warnings.push(format!("nobody can be told of the run: {reason}"));
                    None
                }
            }
        } else {
            None
        };
        let (mut lineage, mut posting) = (None, None);
        if let (Some(client), Some(endpoint)) = (&client, &settings.lineage) {
            let (sender, receiver) = unbounded_channel();
            let post = post(client.clone(), endpoint.clone(), receiver);
            posting = Some(tokio::spawn(post));
            lineage = Some(sender);
        }
        Some(Self {
            settings,
            run_id: run_id.to_owned(),
            called: called.to_owned(),
            as_of,
            pipeline: OnceLock::new(),
            datasets: OnceLock::new(),
            recorder: Recorder::new(),
            client,
            stop: OnceLock::new(),
            lineage: Mutex::new(lineage),
            posting: Mutex::new(posting),
            warnings: Mutex::new(warnings),
        })
    }

    /// Learns from `stop` whether the process is asked to stop: others are waited for less then.
    pub fn stops_with(&self, stop: watch::Receiver<bool>) {
        // Said twice, the first holds.
        let _ = self.stop.set(stop);
    }

    /// Learns what the run will read and publish; relative stores start from `root`.
    pub fn planned(&self, plan: &Plan, root: &Path) {
        // Said twice, the first holds.
        let _ = self.pipeline.set(plan.pipeline.clone());
        if self.settings.tells_lineage() {
            let _ = self.datasets.set(Datasets::of(plan, root));
        }
    }

    /// Tells everybody how the run ended, also one that never began, and returns what is worth a warning.
    pub async fn finish(&self, failure: Option<Failure>) -> Vec<String> {
        // Whoever is asked to stop has seconds, however the run ended then.
        let is_asked_to_stop = self.stop.get().is_some_and(|stop| *stop.borrow());
        let is_terminated = |failure: &Failure| failure.kind == FailureKind::Terminated;
        let patience = if is_asked_to_stop || failure.as_ref().is_some_and(is_terminated) {
            PATIENCE_OF_THE_STOPPED
        } else {
            PATIENCE
        };
        let record = self.record(failure);
        if self.settings.tells_lineage() {
            let datasets = self.datasets.get_or_init(Datasets::default);
            let event = openlineage::ended(&record, datasets, &self.settings.identity);
            self.emit(event);
        }
        // Whoever posts comes to an end when there is nothing left.
        drop(lock(&self.lineage).take());
        let metrics = prometheus::text(&record);
        if let Some(file) = &self.settings.metrics_file
            && let Err(source) = prometheus::replace(file, &metrics)
        {
            let file = file.display();
            self.warn(format!("no metrics: cannot write {file}: {source}"));
        }
        let (posted, pushed, traced) = tokio::join!(
            self.posted(patience),
            self.pushed(&record, metrics, patience),
            self.traced(&record, patience)
        );
        let mut warnings = std::mem::take(&mut *lock(&self.warnings));
        warnings.extend(posted);
        warnings.extend(pushed);
        warnings.extend(traced);
        warnings.iter().map(|warning| redacted(warning)).collect()
    }

    fn record(&self, failure: Option<Failure>) -> Record {
        let failure = failure.map(|failure| Failure {
            message: redacted(&failure.message),
            kind: failure.kind,
        });
        let pipeline = self.pipeline.get().unwrap_or(&self.called);
        self.recorder
            .record(&self.run_id, pipeline, self.as_of.clone(), failure)
    }

    /// Tells an event of lineage: to the file at once, to a backend as soon as it takes it.
    fn emit(&self, event: Value) {
        let line = redacted_json(event).to_string();
        if let Some(file) = &self.settings.lineage_file
            && let Err(source) = append(file, &line)
        {
            let file = file.display();
            self.warn(format!("no lineage: cannot write {file}: {source}"));
        }
        if let Some(sender) = lock(&self.lineage).as_ref() {
            // Whoever posts waits for as long as there is a sender.
            let _ = sender.send(line);
        }
    }

    /// Waits until the backend of lineage was told all.
    async fn posted(&self, patience: Duration) -> Vec<String> {
        let posting = lock(&self.posting).take();
        let (Some(posting), Some(endpoint)) = (posting, &self.settings.lineage) else {
            return Vec::new();
        };
        match tokio::time::timeout(patience, posting).await {
            Ok(Ok(warnings)) => warnings,
            Ok(Err(_)) | Err(_) => vec![untold("lineage", endpoint, &no_answer(patience))],
        }
    }

    async fn pushed(&self, record: &Record, text: String, patience: Duration) -> Option<String> {
        let endpoint = group(self.settings.push.as_ref()?, &record.pipeline);
        let message = Message {
            replaces: true,
            content_type: prometheus::CONTENT_TYPE,
            body: text,
        };
        self.sent("metrics", &endpoint, &message, patience).await
    }

    async fn traced(&self, record: &Record, patience: Duration) -> Option<String> {
        let settings = &self.settings;
        let endpoint = settings.traces.as_ref()?;
        let parent = settings.trace_parent.as_ref();
        let trace = otlp::trace(record, &settings.service, &settings.resource, parent);
        let message = Message {
            replaces: false,
            content_type: JSON,
            body: trace.to_string(),
        };
        self.sent("the trace", endpoint, &message, patience).await
    }

    /// Sends `what`; returns why it did not arrive.
    async fn sent(
        &self,
        what: &str,
        to: &Endpoint,
        message: &Message,
        patience: Duration,
    ) -> Option<String> {
        let client = self.client.as_ref()?;
        match tokio::time::timeout(patience, client.send(to, message)).await {
            Ok(Ok(())) => None,
            Ok(Err(reason)) => Some(untold(what, to, &reason)),
            Err(_) => Some(untold(what, to, &no_answer(patience))),
        }
    }

    fn warn(&self, warning: String) {
        lock(&self.warnings).push(warning);
    }
}

impl Observer for Watch {
    fn observe(&self, event: &Event) {
        self.recorder.observe(event);
        if matches!(event, Event::RunStarted { .. }) && self.settings.tells_lineage() {
            let record = self.record(None);
            let datasets = self.datasets.get_or_init(Datasets::default);
            let event = openlineage::started(&record, datasets, &self.settings.identity);
            self.emit(event);
        }
    }
}

/// Posts events of lineage in their order, until there will be no more; returns what went wrong.
async fn post(
    client: Client,
    endpoint: Endpoint,
    mut events: UnboundedReceiver<String>,
) -> Vec<String> {
    let mut warnings = Vec::new();
    while let Some(body) = events.recv().await {
        let message = Message {
            replaces: false,
            content_type: JSON,
            body,
        };
        if let Err(reason) = client.send(&endpoint, &message).await {
            let warning = untold("lineage", &endpoint, &reason);
            if !warnings.contains(&warning) {
                warnings.push(warning);
            }
        }
    }
    warnings
}

/// The group of a pipeline at a Pushgateway.
fn group(push: &Endpoint, pipeline: &str) -> Endpoint {
    let mut group = push.clone();
    // Only a URL without a host has no path, and such a one is no endpoint.
    if let Ok(mut path) = group.url.path_segments_mut() {
        path.pop_if_empty()
            .extend(["metrics", "job", "cvm", "pipeline", pipeline]);
    }
    group
}

fn untold(what: &str, endpoint: &Endpoint, reason: &str) -> String {
    format!("{what} did not reach {}: {reason}", endpoint.shown())
}

fn no_answer(patience: Duration) -> String {
    format!("no answer within {} s", patience.as_secs())
}

fn append(file: &Path, line: &str) -> io::Result<()> {
    let mut file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(file)?;
    // In one call, so that the lines of two runs do not mix.
    file.write_all(format!("{line}\n").as_bytes())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
