//! What earlier runs did of this one's work: rows of raw tables and stages, encoded outputs, checks that held.
//!
//! Nothing here decides what is published: what is found under an address is what would be made. Whatever goes wrong with what is kept
//! makes the work be done anew.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use arrow::datatypes::SchemaRef;
use serde::{Deserialize, Serialize};

use super::CacheOptions;
use super::events::{Event, Events};
use crate::cache::{Cache, Entry};
use crate::engine::Layout;
use crate::publish::TableManifest;
use crate::source::{RawTableProvider, Reading};
use crate::stage::{Findings, Made, StageContext, Written};

/// What earlier runs did; nothing, where there is no cache.
pub(super) struct Reuse<'a> {
    cache: Option<Cache>,
    events: &'a Events,
}

/// What is told of a stage's files.
#[derive(Debug, Serialize, Deserialize)]
struct KeptStage {
    rows: u64,
    layout: Layout,
    findings: Findings,
}

/// The file of rows set aside beside a slice of a raw table.
const SET_ASIDE: &str = "set_aside.arrow";
/// How the name of a file of rows ends.
const ROWS: &str = "parquet";
/// The file of an output.
const OUTPUT: &str = "output.parquet";

impl<'a> Reuse<'a> {
    /// Opens the cache, if there is to be one. Where it cannot be, the run goes on without.
    pub(super) fn open(options: Option<&CacheOptions>, run_id: &str, events: &'a Events) -> Self {
        let open = |options: &CacheOptions| {
            let cache = Cache::open(&options.folder, options.limit, run_id)?;
            cache.trim()?;
            Ok(cache)
        };
        let cache = options.and_then(|options| {
            let opened: std::io::Result<Cache> = open(options);
            let told = |error| {
                events.tell(&Event::Warning {
                    message: format!(
                        "nothing is kept for later runs: the cache folder {} cannot be used: {error}; name another with --cache, \
                         or none with --no-cache",
                        options.folder.display()
                    ),
                });
            };
            opened.map_err(told).ok()
        });
        Self { cache, events }
    }

    /// Whether anything is kept at all.
    pub(super) fn is_on(&self) -> bool {
        self.cache.is_some()
    }

    fn find<T: serde::de::DeserializeOwned>(&self, kind: &str, address: &str) -> Option<Entry<T>> {
        self.cache.as_ref()?.find(&format!("{kind}-{address}"))
    }

    /// Keeps what can be kept; a full disk, say, only costs the next run its time.
    fn keep<T: Serialize>(&self, kind: &str, address: &str, files: &[PathBuf], told: &T) {
        if let Some(cache) = &self.cache
            && let Err(error) = cache.keep(&format!("{kind}-{address}"), files, told)
        {
            self.events.tell(&Event::Warning {
                message: format!("a {kind} is not kept for later runs: {error}"),
            });
        }
    }

    /// The table of a stage as an earlier run made it.
    pub(super) fn stage(
        &self,
        name: &str,
        address: &str,
        schema: SchemaRef,
        context: &StageContext,
    ) -> Option<Made> {
        let entry: Entry<KeptStage> = self.find("stage", address)?;
        let KeptStage {
            rows,
            layout,
            findings,
        } = entry.told;
        let written = Written {
            folder: entry.folder,
            rows,
            layout,
        };
        Some(Made {
            table: written.table(name, schema, context).ok()?,
            written: Some(written),
            findings,
        })
    }

    /// Keeps the rows of a stage, if it wrote any.
    pub(super) fn keep_stage(&self, address: &str, made: &Made) {
        let Some(written) = &made.written else { return };
        if !self.is_on() {
            return;
        }
        let told = KeptStage {
            rows: written.rows,
            layout: written.layout.clone(),
            findings: made.findings.clone(),
        };
        match files_of(&written.folder) {
            Ok(files) => self.keep("stage", address, &files, &told),
            Err(error) => self.events.tell(&Event::Warning {
                message: format!("a stage is not kept for later runs: {error}"),
            }),
        }
    }

    /// Takes objects of a raw table for read, if an earlier run read them. Where `rows` is given, their rows become this file.
    /// Returns how many rows were read.
    pub(super) fn recall(
        &self,
        provider: &RawTableProvider,
        objects: &Range<usize>,
        address: &str,
        rows: Option<&Path>,
    ) -> Option<u64> {
        let kind = kind_of(rows);
        let entry: Entry<Reading> = self.find(kind, address)?;
        if let Some(rows) = rows {
            take_rows(&entry.folder, rows).ok()?;
        }
        let set_aside = entry.folder.join(SET_ASIDE);
        let recalled = provider.recall(objects, &entry.told, &set_aside);
        if recalled.is_err() {
            rows.map(fs::remove_file);
            return None;
        }
        Some(entry.told.rows())
    }

