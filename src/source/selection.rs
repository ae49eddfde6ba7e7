//! Which of the objects that a pattern names a run reads.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use object_store::ObjectMeta;

use super::error::SourceError;
use super::tally::ObjectInfo;

/// Which of the objects that a pattern names a run reads.
#[derive(Debug, Clone, Default)]
pub enum Selection {
    /// All that are there.
    #[default]
    All,
    /// Those that the store says were written at or before a time: what a run of that time could have known. Stores that tell
    /// no such time, as some web servers, have all of theirs left out.
    KnownAt(DateTime<Utc>),
    /// Exactly those that an earlier run read, of each raw table by name, with the same content.
    Recorded {
        /// The run.
        run_id: String,
        /// What it read.
        objects: BTreeMap<String, Vec<ObjectInfo>>,
    },
}

impl Selection {
    /// The objects of `source` that are read, of those `found`, by path.
    ///
    /// # Errors
    /// [`SourceError::Gone`] names every recorded object that is gone or has another content.
    pub(crate) fn of(
        &self,
        source: &str,
        found: Vec<(String, ObjectMeta)>,
    ) -> Result<Vec<(String, ObjectMeta)>, SourceError> {
        match self {
            Self::All => Ok(found),
            Self::KnownAt(time) => {
                let known = found.into_iter();
                Ok(known
                    .filter(|(_, meta)| meta.last_modified <= *time)
                    .collect())
            }
            Self::Recorded { run_id, objects } => {
                let recorded = objects.get(source).map(Vec::as_slice).unwrap_or_default();
                let mut there: BTreeMap<String, ObjectMeta> = found.into_iter().collect();
                let mut chosen = Vec::with_capacity(recorded.len());
                let mut gone = Vec::new();
                for object in recorded {
                    match there.remove(&object.path) {
                        None => gone.push(format!("{} is not there any more", object.path)),
                        Some(meta) => match differs(object, &meta) {
                            Some(how) => gone.push(format!("{} is another: {how}", object.path)),
                            None => chosen.push((object.path.clone(), meta)),
                        },
                    }
                }
                if gone.is_empty() {
                    return Ok(chosen);
                }
                Err(SourceError::Gone {
                    table: source.to_owned(),
                    run_id: run_id.clone(),
                    objects: gone.join("; "),
                })
            }
        }
    }

    /// What of it is about one raw table.
    pub(crate) fn of_source(&self, source: &str) -> Self {
        match self {
            Self::Recorded { run_id, objects } => {
                let of_source = objects.get(source).cloned().unwrap_or_default();
                Self::Recorded {
                    run_id: run_id.clone(),
                    objects: [(source.to_owned(), of_source)].into(),
                }
            }
            other => other.clone(),
        }
    }

    /// Holds the checksum of one object, by its place among those that are read, against what was recorded.
    ///
    /// # Errors
    /// [`SourceError::Gone`], where it differs.
    pub(crate) fn check_one(
        &self,
        source: &str,
        object: usize,
        sha256: &str,
    ) -> Result<(), SourceError> {
        let Self::Recorded { run_id, objects } = self else {
            return Ok(());
        };
        let then = objects.get(source).and_then(|objects| objects.get(object));
        match then.and_then(|then| is_another(then, Some(sha256))) {
            Some(objects) => Err(SourceError::Gone {
                table: source.to_owned(),
                run_id: run_id.clone(),
                objects,
            }),
            None => Ok(()),
        }
    }

    /// Holds checksums against those that were recorded, as far as they are known by now.
    ///
    /// # Errors
    /// [`SourceError::Gone`], where one differs.
    pub(crate) fn check(&self, source: &str, read: &[ObjectInfo]) -> Result<(), SourceError> {
        let Self::Recorded { run_id, objects } = self else {
            return Ok(());
        };
        let recorded = objects.get(source).map(Vec::as_slice).unwrap_or_default();
        let other =
            |(then, now): (&ObjectInfo, &ObjectInfo)| is_another(then, now.sha256.as_deref());
        let other: Vec<String> = recorded.iter().zip(read).filter_map(other).collect();
        if other.is_empty() {
            return Ok(());
        }
        Err(SourceError::Gone {
            table: source.to_owned(),
            run_id: run_id.clone(),
            objects: other.join("; "),
        })
    }
}

