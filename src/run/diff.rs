//! What changed between two published runs, by table, column and key.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Date32Type, Field, Int64Type, Schema};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::error::DataFusionError;

use super::AS_OF;
use super::error::RunError;
use super::published::{PublishedTables, QueryError};
use crate::engine::types::{quoted, sql_type};
use crate::publish::{PublishError, Published, PublishedTable, Target, commits};

/// Commits that are looked through for a run.
const DEPTH: usize = 10_000;

/// What changed of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnDiff {
    /// It has other values in so many rows.
    Changed(u64),
    /// Only the second run has it, with this type.
    New(String),
    /// Only the first run has it.
    Gone,
    /// Its type was the first, and is the second now. Values are not compared.
    Retyped(String, String),
}

impl ColumnDiff {
    fn rows(&self) -> u64 {
        match self {
            Self::Changed(rows) => *rows,
            Self::New(_) | Self::Gone | Self::Retyped(..) => 0,
        }
    }

    fn told(&self, column: &str) -> String {
        match self {
            Self::Changed(rows) => format!("{column} {rows}"),
            Self::New(now) => format!("+{column} {now}"),
            Self::Gone => format!("-{column}"),
            Self::Retyped(was, now) => format!("{column} {was} → {now}"),
        }
    }
}

/// What changed of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableDiff {
    /// The table.
    pub table: String,
    /// Its rows in the first run; none where that did not publish it.
    pub rows_before: Option<u64>,
    /// Its rows in the second.
    pub rows_after: Option<u64>,
    /// Whether `as_of_date` is left out of its key, because all rows of the first run are of one day and all of the second of
    /// another: what is told of the same customer is compared then, and that the day is another counts as no change.
    pub is_across_days: bool,
    /// Keys that only the second has.
    pub rows_new: u64,
    /// Keys that only the first has.
    pub rows_gone: u64,
    /// Keys that both have with other values.
    pub rows_changed: u64,
    /// The key that it had and the one that it has, where they differ.
    pub keys: Option<(Vec<String>, Vec<String>)>,
    /// Whether the key, or the type of one of its columns, is another: rows are not compared then.
    pub is_uncompared: bool,
    /// Columns that are new, gone or of another type, then those with other values, most rows first.
    pub columns: Vec<(String, ColumnDiff)>,
    /// The first keys of changed rows, then of new ones (`+`), then of those that are gone (`-`).
    pub examples: Vec<String>,
}

impl TableDiff {
    /// Whether anything changed.
    pub fn is_some(&self) -> bool {
        let rows = self.rows_new + self.rows_gone + self.rows_changed;
        rows > 0
            || self.rows_before != self.rows_after
            || self.keys.is_some()
            || !self.columns.is_empty()
    }
}

/// What changed from the run `before` to the run `after`, with so many keys of rows of each kind at most. Tables with the same bytes are
/// not looked into.
///
/// # Errors
/// [`RunError::NoSuchRun`] where one never published, or its files are no longer kept.
pub async fn diff(
    target: &Target,
    before: &str,
    after: &str,
    keys: usize,
) -> Result<Vec<TableDiff>, RunError> {
    let old = published(target, before).await?;
    let new = published(target, after).await?;
    let tables = PublishedTables::beside(target, [("before", &old), ("after", &new)])?;
    let mut names: Vec<&String> = old.tables.keys().chain(new.tables.keys()).collect();
    names.sort();
    names.dedup();
    let mut diffs = Vec::new();
    for name in names {
        diffs.push(match (old.tables.get(name), new.tables.get(name)) {
            (Some(old), Some(new)) => compare(&tables, name, (old, new), keys).await?,
            (old, new) => TableDiff {
                table: name.clone(),
                rows_before: old.map(|table| table.manifest.rows),
                rows_after: new.map(|table| table.manifest.rows),
                ..TableDiff::default()
            },
        });
    }
    Ok(diffs)
}