    /// Keeps what was read of objects of a raw table, and the file of their rows where there is one.
    pub(super) fn keep_reading(
        &self,
        provider: &RawTableProvider,
        objects: &Range<usize>,
        address: &str,
        rows: Option<&Path>,
    ) {
        let Some(cache) = &self.cache else { return };
        if !provider.is_read(objects) {
            return;
        }
        let folder = cache.fresh_folder();
        let made = folder.and_then(|folder| {
            let set_aside = folder.join(SET_ASIDE);
            let reading = provider
                .reading(objects, &set_aside)
                .map_err(std::io::Error::other)?;
            Ok((set_aside, reading))
        });
        match made {
            Ok((set_aside, reading)) => {
                let files: Vec<PathBuf> = rows
                    .map(Path::to_owned)
                    .into_iter()
                    .chain([set_aside])
                    .collect();
                self.keep(kind_of(rows), address, &files, &reading);
            }
            Err(error) => self.events.tell(&Event::Warning {
                message: format!("a reading is not kept for later runs: {error}"),
            }),
        }
    }

    /// Whether an earlier run worked a part of a table out; its rows become `file`.
    pub(super) fn part(&self, address: &str, file: &Path) -> bool {
        let entry: Option<Entry<()>> = self.find("part", address);
        entry.is_some_and(|entry| take_rows(&entry.folder, file).is_ok())
    }

    /// Keeps a part of a table, whose rows lie in `file`.
    pub(super) fn keep_part(&self, address: &str, file: &Path) {
        self.keep("part", address, &[file.to_owned()], &());
    }

    /// An output as an earlier run encoded it: its file, and what is told of it.
    pub(super) fn output(&self, address: &str) -> Option<(TableManifest, PathBuf)> {
        let entry: Entry<TableManifest> = self.find("output", address)?;
        Some((entry.told, entry.folder.join(OUTPUT)))
    }

    /// Where an output is to be written to as well, so that it can be kept.
    pub(super) fn place_of_output(&self) -> Option<PathBuf> {
        let folder = self.cache.as_ref()?.fresh_folder().ok()?;
        Some(folder.join(OUTPUT))
    }

    /// Keeps an output that was written to `file` as well.
    pub(super) fn keep_output(&self, address: &str, encoded: &TableManifest, file: &Path) {
        let bytes: u64 = encoded.files.iter().map(|file| file.bytes).sum();
        // The copy is cut short where the disk is full.
        if fs::metadata(file).is_ok_and(|copy| copy.len() == bytes) {
            self.keep("output", address, &[file.to_owned()], encoded);
        }
    }

    /// Whether no row broke a check whose query has this address.
    pub(super) fn holds(&self, address: &str) -> bool {
        self.find::<()>("check", address).is_some()
    }

    /// Keeps that no row breaks a check.
    pub(super) fn keep_check(&self, address: &str) {
        self.keep("check", address, &[], &());
    }

    /// Removes what is too much.
    pub(super) fn trim(&self) {
        if let Some(Err(error)) = self.cache.as_ref().map(Cache::trim) {
            self.events.tell(&Event::Warning {
                message: format!("the cache cannot be cleaned up: {error}"),
            });
        }
    }
}

/// Moves the rows of an entry of the cache to their place in the work folder, which may be on another drive. An earlier run may have had
/// them in another place of their table.
fn take_rows(entry: &Path, place: &Path) -> std::io::Result<()> {
    let is_rows = |file: &PathBuf| file.extension().is_some_and(|is| is == ROWS);
    let kept = files_of(entry)?.into_iter().find(is_rows);
    let kept = kept.ok_or(std::io::ErrorKind::NotFound)?;
    fs::rename(&kept, place).or_else(|_| fs::copy(&kept, place).map(drop))
}

fn kind_of(rows: Option<&Path>) -> &'static str {
    match rows {
        Some(_) => "rows",
        None => "reading",
    }
}

fn files_of(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for found in fs::read_dir(folder)? {
        files.push(found?.path());
    }
    files.sort();
    Ok(files)
}