/// That an object is another, where its checksum and the one that was recorded are both known and differ.
fn is_another(recorded: &ObjectInfo, sha256: Option<&str>) -> Option<String> {
    let (then, now) = (recorded.sha256.as_deref()?, sha256?);
    (then != now).then(|| format!("{} is another: its checksum differs", recorded.path))
}

/// How an object differs from what was recorded; its tags where no checksum was.
fn differs(recorded: &ObjectInfo, meta: &ObjectMeta) -> Option<String> {
    if recorded.size != meta.size {
        return Some(format!(
            "it had {} bytes and has {}",
            recorded.size, meta.size
        ));
    }
    let is_other = |then: &Option<String>, now: &Option<String>| matches!((then, now), (Some(then), Some(now)) if then != now);
    let by_tag = recorded.sha256.is_none()
        && (is_other(&recorded.version, &meta.version) || is_other(&recorded.e_tag, &meta.e_tag));
    by_tag.then(|| "it was written anew".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(path: &str, size: u64, tag: &str, day: &str) -> (String, ObjectMeta) {
        let meta = ObjectMeta {
            location: path.into(),
            last_modified: format!("{day}T00:00:00Z").parse().expect("a time"),
            size,
            e_tag: Some(tag.to_owned()),
            version: None,
        };
        (path.to_owned(), meta)
    }

    fn info(path: &str, size: u64, tag: &str, sha256: Option<&str>) -> ObjectInfo {
        ObjectInfo {
            path: path.to_owned(),
            size,
            e_tag: Some(tag.to_owned()),
            version: None,
            last_modified: DateTime::UNIX_EPOCH,
            sha256: sha256.map(str::to_owned),
        }
    }

    fn recorded(objects: Vec<ObjectInfo>) -> Selection {
        Selection::Recorded {
            run_id: "r1".to_owned(),
            objects: [("shop.orders".to_owned(), objects)].into(),
        }
    }

    fn paths(
        selection: &Selection,
        found: Vec<(String, ObjectMeta)>,
    ) -> Result<Vec<String>, String> {
        let chosen = selection
            .of("shop.orders", found)
            .map_err(|error| error.to_string())?;
        Ok(chosen.into_iter().map(|(path, _)| path).collect())
    }

    #[test]
    fn what_was_written_after_a_time_is_left_out() {
        let found = vec![
            meta("a", 1, "x", "2024-01-01"),
            meta("b", 1, "y", "2024-01-02"),
        ];
        let known = Selection::KnownAt("2024-01-01T00:00:00Z".parse().expect("a time"));
        assert_eq!(paths(&known, found), Ok(vec!["a".to_owned()]));
    }

    #[test]
    fn recorded_objects_are_read_and_newer_ones_are_not() {
        let found = vec![
            meta("a", 1, "x", "2024-01-01"),
            meta("b", 1, "y", "2024-01-02"),
        ];
        let selection = recorded(vec![info("a", 1, "x", None)]);
        assert_eq!(paths(&selection, found), Ok(vec!["a".to_owned()]));
    }

    #[test]
    fn every_object_that_is_gone_or_another_is_named() {
        let found = vec![
            meta("a", 2, "x", "2024-01-01"),
            meta("b", 1, "other", "2024-01-01"),
            meta("d", 1, "other", "2024-01-01"),
        ];
        let selection = recorded(vec![
            info("a", 1, "x", None),
            info("b", 1, "y", None),
            info("c", 1, "z", None),
            info("d", 1, "z", Some("f00")),
        ]);
        assert_eq!(
            paths(&selection, found),
            Err("shop.orders: what the run r1 read is not to be had: a is another: it had 1 bytes and has 2; \
                 b is another: it was written anew; c is not there any more"
                .to_owned())
        );
    }

    #[test]
    fn a_checksum_decides_where_one_is_known() {
        let selection = recorded(vec![info("d", 1, "z", Some("f00"))]);
        let told = |sha256: Option<&str>| {
            let read = [info("d", 1, "q", sha256)];
            selection
                .check("shop.orders", &read)
                .map_err(|error| error.to_string())
        };
        assert_eq!(told(Some("f00")), Ok(()));
        assert_eq!(
            told(Some("bad")),
            Err(
                "shop.orders: what the run r1 read is not to be had: d is another: its checksum differs"
                    .to_owned()
            )
        );
        // What lies elsewhere has none before it was read.
        assert_eq!(told(None), Ok(()));
    }
}
