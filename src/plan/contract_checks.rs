//! What contracts promise of tables that are not published, as queries of the rows that break it: for pipelines that say
//! `contracts: all`.

use super::compile::Compiling;
use super::declared_checks::{
    About, CheckKind, PlannedCheck, Query, column_of, contract_of, listed,
};
use super::entity;
use crate::engine::ValueLimits;
use crate::engine::types::quoted;
use crate::spec::SqlType;
use crate::spec::check::{Severity, TableCheck};
use crate::spec::pipeline::Contracts;
use crate::spec::yaml::Spanned;

/// The column that says what of a row is not as promised.
const BROKEN: &str = "broken_promise";

/// Enters the checks that hold `table` to its contract into the catalogue; returns their names. There are none where the pipeline asks
/// for none, and of published tables, whose rows are held as they are written.
pub(super) fn enter(compiling: &mut Compiling<'_>, table: &str) -> Vec<String> {
    if compiling.pipeline.contracts != Contracts::All || !is_between(compiling, table) {
        return Vec::new();
    }
    let Some((contract, file)) = contract_of(compiling, table) else {
        return Vec::new();
    };
    let about = About {
        table,
        contract: &contract,
        file: &file,
        system: None,
        is_counted: false,
    };
    let key = about.unique(&Spanned::unplaced(about.key()));
    let checks = [
        (
            "contract",
            "Columns hold what the contract promises.",
            promises(&about),
        ),
        // What is wrong with a key is told where its contract is read.
        ("contract_key", "The key tells rows apart.", key.ok()),
    ];
    let mut names = Vec::new();
    for (check, description, query) in checks {
        let Some(query) = query else { continue };
        let name = format!("{}__{check}", table.replace('.', "_"));
        let at = contract.table.at;
        if compiling.catalogue.tables.contains_key(&name) {
            let message = format!("there is another table or check `{name}`");
            let help = "rename it: with `contracts: all` cvm makes a check of this name";
            compiling.problems.push(about.fault(at, message, help));
            continue;
        }
        compiling.checks.push(PlannedCheck {
            name: name.clone(),
            table: Some(table.to_owned()),
            kind: query.kind,
            max_share: None,
        });
        let value = declared(table, description);
        let entered = about.as_table(&name, &Spanned { value, at }, query);
        compiling.catalogue.tables.insert(name.clone(), entered);
        names.push(name);
    }
    names
}

/// Whether a table is neither raw nor published, and may have rows.
fn is_between(compiling: &Compiling<'_>, table: &str) -> bool {
    let mut outputs = compiling.pipeline.outputs.tables.iter();
    if compiling.sources.contains_key(table) || outputs.any(|output| output.value == table) {
        return false;
    }
    let entity = entity::name_of(table);
    entity.is_none_or(|entity| compiling.pipeline.entities.contains_key(entity))
}

/// What would be declared of a check of `table`.
fn declared(table: &str, description: &str) -> TableCheck {
    TableCheck {
        description: description.to_owned(),
        condition: None,
        unique: None,
        relationship: None,
        freshness: None,
        row_count: None,
        reconciliation: None,
        severity: Severity::Error,
        max_rows: 0,
        max_share: None,
        help: Some(format!(
            "mend the data or the SQL, or change the contract of `{table}`"
        )),
    }
}

/// The rows of which a column is not as promised, each with the first such column in words; none where nothing is promised.
///
/// It asks what `stage/promises.rs` asks of rows that are written down.
fn promises(about: &About<'_>) -> Option<Query> {
    let key = about.key();
    let (mut broken, mut cases) = (Vec::new(), Vec::new());
    for (name, column) in &about.contract.columns {
        let (column, quoted) = (&column.value, quoted(name));
        if column.required || key.contains(name) {
            let found = literal(&format!("`{name}` has no value, but is required"));
            broken.push(format!("{quoted} is null"));
            cases.push(format!("when {quoted} is null then {found}"));
        }
        let limits = ValueLimits::of(column);
        if let Some(outside) = outside(&quoted, &limits) {
            let is = literal(&format!("`{name}` is `"));
            let should = literal(&format!("`, but should be {limits}"));
            let found = format!("{is} || cast({quoted} as varchar) || {should}");
            cases.push(format!("when {outside} then {found}"));
            broken.push(outside);
        }
    }
    if cases.is_empty() {
        return None;
    }
    let mut columns = about.typed(&key);
    let told = "The first column that is not as promised, and what it holds.";
    columns.insert(BROKEN.to_owned(), column_of(SqlType::Varchar, told));
    Some(Query {
        sql: format!(
            "select {}, case {} end as {BROKEN} from {} where {}",
            listed(&key),
            cases.join(" "),
            about.table,
            broken.join(" or ")
        ),
        columns,
        key,
        kind: CheckKind::Contract,
    })
}

/// That a column has a value, and one outside its limits; none where it has no limits.
fn outside(column: &str, limits: &ValueLimits) -> Option<String> {
    let below = limits.minimum.map(|bound| format!("{column} < {bound}"));
    let above = limits.maximum.map(|bound| format!("{column} > {bound}"));
    let other = limits.accepted_values.as_ref().map(|accepted| {
        let accepted: Vec<String> = accepted.iter().map(|text| literal(text)).collect();
        format!("{column} not in ({})", accepted.join(", "))
    });
    let any: Vec<String> = [below, above, other].into_iter().flatten().collect();
    (!any.is_empty()).then(|| any.join(" or "))
}

/// A text as SQL writes it.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
