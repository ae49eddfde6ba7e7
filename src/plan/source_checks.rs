//! A raw table's declaration as a contract, so that its checks become queries as those of contracts do.

use indexmap::IndexMap;

use super::compile::DeclaredSource;
use super::declared_checks::column_of;
use crate::source::{FILE_COLUMN, LINE_COLUMN};
use crate::spec::SqlType;
use crate::spec::table::{ContractColumn, TableFile};
use crate::spec::yaml::Spanned;

/// The contract of a raw table. Its rows are told apart by where they stand, which is what is shown of those that break a
/// check.
pub(super) fn contract_of(source: &DeclaredSource) -> TableFile {
    let table = &source.planned.table;
    let mut columns: IndexMap<String, Spanned<ContractColumn>> = IndexMap::new();
    for (name, declared) in &table.columns {
        let described = declared.value.description.as_deref().unwrap_or_default();
        let value = column_of(declared.value.sql_type, described);
        let at = declared.at;
        columns.insert(name.clone(), Spanned { value, at });
    }
    let places = [
        (FILE_COLUMN, SqlType::Varchar, "The object of the row."),
        (LINE_COLUMN, SqlType::Bigint, "Its line or row there."),
    ];
    for (name, sql_type) in &table.partitions {
        let column = column_of(*sql_type, "Stands in the path.");
        columns.insert(name.clone(), Spanned::unplaced(column));
    }
    for (name, sql_type, described) in places {
        let column = column_of(sql_type, described);
        columns.insert(name.to_owned(), Spanned::unplaced(column));
    }
    TableFile {
        table: Spanned::unplaced(source.planned.name.clone()),
        description: table.description.clone(),
        grain: "one raw row".to_owned(),
        key: places
            .map(|(name, _, _)| Spanned::unplaced(name.to_owned()))
            .into(),
        incremental: None,
        check: None,
        checks: table.checks.clone(),
        columns,
    }
}
