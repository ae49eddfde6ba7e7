//! From a declared path pattern to the objects it names.

use futures::TryStreamExt;
use globset::{GlobBuilder, GlobMatcher};
use indexmap::IndexMap;
use object_store::{ObjectMeta, ObjectStoreExt};

use super::cell::{Column, Value};
use super::error::SourceError;
use super::rows::Constant;
use super::selection::Selection;
use super::table::Object;
use crate::spec::SqlType;
use crate::spec::source::RawColumn;
use crate::store::{Store, StoreKind};

/// How Hive and its heirs write a partition without a value.
const NULL_PARTITION: &str = "__HIVE_DEFAULT_PARTITION__";

/// A path pattern: `*` and `?` within a segment, `**` across segments, `[…]` and `{a,b}`.
#[derive(Debug)]
pub(crate) struct Pattern {
    /// The segments before the first one with a wildcard; the whole path when there is none.
    literal: String,
    matcher: Option<GlobMatcher>,
}

impl Pattern {
    /// # Errors
    /// Says why the text is no pattern.
    pub(crate) fn new(pattern: &str) -> Result<Self, String> {
        if pattern
            .split('/')
            .any(|segment| matches!(segment, "" | "." | ".."))
        {
            return Err(format!(
                "the path `{pattern}` must be relative to the store's URL, without empty, `.` or `..` segments"
            ));
        }
        let Some(wildcard) = pattern.find(['*', '?', '[', '{', '\\']) else {
            return Ok(Self {
                literal: pattern.to_owned(),
                matcher: None,
            });
        };
        let glob = GlobBuilder::new(pattern)
            .literal_separator(true)
            .backslash_escape(true)
            .build()
            .map_err(|error| format!("the path `{pattern}` is no pattern: {}", error.kind()))?;
        let folder = pattern
            .get(..wildcard)
            .and_then(|head| head.rsplit_once('/'));
        let literal = folder.map_or("", |(folder, _)| folder).to_owned();
        Ok(Self {
            literal,
            matcher: Some(glob.compile_matcher()),
        })
    }
}

/// The objects that a pattern names, by path.
///
/// # Errors
/// No object matches, the store cannot be listed, or a path lacks a declared partition.
pub(crate) async fn list(
    source: &str,
    store: &Store,
    pattern: &str,
    partitions: &IndexMap<String, SqlType>,
    selection: &Selection,
) -> Result<Vec<Object>, SourceError> {
    let declaration = |reason| SourceError::Declaration {
        table: source.to_owned(),
        reason,
    };
    let parsed = Pattern::new(pattern).map_err(declaration)?;
    let columns = partitions
        .iter()
        .map(|(name, sql_type)| partition_column(name, *sql_type))
        .collect::<Result<Vec<_>, _>>()
        .map_err(declaration)?;
    let failed = |file: &str, error| SourceError::Store {
        table: source.to_owned(),
        file: file.to_owned(),
        source: Box::new(store.error(file, error)),
    };
    let mut found: Vec<(String, ObjectMeta)> = match &parsed.matcher {
        // A pipe would be waited for, a device read without end.
        None if is_no_file(store, &parsed.literal) => Vec::new(),
        None => match store.store.head(&store.join(&parsed.literal)).await {
            Ok(meta) => vec![(parsed.literal.clone(), meta)],
            Err(object_store::Error::NotFound { .. }) => Vec::new(),
            Err(error) => return Err(failed(&parsed.literal, error)),
        },
        Some(_) if !store.kind.can_list() => {
            return Err(declaration(format!(
                "the path `{pattern}` has wildcards, but a web server cannot be listed; name one object, or use \
                 the store's own protocol (s3://, gs://, az://)"
            )));
        }
        Some(matcher) => {
            let folder = store.join(&parsed.literal);
            let listed: Vec<ObjectMeta> = match store.store.list(Some(&folder)).try_collect().await
            {
                Ok(listed) => listed,
                Err(object_store::Error::NotFound { .. }) if store.kind == StoreKind::File => {
                    Vec::new()
                }
                Err(error) => return Err(failed(&parsed.literal, error)),
            };
            let relative = |meta: ObjectMeta| Some((store.relative(&meta.location)?, meta));
            let matches = |(path, _): &(String, _)| matcher.is_match(path);
            listed
                .into_iter()
                .filter_map(relative)
                .filter(matches)
                .collect()
        }
    };
    let there = found.len();
    // Stores list in orders of their own.
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    let found = selection.of(source, found)?;
    if found.is_empty() {
        return Err(SourceError::NothingMatches {
            table: source.to_owned(),
            url: store.url.clone(),
            pattern: pattern.to_owned(),
            hint: match there {
                0 => hint(store, &parsed),
                there => format!(" that was known then ({there} objects came later)"),
            },
        });
    }
    let object = |(path, meta): (String, ObjectMeta)| {
        let partitions = columns
            .iter()
            .map(|column| partition(source, &path, column));
        Ok(Object {
            partitions: partitions.collect::<Result<_, _>>()?,
            path: path.into(),
            meta,
        })
    };
    found.into_iter().map(object).collect()
}

