//! A raw table's declaration as a contract, so that its checks become queries as those of contracts do.

use indexmap::IndexMap;

use super::catalogue::limits_fault;
use super::compile::DeclaredSource;
use super::declared_checks::column_of;
use crate::source::{FILE_COLUMN, LINE_COLUMN};
use crate::spec::source::RawColumn;
use crate::spec::table::{ContractColumn, TableFile};
use crate::spec::yaml::Spanned;
use crate::spec::{Literal, SqlType};

/// The contract of a raw table. Its rows are told apart by where they stand, which is what is shown of those that break a
/// check: the key that is declared is itself a check.
pub(super) fn contract_of(source: &DeclaredSource) -> TableFile {
    let table = &source.planned.table;
    let is_key = |name: &str| table.key.iter().any(|key| key.value == name);
    let mut columns: IndexMap<String, Spanned<ContractColumn>> = IndexMap::new();
    for (name, declared) in &table.columns {
        let mut value = promised(&declared.value);
        // What cannot be asked has been told of, and is not asked.
        if limits_fault(name, &value).is_some() {
            value = column_of(value.sql_type, &value.description);
        }
        // A row without a value that is required is set aside.
        value.required = is_key(name) && !declared.value.required;
        let at = declared.at;
        columns.insert(name.clone(), Spanned { value, at });
    }
    let places = [
        (FILE_COLUMN, SqlType::Varchar, "The object of the row."),
        (LINE_COLUMN, SqlType::Bigint, "Its line or row there."),
    ];
    for (name, sql_type) in &table.partitions {
        let column = ContractColumn {
            required: is_key(name),
            ..column_of(*sql_type, "Stands in the path.")
        };
        columns.insert(name.clone(), Spanned::unplaced(column));
    }
    for (name, sql_type, described) in places {
        let column = column_of(sql_type, described);
        columns.insert(name.to_owned(), Spanned::unplaced(column));
    }
    TableFile {
        table: Spanned {
            value: source.planned.name.clone(),
            at: source.at,
        },
        description: table.description.clone(),
        grain: table.grain.as_deref().unwrap_or("one raw row").to_owned(),
        key: places
            .map(|(name, _, _)| Spanned::unplaced(name.to_owned()))
            .into(),
        incremental: None,
        check: None,
        checks: table.checks.clone(),
        columns,
    }
}

/// What a raw column promises, in the words of contracts.
pub(super) fn promised(column: &RawColumn) -> ContractColumn {
    let described = column.description.as_deref().unwrap_or_default();
    let typed = |limit: &Literal| limit.clone().of_type(column.sql_type);
    let accepted = column.accepted_values.iter().flatten();
    let accepted = accepted.map(|accepted| Spanned {
        value: typed(&accepted.value),
        at: accepted.at,
    });
    ContractColumn {
        minimum: column.minimum.as_ref().map(typed),
        maximum: column.maximum.as_ref().map(typed),
        accepted_values: column.accepted_values.as_ref().map(|_| accepted.collect()),
        ..column_of(column.sql_type, described)
    }
}