/// The differences as rows, for printing; of each table the `most` columns with the most changed rows.
///
/// # Errors
/// When a batch cannot be made of them.
pub fn to_batch(diffs: &[TableDiff], most: usize) -> Result<RecordBatch, QueryError> {
    let text = |get: &dyn Fn(&TableDiff) -> String| -> ArrayRef {
        Arc::new(
            diffs
                .iter()
                .map(|diff| Some(get(diff)))
                .collect::<StringArray>(),
        )
    };
    let count = |get: &dyn Fn(&TableDiff) -> Option<u64>| -> ArrayRef {
        let counts = diffs.iter().map(get);
        let counts = counts.map(|count| count.map(u64::cast_signed));
        Arc::new(counts.collect::<Int64Array>())
    };
    let columns = |diff: &TableDiff| {
        let columns = diff.columns.iter().take(most);
        let mut told: Vec<String> = Vec::new();
        if let Some((was, now)) = &diff.keys {
            let (was, now) = (was.join(" "), now.join(" "));
            told.push(format!("key ({was}) → ({now})"));
        }
        told.extend(columns.map(|(name, column)| column.told(name)));
        if diff.columns.len() > most {
            told.push(format!("{} more", diff.columns.len() - most));
        }
        if diff.is_uncompared {
            told.push("rows not compared".to_owned());
        }
        told.join(", ")
    };
    let compared = |diff: &TableDiff, rows: u64| (!diff.is_uncompared).then_some(rows);
    let names = [
        "table", "before", "after", "new", "gone", "changed", "columns", "keys",
    ];
    let fields = names.map(|name| match name {
        "table" | "columns" | "keys" => Field::new(name, DataType::Utf8, false),
        _ => Field::new(name, DataType::Int64, true),
    });
    let batch = RecordBatch::try_new(
        Arc::new(Schema::new(fields.to_vec())),
        vec![
            text(&|diff| diff.table.clone()),
            count(&|diff| diff.rows_before),
            count(&|diff| diff.rows_after),
            count(&|diff| compared(diff, diff.rows_new)),
            count(&|diff| compared(diff, diff.rows_gone)),
            count(&|diff| compared(diff, diff.rows_changed)),
            text(&columns),
            text(&|diff| diff.examples.join("; ")),
        ],
    );
    batch.map_err(|error| QueryError::Engine(error.into()))
}

/// The tables that a run published.
async fn published(target: &Target, run_id: &str) -> Result<Published, RunError> {
    let commits = commits(target, DEPTH).await?;
    let commit = commits.into_iter().find(|commit| commit.run_id == run_id);
    let commit = commit.ok_or_else(|| RunError::NoSuchRun {
        run_id: run_id.to_owned(),
        url: target.url.to_string(),
        reason: "no commit names it",
    })?;
    let published = Published::at(target, commit).await?;
    match published.check_files(target).await {
        Err(PublishError::Altered { found: None, .. }) => Err(RunError::NoSuchRun {
            run_id: run_id.to_owned(),
            url: target.url.to_string(),
            reason: "its files are no longer kept",
        }),
        checked => Ok(checked.map(|()| published)?),
    }
}

