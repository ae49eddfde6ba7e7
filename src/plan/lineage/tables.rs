//! The lineage of tables that no query makes: entities and scores.

use super::super::catalogue::Catalogue;
use super::super::score::CheckedScore;
use super::{Origin, Origins, TableLineage};
use crate::spec::TableFile;

/// A column of an entity comes from the columns of that name of whatever is bound.
pub(in crate::plan) fn of_entity(
    catalogue: &Catalogue,
    bound: &[String],
    contract: &TableFile,
) -> TableLineage {
    let has = |part: &String, column: &String| {
        let table = catalogue.tables.get(part);
        let contract = table.and_then(|table| table.contract.as_ref());
        contract.is_some_and(|has| has.columns.contains_key(column))
    };
    let columns = contract.columns.keys().map(|column| {
        let parts = bound.iter().filter(|part| has(part, column));
        let origins = parts.map(|part| Origin::column(part, column)).collect();
        (column.clone(), origins)
    });
    TableLineage {
        columns: columns.collect(),
        rows: bound.iter().cloned().collect(),
    }
}

/// Every column of a score comes from all that its scorer reads.
pub(in crate::plan) fn of_score(score: &CheckedScore) -> TableLineage {
    let input = &score.input.value;
    let own = score.checked.input().iter().map(|column| column.name);
    let features = score.checked.features();
    let named = features.iter().map(String::as_str);
    let mut origins: Origins = own
        .chain(named)
        .map(|column| Origin::column(input, column))
        .collect();
    for (table, columns) in score.checked.other_inputs() {
        let columns = columns.iter();
        origins.extend(columns.map(|column| Origin::column(&table, column.name)));
    }
    let made = score.checked.output().iter();
    TableLineage {
        columns: made
            .map(|column| (column.name.to_owned(), origins.clone()))
            .collect(),
        rows: [input.clone()].into(),
    }
}
