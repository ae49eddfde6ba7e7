//! The raw tables of a run: found, read as far as no earlier run did, counted.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, PoisonError};

use datafusion::catalog::TableProvider;
use datafusion::common::runtime::SpawnedTask;
use datafusion::error::DataFusionError;

use super::error::RunError;
use super::events::Event;
use super::execute::open_store;
use super::inputs::manifest_of;
use super::work::RunAtWork;
use crate::plan::{PlannedSource, table_reference};
use crate::publish::{CheckResult, SourceManifest};
use crate::source::{RawTableProvider, Selection, SourceTally};
use crate::spec::check::Severity;
use crate::spec::source::Format;
use crate::stage::{RawSlice, RawStage, Stage};
use crate::store::StoreKind;

/// The slices of a raw table, and what of them earlier runs read.
#[derive(Debug, Default)]
pub(super) struct Slices {
    /// Each with its address.
    all: Vec<(Range<usize>, Option<String>)>,
    /// Those that need not be read.
    recalled: BTreeSet<usize>,
    rows_recalled: u64,
    /// Whether their rows are written down.
    are_parsed: bool,
}

impl RunAtWork<'_> {
    /// Finds the objects of all raw tables, and writes those down that are read more than once.
    pub(super) async fn find_sources(
        &mut self,
        root: &Path,
        selection: &Selection,
    ) -> Result<(), RunError> {
        let mut opened = BTreeMap::new();
        for source in &self.plan.sources {
            if !opened.contains_key(&source.store) {
                opened.insert(
                    source.store.clone(),
                    open_store(self.plan, &source.store, root)?,
                );
            }
            let Some(store) = opened.get(&source.store) else {
                continue;
            };
            let (system, table) = source.name.split_once('.').unwrap_or_default();
            let provider = RawTableProvider::open(
                system,
                table,
                &source.table,
                source.tolerance,
                store.clone(),
                selection,
                &self.set_aside,
            )
            .await?;
            if store.kind == StoreKind::File {
                provider.work_out_checksums(self.threads).await?;
            }
            let found = manifest(&provider);
            self.recall(source, &store.url, &provider, &found)?;
            provider.check_recorded()?;
            self.events.tell(&Event::SourceFound {
                source: source.name.clone(),
                objects: provider.tally().objects().len(),
                bytes: provider.tally().bytes_in_all(),
            });
            let registered = self
                .context
                .session
                .register(&table_reference(&source.name), Arc::clone(&provider) as _);
            let failed = |error| RunError::Engine {
                table: source.name.clone(),
                source: error,
            };
            registered.map_err(failed)?;
            self.sources.push(Arc::clone(&provider));
            if let Some(slices) = self.slices.get(&source.name)
                && slices.are_parsed
            {
                let table = self.parse(source, slices, &provider).await?;
                self.context
                    .session
                    .register(&table_reference(&source.name), table)
                    .map_err(failed)?;
            }
        }
        Ok(())
    }

    /// Begins to work out the checksums of Parquet that lies elsewhere: of it are read the columns that are needed, and all of it is
    /// fetched once for its checksum. Those that were worked out by an earlier run are known by now.
    pub(super) fn hash_parquet(&self) {
        let sources = self.plan.sources.iter().zip(&self.sources);
        let parquet = sources.filter(|(source, _)| !is_text(source));
        let parquet: Vec<Arc<RawTableProvider>> =
            parquet.map(|(_, provider)| Arc::clone(provider)).collect();
        let threads = self.threads;
        let hashing = SpawnedTask::spawn(async move {
            for provider in parquet {
                provider.work_out_checksums(threads).await?;
            }
            Ok(())
        });
        *self.hashing.lock().unwrap_or_else(PoisonError::into_inner) = Some(hashing);
    }

    async fn finish_hashing(&self) -> Result<(), RunError> {
        let hashing = self.hashing.lock();
        let hashing = hashing.unwrap_or_else(PoisonError::into_inner).take();
        let Some(hashing) = hashing else {
            return Ok(());
        };
        let hashed = hashing.join_unwind().await;
        hashed.map_err(|error| RunError::Engine {
            table: "the checksums of sources".to_owned(),
            source: DataFusionError::ExecutionJoin(Box::new(error)),
        })??;
        Ok(())
    }

    /// Works out every checksum that is not known yet, reading objects whole for it.
    pub(super) async fn work_out_checksums(&self) -> Result<(), RunError> {
        self.finish_hashing().await?;
        for source in &self.sources {
            source.work_out_checksums(self.threads).await?;
        }
        Ok(())
    }

    /// Takes those objects for read that an earlier run read.
    fn recall(
        &mut self,
        source: &PlannedSource,
        url: &str,
        provider: &RawTableProvider,
        found: &SourceManifest,
    ) -> Result<(), RunError> {
        let slices = provider.slices();
        // A table of several objects that is read once is parsed for the sake of the runs to come, which will read what is new.
        let is_worth_it =
            source.uses > 1 || (source.uses == 1 && self.reuse.is_on() && slices.len() > 1);
        let are_parsed = is_text(source) && is_worth_it;
        let addresses = self.addresses.add_source(source, url, found, &slices);
        let mut known = Slices {
            all: slices.into_iter().zip(addresses).collect(),
            are_parsed,
            ..Slices::default()
        };
        for (index, (objects, address)) in known.all.iter().enumerate() {
            let Some(address) = address else { continue };
            let file = match are_parsed {
                true => Some(self.context.spool.file_of(&source.name, index)?),
                false => None,
            };
            let rows = self
                .reuse
                .recall(provider, objects, address, file.as_deref());
            if let Some(rows) = rows {
                known.recalled.insert(index);
                known.rows_recalled += rows;
            }
        }
        self.slices.insert(source.name.clone(), known);
        Ok(())
    }

    /// Writes the rows of a raw table down, those aside that lie there already.
    async fn parse(
        &self,
        source: &PlannedSource,
        slices: &Slices,
        provider: &RawTableProvider,
    ) -> Result<Arc<dyn TableProvider>, RunError> {
        let missing = slices.all.iter().enumerate();
        let missing = missing.filter(|(index, _)| !slices.recalled.contains(index));
        let missing: Vec<RawSlice> = missing
            .map(|(index, (objects, _))| RawSlice {
                index,
                rows: provider.slice(objects.clone()),
            })
            .collect();
        let is_told = !missing.is_empty();
        let (name, schema) = (source.name.clone(), provider.schema());
        let stage = RawStage::new(name, schema, missing, self.threads);
        let made = self
            .watched(stage.name(), "read", is_told, stage.run(&self.context))
            .await?;
        if !is_told {
            self.events.tell(&Event::Reused {
                stage: source.name.clone(),
                kind: "read",
                rows: Some(slices.rows_recalled),
            });
        }
        for (index, (objects, address)) in slices.all.iter().enumerate() {
            if let Some(address) = address
                && !slices.recalled.contains(&index)
            {
                let file = self.context.spool.file_of(&source.name, index)?;
                self.reuse
                    .keep_reading(provider, objects, address, Some(&file));
            }
        }
        Ok(made.table)
    }

    /// What was read, for the manifest: checksums are complete once [`finish_sources`](Self::finish_sources) was called.
    pub(super) fn read(&self) -> Vec<SourceManifest> {
        self.sources.iter().map(|source| manifest(source)).collect()
    }

    /// Reads what no stage needed, so that counts are whole, and holds the shares against their bounds.
    pub(super) async fn finish_sources(&self) -> Result<Vec<CheckResult>, RunError> {
        let mut results = Vec::new();
        for source in &self.sources {
            if !source.tally().is_complete() {
                let drain = source.drain_unread(self.threads);
                self.watched(source.tally().source(), "read", true, drain)
                    .await?;
            }
        }
        self.finish_hashing().await?;
        for source in &self.sources {
            let tally = source.tally();
            let slices = self.slices.get(tally.source());
            for (objects, address) in slices.iter().flat_map(|slices| slices.unparsed()) {
                self.reuse.keep_reading(source, objects, address, None);
            }
            source.check_recorded()?;
            let counts = tally.counts();
            self.events.tell(&Event::SourceRead {
                source: tally.source().to_owned(),
                objects: tally.objects().len(),
                bytes: counts.bytes,
                rows_read: counts.rows_read,
                rows_kept: counts.rows_kept(),
                rows_set_aside: counts.rows_set_aside,
                rows_reused: slices.map_or(0, |slices| match slices.are_parsed {
                    true => slices.rows_recalled,
                    false => 0,
                }),
            });
            for message in tally.warnings() {
                self.events.tell(&Event::Warning { message });
            }
        }
        for source in &self.sources {
            source.check_share()?;
            results.push(source_result(source.tally()));
        }
        Ok(results)
    }
}

