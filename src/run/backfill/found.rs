//! The objects that a backfill reads, and what they say of its snapshots.

use std::collections::BTreeMap;

use super::super::RunOptions;
use super::super::error::RunError;
use super::super::execute::open_store;
use super::super::inputs::{Inputs, manifest_of};
use super::checks::Asked;
use crate::plan::{Plan, fingerprint};
use crate::publish::SourceManifest;
use crate::source::{ObjectInfo, RawTableProvider, Selection};

/// The objects of each raw table, as they were listed once: whatever comes later is of no concern.
pub(super) struct Found {
    objects: BTreeMap<String, Vec<ObjectInfo>>,
}

impl Found {
    /// Lists the objects of the raw tables of `plan`.
    ///
    /// # Errors
    /// When a store does not answer, or a raw table has no objects.
    pub(super) async fn list(plan: &Plan, options: &RunOptions) -> Result<Self, RunError> {
        let mut objects = BTreeMap::new();
        for source in &plan.sources {
            let store = open_store(plan, &source.store, &options.root)?;
            let selection = &options.inputs.selection;
            let listed =
                RawTableProvider::list(&source.name, &source.table, &store, selection).await?;
            objects.insert(source.name.clone(), listed);
        }
        Ok(Self { objects })
    }

    /// What is read, as a manifest tells it.
    pub(super) fn manifests(&self) -> Vec<SourceManifest> {
        let sources = self.objects.iter().map(|(name, objects)| SourceManifest {
            name: name.clone(),
            objects: objects.iter().cloned().map(manifest_of).collect(),
        });
        sources.collect()
    }

    /// `options` that read exactly these objects.
    pub(super) fn alone(&self, options: &RunOptions) -> RunOptions {
        let inputs = Inputs {
            selection: Selection::Recorded {
                run_id: options.run_id.clone(),
                objects: self.objects.clone(),
            },
            replay_of: None,
        };
        options.apart(options.as_of, inputs)
    }

    /// A name for all that decides the rows of `table` but the as-of day, the plan and the objects that it is made of, and for what
    /// they were held to: a backfill of more tables may make more checks of this one.
    ///
    /// Where a store tells no tag of an object there is no knowing whether it changed, so that the name is one that no other run
    /// has.
    pub(super) fn identity(
        &self,
        plan: &Plan,
        asked: &Asked<'_>,
        table: &str,
        run_id: &str,
    ) -> String {
        let mut needed = plan.needed_for([table]);
        let held = asked.held(table);
        let mut parts = vec![plan.fingerprint.clone(), table.to_owned()];
        parts.extend(held.iter().map(|&name| name.to_owned()));
        needed.extend(held);
        let read = self.objects.iter();
        for (source, objects) in read.filter(|(source, _)| needed.contains(source.as_str())) {
            parts.push(source.clone());
            for object in objects {
                parts.push(format!(
                    "{} {} {:?} {:?} {}",
                    object.path,
                    object.size,
                    object.e_tag,
                    object.version,
                    object.last_modified.to_rfc3339()
                ));
                if object.e_tag.is_none() && object.version.is_none() {
                    parts.push(run_id.to_owned());
                }
            }
        }
        fingerprint(parts.iter().map(String::as_str))
    }
}