/// The place on this machine of a path below a local store's URL.
fn place(store: &Store, path: &str) -> std::path::PathBuf {
    let folder = std::path::Path::new("/").join(store.prefix.as_ref());
    folder.join(path)
}

/// Whether a path of a local store leads to something that is neither a file nor a folder.
fn is_no_file(store: &Store, path: &str) -> bool {
    let metadata = (store.kind == StoreKind::File).then(|| place(store, path).metadata());
    metadata.is_some_and(|found| found.is_ok_and(|found| !found.is_file() && !found.is_dir()))
}

fn hint(store: &Store, pattern: &Pattern) -> String {
    let folder = place(store, "");
    let literal = place(store, &pattern.literal);
    match (store.kind, &pattern.matcher) {
        (StoreKind::File, _) if !folder.exists() => " (the directory does not exist)".to_owned(),
        (StoreKind::File, None) if literal.is_dir() => {
            format!(
                " (it is a directory; `{}/*` names what is in it)",
                pattern.literal
            )
        }
        (StoreKind::File, None) if is_no_file(store, &pattern.literal) => {
            " (it is no regular file)".to_owned()
        }
        (StoreKind::File, Some(_)) if !literal.exists() => {
            format!(" (there is no directory `{}`)", pattern.literal)
        }
        _ => String::new(),
    }
}

fn partition_column(name: &str, sql_type: SqlType) -> Result<Column, String> {
    Column::new(name, &RawColumn::of(sql_type))
}

/// The value of `name=value` in a path.
fn partition(source: &str, path: &str, column: &Column) -> Result<Constant, SourceError> {
    let wrong = |reason: String| SourceError::Partition {
        table: source.to_owned(),
        file: path.to_owned(),
        column: column.name.clone(),
        reason,
    };
    let folders = path.rsplit_once('/').map_or("", |(folders, _)| folders);
    let text = folders
        .split('/')
        .find_map(|segment| {
            segment
                .strip_prefix(column.name.as_str())?
                .strip_prefix('=')
        })
        .ok_or_else(|| wrong(format!("no segment `{}=…` in the path", column.name)))?;
    let text = decoded(text);
    let value = match text.as_str() {
        NULL_PARTITION => Value::Null,
        text => column.parse(text).map_err(wrong)?,
    };
    Ok(Constant {
        sql_type: column.sql_type,
        value,
        text,
    })
}