async fn compare(
    tables: &PublishedTables,
    name: &str,
    (old, new): (&PublishedTable, &PublishedTable),
    most_keys: usize,
) -> Result<TableDiff, RunError> {
    let mut diff = TableDiff {
        table: name.to_owned(),
        rows_before: Some(old.manifest.rows),
        rows_after: Some(new.manifest.rows),
        ..TableDiff::default()
    };
    let checksums = |table: &PublishedTable| -> Vec<String> {
        let files = table.manifest.files.iter();
        files.map(|file| file.sha256.clone()).collect()
    };
    if checksums(old) == checksums(new) {
        return Ok(diff);
    }
    let mut compared = Vec::new();
    for field in new.schema.fields() {
        let name = field.name();
        match old.schema.field_with_name(name) {
            Ok(was) if was.data_type() == field.data_type() => compared.push(name.clone()),
            Ok(was) => {
                let retyped = ColumnDiff::Retyped(type_of(was), type_of(field));
                diff.columns.push((name.clone(), retyped));
            }
            Err(_) => {
                let column = ColumnDiff::New(type_of(field));
                diff.columns.push((name.clone(), column));
            }
        }
    }
    let gone = old.schema.fields().iter().map(|field| field.name());
    let gone = gone.filter(|name| new.schema.field_with_name(name).is_err());
    diff.columns
        .extend(gone.map(|name| (name.clone(), ColumnDiff::Gone)));
    let (was, now) = (&old.manifest.key, &new.manifest.key);
    let is_comparable = now.iter().all(|key| compared.contains(key));
    if was != now {
        diff.keys = Some((was.clone(), now.clone()));
    }
    if was != now || !is_comparable {
        diff.is_uncompared = true;
        return Ok(diff);
    }
    let across = are_days_apart(tables, name, old, new).await?;
    diff.is_across_days = across;
    compared.retain(|column| !across || column != AS_OF);
    let key = new.manifest.key.iter();
    let key = key.filter(|column| !across || *column != AS_OF);
    let key: Vec<String> = key.map(|column| quoted(column)).collect();
    let on: Vec<String> = key.iter().map(|key| format!("b.{key} = a.{key}")).collect();
    let differs = |name: &String| format!("(b.{0} is distinct from a.{0})", quoted(name));
    let any: Vec<String> = compared.iter().map(differs).collect();
    let both = "b.is_here and a.is_here";
    let name = quoted(name);
    let joined = format!(
        "from (select *, true as is_here from before.{name}) as b \
         full join (select *, true as is_here from after.{name}) as a on {}",
        on.join(" and ")
    );
    let mut asked = vec![
        "count(*) filter (where b.is_here is null)".to_owned(),
        "count(*) filter (where a.is_here is null)".to_owned(),
        format!("count(*) filter (where {both} and ({}))", any.join(" or ")),
    ];
    let of_columns = any
        .iter()
        .map(|any| format!("count(*) filter (where {both} and {any})"));
    asked.extend(of_columns);
    let asked: Vec<String> = asked
        .iter()
        .enumerate()
        .map(|(index, sql)| format!("{sql} as c{index}"))
        .collect();
    let counted = tables
        .query(&format!("select {} {joined}", asked.join(", ")))
        .await?;
    let counts: Vec<u64> = counted
        .iter()
        .flat_map(RecordBatch::columns)
        .filter_map(|column| column.as_primitive_opt::<Int64Type>())
        .filter_map(|column| column.values().first())
        .map(|count| count.cast_unsigned())
        .collect();
    let [rows_new, rows_gone, rows_changed, of_columns @ ..] = counts.as_slice() else {
        return Ok(diff);
    };
    (diff.rows_new, diff.rows_gone, diff.rows_changed) = (*rows_new, *rows_gone, *rows_changed);
    let changed = compared.into_iter().zip(of_columns.iter().copied());
    let changed = changed.filter(|(_, rows)| *rows > 0);
    diff.columns
        .extend(changed.map(|(name, rows)| (name, ColumnDiff::Changed(rows))));
    diff.columns
        .sort_by_key(|(_, column)| (column.rows() > 0, std::cmp::Reverse(column.rows())));
    let changed = format!("{both} and ({})", any.join(" or "));
    for (rows, sign, side, of_rows) in [
        (*rows_changed, "", "a", changed.as_str()),
        (*rows_new, "+", "a", "b.is_here is null"),
        (*rows_gone, "-", "b", "a.is_here is null"),
    ] {
        if rows == 0 || most_keys == 0 {
            continue;
        }
        let keys: Vec<String> = key.iter().map(|key| format!("{side}.{key}")).collect();
        let keys = keys.join(", ");
        let sql =
            format!("select {keys} {joined} where {of_rows} order by {keys} limit {most_keys}");
        for batch in tables.query(&sql).await? {
            let rows = shown(&batch).map_err(QueryError::Engine)?;
            diff.examples
                .extend(rows.into_iter().map(|row| format!("{sign}{row}")));
        }
    }
    Ok(diff)
}

