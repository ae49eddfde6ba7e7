//! The stable paths: `<table>.parquet`, a copy of what the current commit shows.

use std::collections::{BTreeMap, BTreeSet};

use object_store::{Error as StoreError, ObjectMeta, ObjectStoreExt, PutMode};
use serde::{Deserialize, Serialize};

use super::error::PublishError;
use super::history::{
    commit_numbers, current_commit, delete_if_there, put_json, read_commit, read_json,
};
use super::layout::Target;
use super::manifest::{Commit, FORMAT};
use super::upload::copy_whole;

/// What [`refresh`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refreshed {
    /// The commit that the stable paths show; 0 where nothing is published.
    pub commit: u64,
    /// Tables whose path was replaced.
    pub replaced: Vec<String>,
    /// Tables that are no longer published, whose path was removed.
    pub removed: Vec<String>,
}

/// `_cvm/stable.json`: what the stable paths were when a refresh last came to its end. Only ever a
/// hint about what need not be copied again; it can be deleted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct StableRecord {
    format: u32,
    commit: u64,
    tables: BTreeMap<String, StableTable>,
}

/// The object at a stable path, recognisable later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct StableTable {
    run: String,
    bytes: u64,
    e_tag: Option<String>,
}

/// Makes the stable paths show the current commit. Idempotent; paths that already do, as the
/// store's own tags tell, are left alone.
///
/// Each path is replaced whole. A path that cvm made for a table that is no longer published is
/// removed; other objects in the target are never touched. If a commit lands meanwhile, it starts
/// over with that one, so that the last of several refreshes leaves the newest commit.
///
/// # Errors
/// [`PublishError::Store`] and those of reading commits. What was replaced until then stays.
pub async fn refresh(target: &Target) -> Result<Refreshed, PublishError> {
    let mut done = Refreshed::default();
    loop {
        let Some(commit) = current_commit(target).await? else {
            return Ok(done);
        };
        if commit.number == done.commit {
            return Ok(done);
        }
        roll_to(target, &commit, &mut done).await?;
        done.commit = commit.number;
    }
}

async fn roll_to(
    target: &Target,
    commit: &Commit,
    done: &mut Refreshed,
) -> Result<(), PublishError> {
    let before = match read_json::<StableRecord>(target, &target.stable_record()).await {
        Ok(record) => record.unwrap_or_default(),
        Err(PublishError::Corrupt { .. }) => StableRecord::default(),
        Err(error) => return Err(error),
    };
    let mut after = StableRecord {
        format: FORMAT,
        commit: commit.number,
        tables: BTreeMap::new(),
    };
    for (table, committed) in &commit.tables {
        let stable_path = target.stable_path(table);
        let known = before
            .tables
            .get(table)
            .filter(|known| known.run == committed.run);
        let mut found = head(target, table).await?;
        if known.is_none()
            || known
                != found
                    .as_ref()
                    .map(|meta| describe(&committed.run, meta))
                    .as_ref()
        {
            replace(target, table, &committed.run, found.as_ref()).await?;
            done.replaced.push(table.clone());
            found = head(target, table).await?;
        }
        let found = found.ok_or_else(|| PublishError::ReadBack {
            path: stable_path,
            what: "stable path",
            expected: format!("a copy of run {}", committed.run),
            found: "absent".to_owned(),
        })?;
        after
            .tables
            .insert(table.clone(), describe(&committed.run, &found));
    }
    for table in dropped(target, &before, commit).await? {
        delete_if_there(target, &target.stable_path(&table)).await?;
        done.removed.push(table);
    }
    if after != before {
        put_json(target, &target.stable_record(), &after, PutMode::Overwrite).await?;
    }
    Ok(())
}

async fn replace(
    target: &Target,
    table: &str,
    run: &str,
    found: Option<&ObjectMeta>,
) -> Result<(), PublishError> {
    let from = target.data_file(table, run);
    // On local files a copy is a hard link, and renaming one link of a file onto another does
    // nothing but leave the temporary one behind. Same tag, size and time tell that it is the same
    // file already.
    if let Some(found) = found.filter(|found| found.e_tag.is_some()) {
        let source = target
            .store
            .head(&from)
            .await
            .map_err(target.failed("read", &from))?;
        let same = |meta: &ObjectMeta| (meta.e_tag.clone(), meta.size, meta.last_modified);
        if same(&source) == same(found) {
            return Ok(());
        }
    }
    copy_whole(target, &from, &target.stable_path(table)).await
}

/// Tables that some stable path may show although `commit` doesn't: those of the last complete
/// refresh, and of commits since, whose refresh may have been cut short.
async fn dropped(
    target: &Target,
    before: &StableRecord,
    commit: &Commit,
) -> Result<BTreeSet<String>, PublishError> {
    let mut once: BTreeSet<String> = before.tables.keys().cloned().collect();
    let may_lie_between = before.commit.saturating_add(1) < commit.number;
    // What is there is asked for: a record that is wrong, or a gap, may span any number of commits.
    let numbers = match may_lie_between {
        true => commit_numbers(target).await?,
        false => Vec::new(),
    };
    let between = |number: &u64| before.commit < *number && *number < commit.number;
    for number in numbers.into_iter().filter(between) {
        let passed = read_commit(target, number).await?;
        once.extend(
            passed
                .into_iter()
                .flat_map(|commit| commit.tables.into_keys()),
        );
    }
    once.retain(|table| !commit.tables.contains_key(table));
    Ok(once)
}

async fn head(target: &Target, table: &str) -> Result<Option<ObjectMeta>, PublishError> {
    let path = target.stable_path(table);
    match target.store.head(&path).await {
        Ok(meta) => Ok(Some(meta)),
        Err(StoreError::NotFound { .. }) => Ok(None),
        Err(source) => Err(target.failed("read", &path)(source)),
    }
}

fn describe(run: &str, meta: &ObjectMeta) -> StableTable {
    StableTable {
        run: run.to_owned(),
        bytes: meta.size,
        e_tag: meta.e_tag.clone(),
    }
}
