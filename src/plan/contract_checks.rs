//! What contracts promise of tables that are not published, as queries of the rows that break it: of raw tables always, of others
//! as far as the pipeline says under `contracts`.

use std::sync::Arc;

use super::compile::Compiling;
use super::declared_checks::{About, Query, column_of, contract_of, listed};
use super::entity;
use super::planned_check::{CheckKind, PlannedCheck};
use crate::engine::ValueLimits;
use crate::engine::types::quoted;
use crate::spec::SourceText;
use crate::spec::check::{Severity, TableCheck};
use crate::spec::pipeline::Strictness;
use crate::spec::table::TableFile;
use crate::spec::yaml::Spanned;
use crate::spec::{Literal, SqlType};

/// The column that says what of a row is not as promised.
const BROKEN: &str = "broken_promise";

/// Enters the checks that hold `table` to its contract into the catalogue; returns their names. There are none of raw tables that
/// promise nothing, none of others where the pipeline asks for none, and none of published tables, whose rows are held as they are
/// written.
pub(super) fn enter(compiling: &mut Compiling<'_>, table: &str) -> Vec<String> {
    // Raw rows are shown by where they stand: what tells them apart is declared beside that.
    let raw_key: Option<Vec<String>> = compiling.sources.get(table).map(|source| {
        let key = source.planned.table.key.iter();
        key.map(|column| column.value.clone()).collect()
    });
    let is_asked = match compiling.pipeline.contracts {
        Strictness::All => is_between(compiling, table),
        Strictness::Entities => entity::name_of(table).is_some() && is_between(compiling, table),
        Strictness::Written => false,
    };
    if raw_key.is_none() && !is_asked {
        return Vec::new();
    }
    let is_key_alone = raw_key.is_none() && compiling.pipeline.contracts == Strictness::Entities;
    let of_raw = raw_key.as_ref().and_then(|_| table.split_once('.'));
    let Some((contract, file)) = contract_of(compiling, table) else {
        return Vec::new();
    };
    let about = About {
        table,
        contract: &contract,
        file: &file,
        system: of_raw.map(|(system, _)| system),
        is_counted: false,
    };
    let key = match &raw_key {
        Some(key) if key.is_empty() => None,
        Some(key) => about.unique(&Spanned::unplaced(key.clone())).ok(),
        None => about.unique(&Spanned::unplaced(about.key())).ok(),
    };
    let checks = [
        (
            "contract",
            "Columns hold what the contract promises.",
            promises(&about).filter(|_| !is_key_alone),
        ),
        // What is wrong with a key is told where its contract is read.
        ("contract_key", "The key tells rows apart.", key),
    ];
    let mut names = Vec::new();
    for (check, description, query) in checks {
        let Some(query) = query else { continue };
        let name = match of_raw {
            Some(_) => format!("{table}__{check}"),
            None => format!("{}__{check}", table.replace('.', "_")),
        };
        let at = contract.table.at;
        let is_taken =
            compiling.catalogue.tables.contains_key(&name) || compiling.sources.contains_key(&name);
        if is_taken {
            let message = format!("there is another table or check `{name}`");
            let help = match of_raw {
                Some(_) => "rename it: cvm makes a check of this name",
                None => {
                    "rename it: cvm makes a check of this name, unless the pipeline says `contracts: written`"
                }
            };
            compiling.problems.push(about.fault(at, message, help));
            continue;
        }
        compiling.checks.push(PlannedCheck {
            name: name.clone(),
            table: Some(table.to_owned()),
            kind: query.kind,
            max_share: None,
        });
        let value = declared(&about, description);
        let entered = about.as_table(&name, &Spanned { value, at }, query);
        compiling.catalogue.tables.insert(name.clone(), entered);
        names.push(name);
    }
    names
}

/// A query of the rows of a table that are not what its contract promises.
#[derive(Debug, Clone, PartialEq)]
pub struct BrokenRows {
    /// What is promised: `contract` of columns, `contract_key` of the key.
    pub promise: &'static str,
    /// How its rows count.
    pub kind: CheckKind,
    /// The query.
    pub sql: String,
    /// The columns that it can be sorted by.
    pub key: Vec<String>,
}

/// Queries of the rows of a table that are not what its contract promises, of a project that was planned.
pub fn rows_that_break(table: &str, contract: &TableFile) -> Vec<BrokenRows> {
    // Faults of the contract are told where it is planned.
    let file = Arc::new(SourceText {
        path: String::new(),
        text: String::new(),
    });
    let about = About {
        table,
        contract,
        file: &file,
        system: None,
        is_counted: false,
    };
    let key = about.unique(&Spanned::unplaced(about.key())).ok();
    let queries = [("contract", promises(&about)), ("contract_key", key)];
    let queries = queries.into_iter();
    queries
        .filter_map(|(promise, query)| {
            let Query { sql, key, kind, .. } = query?;
            Some(BrokenRows {
                promise,
                kind,
                sql,
                key,
            })
        })
        .collect()
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

/// What would be declared of a check of a table.
fn declared(about: &About<'_>, description: &str) -> TableCheck {
    let table = about.table;
    let help = match about.system {
        Some(_) => format!(
            "mend the data, or change what {} promises of `{table}`",
            about.file.path
        ),
        None => format!("mend the data or the SQL, or change the contract of `{table}`"),
    };
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
        help: Some(help),
    }
}

