//! Markers of runs at work: they let a run that would lose give way early. Nothing depends on them
//! for safety.
//!
//! A run's marker carries a counter that its heartbeat raises. Another run is *alive* if its
//! counter changed between two of our looks; clocks of different machines are never compared, and a
//! killed run stands in nobody's way, not even for the time of a heartbeat. Of two live runs the
//! one that began earlier goes on: by the store's own clock (the time at which it received the
//! first marker), then by run id. Both sides apply the same rule, so exactly one gives way. Markers
//! that the store last received long ago are removed by whoever comes next.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use object_store::{ObjectMeta, PutMode};
use serde::{Deserialize, Serialize};

use super::error::PublishError;
use super::history::{delete_if_there, put_json, read_commit, read_json};
use super::layout::{Target, stem};
use super::manifest::FORMAT;

/// How often a run says that it is alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heartbeat {
    /// Time between two beats. Another run notices a live one after one to two of them.
    pub interval: Duration,
    /// Age, by the store's clock, from which a marker is litter.
    pub expiry: Duration,
}

impl Default for Heartbeat {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(5),
            expiry: Duration::from_secs(60),
        }
    }
}

/// The run for which another one gives way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rival {
    /// It committed after this run began.
    Committed {
        /// The other run.
        run_id: String,
        /// Its commit.
        number: u64,
    },
    /// It began earlier and is alive.
    Alive {
        /// The other run.
        run_id: String,
    },
}

impl fmt::Display for Rival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Committed { run_id, number } => {
                write!(f, "run {run_id} published commit {number} meanwhile")
            }
            Self::Alive { run_id } => write!(f, "run {run_id} began earlier and is at work"),
        }
    }
}

/// `_cvm/running/<run id>.json`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct MarkerFile {
    pub(super) format: u32,
    pub(super) run_id: String,
    pub(super) pipeline: String,
    /// By the run's own clock, for people.
    pub(super) started_at: String,
    /// When the store received the first marker; unknown to the first one itself.
    pub(super) claimed_at: Option<i64>,
    /// Raised with every beat.
    pub(super) beat: u64,
}

/// The marker of a run and what it has seen of others.
#[derive(Debug)]
pub(super) struct Marker {
    target: Target,
    file: MarkerFile,
    claimed_at: i64,
    base: u64,
    /// The counters of other runs at our last look.
    seen: HashMap<String, u64>,
}

impl Marker {
    /// Puts up the marker of a run that builds on commit `base`, removes litter and takes a first
    /// look at others.
    pub(super) async fn put_up(
        target: &Target,
        file: MarkerFile,
        base: u64,
        expiry: Duration,
    ) -> Result<Self, PublishError> {
        let path = target.marker(&file.run_id);
        put_json(target, &path, &file, PutMode::Create).await?;
        let listed = list(target).await?;
        let now = listed
            .iter()
            .find(|o| o.location == path)
            .map(|o| o.last_modified);
        let claimed_at = now.map_or(0, |now| now.timestamp_micros());
        let mut marker = Self {
            target: target.clone(),
            file,
            claimed_at,
            base,
            seen: HashMap::new(),
        };
        marker.file.claimed_at = Some(claimed_at);
        for object in listed.iter().filter(|o| o.location != path) {
            if now.is_some_and(|now| is_older(object.last_modified, now, expiry)) {
                delete_if_there(target, &object.location).await?;
            } else {
                marker.look_at(object).await?;
            }
        }
        Ok(marker)
    }

    /// Raises the counter, then looks for a reason to give way.
    pub(super) async fn beat(&mut self) -> Result<Option<Rival>, PublishError> {
        self.file.beat += 1;
        let path = self.target.marker(&self.file.run_id);
        put_json(&self.target, &path, &self.file, PutMode::Overwrite).await?;
        if let Some(rival) = overtaken(&self.target, self.base, &self.file.run_id).await? {
            return Ok(Some(rival));
        }
        for object in list(&self.target)
            .await?
            .iter()
            .filter(|o| o.location != path)
        {
            if let Some(rival) = self.look_at(object).await? {
                return Ok(Some(rival));
            }
        }
        Ok(None)
    }

    /// Another run's marker: a rival if it is alive and began earlier.
    async fn look_at(&mut self, object: &ObjectMeta) -> Result<Option<Rival>, PublishError> {
        let other = match read_json::<MarkerFile>(&self.target, &object.location).await {
            Ok(Some(other)) => other,
            // Gone meanwhile, or of a newer cvm: the commit decides.
            Ok(None) | Err(PublishError::Corrupt { .. } | PublishError::NewerFormat { .. }) => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let is_alive = self
            .seen
            .insert(other.run_id.clone(), other.beat)
            .is_some_and(|last| last != other.beat);
        let claimed_at = other
            .claimed_at
            .unwrap_or_else(|| object.last_modified.timestamp_micros());
        let is_earlier = (claimed_at, &other.run_id) < (self.claimed_at, &self.file.run_id);
        Ok((is_alive && is_earlier).then_some(Rival::Alive {
            run_id: other.run_id,
        }))
    }
}

/// The run that committed on top of `base`, if one did.
pub(super) async fn overtaken(
    target: &Target,
    base: u64,
    run_id: &str,
) -> Result<Option<Rival>, PublishError> {
    let next = read_commit(target, base + 1).await?;
    Ok(next
        .filter(|commit| commit.run_id != run_id)
        .map(|commit| Rival::Committed {
            run_id: commit.run_id,
            number: commit.number,
        }))
}

/// All markers but those behind links, which may be files of somebody else.
pub(super) async fn list(target: &Target) -> Result<Vec<ObjectMeta>, PublishError> {
    let folder = target.running();
    let listed: Vec<ObjectMeta> = target
        .store
        .list(Some(&folder))
        .try_collect()
        .await
        .map_err(target.failed("list", &folder))?;
    Ok(listed
        .into_iter()
        .filter(|object| stem(&object.location).is_some() && !target.is_linked(&object.location))
        .collect())
}

/// Whether `then` lies more than `age` before `now`.
pub(super) fn is_older(then: DateTime<Utc>, now: DateTime<Utc>, age: Duration) -> bool {
    (now - then).to_std().is_ok_and(|elapsed| elapsed > age)
}

/// The first marker of a run.
pub(super) fn first(run_id: &str, pipeline: &str, started_at: String) -> MarkerFile {
    MarkerFile {
        format: FORMAT,
        run_id: run_id.to_owned(),
        pipeline: pipeline.to_owned(),
        started_at,
        claimed_at: None,
        beat: 0,
    }
}
