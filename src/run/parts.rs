//! Tables whose groups are kept in parts, one for each slice of the raw table that they group.

use std::sync::Arc;

use datafusion::catalog::TableProvider;

use super::error::RunError;
use super::events::Event;
use super::work::RunAtWork;
use crate::plan::PlannedStage;
use crate::source::RawTableProvider;
use crate::stage::{RawSlice, parts_of};

/// The parts of a table: those that an earlier run worked out lie in their files.
pub(super) struct Parts {
    stage: String,
    all: usize,
    /// Those that are to be worked out, with their addresses.
    missing: Vec<(usize, String)>,
}

impl RunAtWork<'_> {
    /// The parts of `stage`, and the slices of which the parts are to be worked out; none where it is to be made as a whole.
    pub(super) fn parts_of(
        &self,
        stage: &PlannedStage,
    ) -> Result<Option<(Parts, Vec<RawSlice>)>, RunError> {
        let Some(raw) = stage.in_parts_of.as_ref().filter(|_| self.reuse.is_on()) else {
            return Ok(None);
        };
        let mut sources = self.sources.iter();
        let provider = sources.find(|provider| provider.tally().source() == raw);
        let (Some(provider), Some(slices)) = (provider, self.slices.get(raw)) else {
            return Ok(None);
        };
        let mut parts = Parts {
            stage: stage.name.clone(),
            all: 0,
            missing: Vec::new(),
        };
        let mut rows = Vec::new();
        for (index, (objects, address)) in slices.all().enumerate() {
            let address = address.and_then(|slice| self.addresses.of_part(&stage.name, slice));
            let Some(address) = address else {
                return Ok(None);
            };
            parts.all += 1;
            let file = self.context.spool.file_of(&parts_of(&stage.name), index)?;
            if self.reuse.part(&address, &file) {
                continue;
            }
            parts.missing.push((index, address));
            rows.push(RawSlice {
                index,
                rows: match slices.are_parsed() {
                    true => self.parsed(raw, index, provider)?,
                    false => provider.slice(objects.clone()),
                },
            });
        }
        Ok((parts.all > 1).then_some((parts, rows)))
    }

    /// A slice of a raw table that was parsed and written down.
    fn parsed(
        &self,
        raw: &str,
        index: usize,
        provider: &Arc<RawTableProvider>,
    ) -> Result<Arc<dyn TableProvider>, RunError> {
        let file = self.context.spool.file_of(raw, index)?;
        let engine = |source| RunError::Engine {
            table: raw.to_owned(),
            source,
        };
        self.context
            .session
            .parquet_file(&file, provider.schema())
            .map_err(engine)
    }

    /// Keeps the parts that were worked out, and tells how many were not.
    pub(super) fn keep_parts(&self, parts: &Parts) -> Result<(), RunError> {
        for (index, address) in &parts.missing {
            let spool = &self.context.spool;
            let file = spool.file_of(&parts_of(&parts.stage), *index)?;
            self.reuse.keep_part(address, &file);
        }
        self.events.tell(&Event::PutTogether {
            stage: parts.stage.clone(),
            parts: parts.all,
            parts_reused: parts.all - parts.missing.len(),
        });
        Ok(())
    }
}