/// The type of a column as contracts say it.
fn type_of(field: &Field) -> String {
    let declared = sql_type(field.data_type());
    declared.map_or_else(|| field.data_type().to_string(), |known| known.to_string())
}

/// Whether the key of a table has an as-of day beside other columns, and that is one day in all rows of the first run and another in
/// all rows of the second: no row of one could have the key of a row of the other.
async fn are_days_apart(
    tables: &PublishedTables,
    name: &str,
    old: &PublishedTable,
    new: &PublishedTable,
) -> Result<bool, RunError> {
    let is_dated = |table: &PublishedTable| {
        let column = table.schema.field_with_name(AS_OF);
        column.is_ok_and(|field| field.data_type() == &DataType::Date32)
    };
    let key = &new.manifest.key;
    let is_in_key = key.len() > 1 && key.iter().any(|column| column == AS_OF);
    if !is_in_key || !is_dated(old) || !is_dated(new) {
        return Ok(false);
    }
    let before = only_day(tables, "before", name).await?;
    let after = only_day(tables, "after", name).await?;
    Ok(before.is_some() && after.is_some() && before != after)
}

/// The as-of day of all rows of a table, in days since 1970; none where it has several, or no rows.
async fn only_day(
    tables: &PublishedTables,
    version: &str,
    name: &str,
) -> Result<Option<i32>, RunError> {
    let sql = format!(
        "select min({AS_OF}) as earliest, max({AS_OF}) as latest from {version}.{}",
        quoted(name)
    );
    let rows = tables.query(&sql).await?;
    let days: Vec<i32> = rows
        .iter()
        .flat_map(RecordBatch::columns)
        .filter_map(|column| column.as_primitive_opt::<Date32Type>())
        .filter_map(|column| column.iter().next().flatten())
        .collect();
    Ok(match days.as_slice() {
        [earliest, latest] if earliest == latest => Some(*earliest),
        _ => None,
    })
}

/// Each row as its cells.
fn shown(batch: &RecordBatch) -> Result<Vec<String>, DataFusionError> {
    let options = FormatOptions::new().with_null("null");
    let columns = batch.columns().iter();
    let columns = columns
        .map(|column| ArrayFormatter::try_new(column.as_ref(), &options))
        .collect::<Result<Vec<_>, _>>()?;
    let cells = |row| {
        let cells = columns.iter().map(|column| column.value(row).to_string());
        cells.collect::<Vec<_>>().join(" ")
    };
    Ok((0..batch.num_rows()).map(cells).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_became_of_columns_and_key_is_told() {
        let keys = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let retyped = ColumnDiff::Retyped("bigint".to_owned(), "double".to_owned());
        let column = |name: &str, column| (name.to_owned(), column);
        let diff = TableDiff {
            table: "customers".to_owned(),
            keys: Some((keys(&["customer_id", "orders"]), keys(&["customer_id"]))),
            columns: vec![
                column("shoe_size", ColumnDiff::New("varchar".to_owned())),
                column("gender", ColumnDiff::Gone),
                column("purchase_days", retyped),
                column("orders", ColumnDiff::Changed(7)),
            ],
            is_uncompared: true,
            ..TableDiff::default()
        };
        // Though no row was counted.
        assert!(diff.is_some());
        let batch = to_batch(&[diff], 3).unwrap();
        let told = batch.column_by_name("columns").unwrap();
        assert_eq!(
            told.as_string::<i32>().value(0),
            "key (customer_id orders) → (customer_id), +shoe_size varchar, -gender, purchase_days bigint → double, 1 more, rows not compared"
        );
        for counted in ["new", "gone", "changed"] {
            let rows = batch.column_by_name(counted).unwrap();
            assert_eq!(rows.null_count(), 1, "{counted}");
        }
    }
}