/// Writers of partitions percent-encode what a path cannot hold.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = tail
            .get(..2)
            .and_then(|pair| std::str::from_utf8(pair).ok());
        match hex
            .filter(|_| *first == b'%')
            .and_then(|hex| u8::from_str_radix(hex, 16).ok())
        {
            Some(byte) => {
                bytes.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use object_store::memory::InMemory;
    use object_store::path::Path;

    use super::*;

    async fn store(paths: &[&str]) -> Store {
        let memory = InMemory::new();
        for path in paths {
            memory
                .put(&Path::parse(path).unwrap(), "x".into())
                .await
                .unwrap();
        }
        let prefix = Path::parse("lake/raw").unwrap();
        Store::new(
            Arc::new(memory),
            prefix,
            "memory:/lake/raw".into(),
            StoreKind::Memory,
        )
    }

    async fn paths(store: &Store, pattern: &str) -> Vec<String> {
        let objects = list("s.t", store, pattern, &IndexMap::new(), &Selection::All)
            .await
            .unwrap();
        objects
            .iter()
            .map(|object| object.path.to_string())
            .collect()
    }

    #[tokio::test]
    async fn patterns_match_as_in_a_shell_in_the_order_of_paths() {
        let store = store(&[
            "lake/raw/orders/2.csv",
            "lake/raw/orders/10.csv",
            "lake/raw/orders/10.csv.gz",
            "lake/raw/orders/old/1.csv",
            "lake/raw/orders_archive/3.csv",
            "lake/elsewhere/orders/4.csv",
        ])
        .await;
        assert_eq!(
            paths(&store, "orders/*.csv").await,
            ["orders/10.csv", "orders/2.csv"]
        );
        assert_eq!(
            paths(&store, "orders/**/*.csv").await,
            ["orders/10.csv", "orders/2.csv", "orders/old/1.csv"]
        );
        assert_eq!(paths(&store, "orders/[0-5].csv").await, ["orders/2.csv"]);
        assert_eq!(
            paths(&store, "orders*/{2,3}.csv").await,
            ["orders/2.csv", "orders_archive/3.csv"]
        );
        assert_eq!(paths(&store, "orders/2.csv").await, ["orders/2.csv"]);
        assert_eq!(
            list(
                "s.t",
                &store,
                "returns/*.csv",
                &IndexMap::new(),
                &Selection::All
            )
            .await
            .unwrap_err()
            .to_string(),
            "s.t: nothing below memory:/lake/raw matches `returns/*.csv`"
        );
    }

    #[tokio::test]
    async fn partitions_are_typed_values_of_the_path() {
        let store = store(&["lake/raw/day=2024-01-02/shop=K%C3%B6ln/a=b.csv"]).await;
        let declared = |pairs: &[(&str, &str)]| -> IndexMap<String, SqlType> {
            pairs
                .iter()
                .map(|(name, t)| ((*name).to_owned(), t.parse().unwrap()))
                .collect()
        };
        let partitions = declared(&[("day", "date"), ("shop", "varchar")]);
        let objects = list("s.t", &store, "**/*.csv", &partitions, &Selection::All)
            .await
            .unwrap();
        let values: Vec<_> = objects[0]
            .partitions
            .iter()
            .map(|c| (c.value, c.text.as_str()))
            .collect();
        assert_eq!(
            values,
            [(Value::Days(19_724), "2024-01-02"), (Value::Text, "Köln")]
        );
        for (name, sql_type, reason) in [
            ("region", "varchar", "no segment `region=…` in the path"),
            ("shop", "bigint", "`Köln` is not a bigint"),
            ("a", "varchar", "no segment `a=…` in the path"),
        ] {
            let error = list(
                "s.t",
                &store,
                "**/*.csv",
                &declared(&[(name, sql_type)]),
                &Selection::All,
            )
            .await;
            assert_eq!(
                error.unwrap_err().to_string(),
                format!(
                    "s.t: day=2024-01-02/shop=K%C3%B6ln/a=b.csv: partition column `{name}`: {reason}"
                )
            );
        }
    }

    #[test]
    fn paths_stay_below_the_store() {
        for path in ["/abs.csv", "../x.csv", "a//b.csv", "a/", ""] {
            assert!(Pattern::new(path).is_err(), "{path}");
        }
        assert!(
            Pattern::new("a/[.csv")
                .unwrap_err()
                .starts_with("the path `a/[.csv` is no pattern")
        );
    }

    #[tokio::test]
    async fn a_web_server_is_not_listed() {
        let mut web = store(&[]).await;
        web.kind = StoreKind::Http;
        let error = list("s.t", &web, "a/*.csv", &IndexMap::new(), &Selection::All)
            .await
            .unwrap_err();
        assert!(
            error.to_string().contains("a web server cannot be listed"),
            "{error}"
        );
    }
}