impl Slices {
    /// All slices in their order, each with its address where it has one.
    pub(super) fn all(&self) -> impl Iterator<Item = (&Range<usize>, Option<&String>)> {
        let all = self.all.iter();
        all.map(|(objects, address)| (objects, address.as_ref()))
    }

    /// Whether their rows are written down, a file each.
    pub(super) fn are_parsed(&self) -> bool {
        self.are_parsed
    }

    /// The slices that were read by this run and whose rows are written nowhere, with their addresses.
    fn unparsed(&self) -> impl Iterator<Item = (&Range<usize>, &String)> {
        let all = self.all.iter().enumerate();
        all.filter_map(|(index, (objects, address))| {
            let is_fresh = !self.are_parsed && !self.recalled.contains(&index);
            Some((objects, address.as_ref().filter(|_| is_fresh)?))
        })
    }
}

/// What is known by now of the objects of a raw table.
fn manifest(source: &RawTableProvider) -> SourceManifest {
    let tally = source.tally();
    let objects = tally.objects_with_checksums();
    SourceManifest {
        name: tally.source().to_owned(),
        objects: objects.into_iter().map(manifest_of).collect(),
    }
}

/// Whether the rows of a raw table must be parsed.
pub(super) fn is_text(source: &PlannedSource) -> bool {
    !matches!(source.table.format, Format::Parquet)
}

/// What the share of rows set aside counts as among the checks; its bound has been held.
fn source_result(tally: &SourceTally) -> CheckResult {
    let counts = tally.counts();
    CheckResult {
        name: format!("{}__set_aside", tally.source()),
        table: Some(tally.source().to_owned()),
        kind: "set_aside".to_owned(),
        severity: Severity::Error.name().to_owned(),
        passed: true,
        rows_broken: Some(counts.rows_set_aside),
        rows_checked: Some(counts.rows_read),
        detail: format!(
            "{} of {} rows do not fit, a share of {} may",
            counts.rows_set_aside,
            counts.rows_read,
            tally.max_bad_share()
        ),
    }
}