/// The rows of which a column is not as promised, each with the first such column in words; none where nothing is promised.
///
/// It asks what `stage/promises.rs` asks of rows that are written down. Where a raw row stands is always known.
fn promises(about: &About<'_>) -> Option<Query> {
    let key = about.key();
    let (mut broken, mut cases) = (Vec::new(), Vec::new());
    for (name, column) in &about.contract.columns {
        let (column, quoted) = (&column.value, quoted(name));
        if column.required || about.system.is_none() && key.contains(name) {
            let found = literal(&format!("`{name}` has no value, but is required"));
            broken.push(format!("{quoted} is null"));
            cases.push(format!("when {quoted} is null then {found}"));
        }
        let limits = ValueLimits::of(column);
        if let Some(outside) = outside(&quoted, column.sql_type, &limits) {
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
fn outside(column: &str, sql_type: SqlType, limits: &ValueLimits) -> Option<String> {
    let compared = match sql_type {
        SqlType::Timestamp => format!("local_date({column}, 'UTC')"),
        // -0.0 is no less than 0.0, whichever order the engine compares by.
        SqlType::Double => format!("({column} + 0.0)"),
        _ => column.to_owned(),
    };
    let value = |limit: &Literal| written(limit, sql_type);
    let below = limits.minimum.as_ref();
    let below = below.map(|bound| format!("{compared} < {}", value(bound)));
    let above = limits.maximum.as_ref();
    let above = above.map(|bound| format!("{compared} > {}", value(bound)));
    let texts = limits.accepted_values.iter().flatten();
    let texts = texts.map(|text| literal(text));
    let numbers = limits.accepted_numbers.iter().flatten();
    let numbers = numbers.map(|number| value(&Literal::Number(*number)));
    let accepted: Vec<String> = texts.chain(numbers).collect();
    let other = format!("{compared} not in ({})", accepted.join(", "));
    let other = (!accepted.is_empty()).then_some(other);
    let any: Vec<String> = [below, above, other].into_iter().flatten().collect();
    (!any.is_empty()).then(|| any.join(" or "))
}

/// A limit of a column as SQL writes it: of decimals exactly, where a number with a point would be a float.
fn written(limit: &Literal, sql_type: SqlType) -> String {
    match (limit, sql_type) {
        (Literal::Number(number), SqlType::Decimal { scale, .. }) if number.has_decimals() => {
            // A limit may be larger than any value of the type.
            format!("cast('{number}' as decimal(38, {scale}))")
        }
        (Literal::Number(number), _) => number.to_string(),
        (Literal::Text(day), SqlType::Date | SqlType::Timestamp) => format!("date '{day}'"),
        (Literal::Text(text), _) => literal(text),
    }
}

/// A text as SQL writes it.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::yaml::decode;

    /// What is asked of the entity `orders` with these columns.
    fn asked(columns: &str) -> Option<Query> {
        let text = format!(
            "table: orders\ndescription: d\ngrain: g\nkey: [order_id]\ncolumns:\n  \
             order_id: {{ type: varchar, description: d }}\n{columns}"
        );
        let path = "sql/entities/orders.yml".to_owned();
        let file = Arc::new(SourceText { path, text });
        let contract: TableFile =
            decode(&file, &|_| None).unwrap_or_else(|problems| panic!("{problems:?}"));
        promises(&About {
            table: "entities.orders",
            contract: &contract,
            file: &file,
            system: None,
            is_counted: false,
        })
    }

    #[test]
    fn every_promise_is_asked_in_the_words_of_rows_that_are_written_down() {
        let query = asked(
            "  who: { type: varchar, accepted_values: [\"it's me\", you], description: d }\n  \
             rate: { type: double, required: true, minimum: -1, maximum: 1, description: d }\n  \
             note: { type: varchar, description: d }\n",
        );
        let query = query.unwrap();
        assert_eq!(
            query.sql,
            "select \"order_id\", case \
             when \"order_id\" is null then '`order_id` has no value, but is required' \
             when \"who\" not in ('it''s me', 'you') \
             then '`who` is `' || cast(\"who\" as varchar) || '`, but should be one of ''it''s me'', ''you''' \
             when \"rate\" is null then '`rate` has no value, but is required' \
             when (\"rate\" + 0.0) < -1 or (\"rate\" + 0.0) > 1 \
             then '`rate` is `' || cast(\"rate\" as varchar) || '`, but should be at least -1 and at most 1' \
             end as broken_promise from entities.orders \
             where \"order_id\" is null or \"who\" not in ('it''s me', 'you') \
             or \"rate\" is null or (\"rate\" + 0.0) < -1 or (\"rate\" + 0.0) > 1"
        );
        let columns: Vec<&str> = query.columns.keys().map(String::as_str).collect();
        assert_eq!(columns, ["order_id", "broken_promise"]);
        assert_eq!(query.kind, CheckKind::Contract);
    }

    #[test]
    fn limits_are_asked_in_the_type_of_their_column() {
        let query = asked(
            "  paid: { type: \"decimal(18,2)\", minimum: 0, maximum: 99.5, description: d }\n  \
             size: { type: \"decimal(18,2)\", accepted_values: [0.5, 1], description: d }\n  \
             day: { type: date, minimum: 2024-01-01, description: d }\n  \
             at: { type: timestamp, maximum: 2024-12-31, description: d }\n",
        );
        let sql = query.unwrap().sql;
        let (_, asked) = sql.split_once(" where ").unwrap();
        assert_eq!(
            asked,
            "\"order_id\" is null \
             or \"paid\" < 0 or \"paid\" > cast('99.5' as decimal(38, 2)) \
             or \"size\" not in (cast('0.5' as decimal(38, 2)), 1) \
             or \"day\" < date '2024-01-01' \
             or local_date(\"at\", 'UTC') > date '2024-12-31'"
        );
    }
}
