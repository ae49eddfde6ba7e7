//! Column lineage: for each column of a table the columns that its value is made of.
//!
//! It is derived from the typed plan of the SQL, not from its text. Told is what decides a *value*: every column that the
//! expression reads, the condition of a `case` or a `filter (…)` and the partition and order of a window among them.
//! What only decides which *rows* there are (`where`, `having`, join keys, `group by` itself, `exists`) is not told a
//! column. A value that reads no column but counts rows, as `count(*)` does, comes from the rows of a table. A value
//! that has no origin is a constant, a parameter or a null.

mod query;
mod tables;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use indexmap::IndexMap;

use super::{Layer, Plan};

pub(super) use query::of;
pub(super) use tables::{of_entity, of_score};

/// What a value comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// The table, as SQL says it.
    pub table: String,
    /// The column; none where the rows of the table are counted.
    pub column: Option<String>,
}

impl Origin {
    /// A column of a table.
    pub fn column(table: &str, column: &str) -> Self {
        Self {
            table: table.to_owned(),
            column: Some(column.to_owned()),
        }
    }

    /// The rows of a table.
    pub fn rows(table: &str) -> Self {
        Self {
            table: table.to_owned(),
            column: None,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.column {
            Some(column) => write!(f, "{}.{column}", self.table),
            None => write!(f, "rows of {}", self.table),
        }
    }
}

/// What a value comes from, each once.
pub type Origins = BTreeSet<Origin>;

/// What the columns and the rows of one table come from, in the tables that it reads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableLineage {
    /// The origins of each column, in the order of the columns.
    pub columns: IndexMap<String, Origins>,
    /// The tables whose rows the rows are made of: of a left join the left one.
    pub rows: BTreeSet<String>,
}

/// The columns of a plan's tables, followed to where they come from.
#[derive(Debug, Default)]
pub struct Traces {
    raw: BTreeMap<Origin, Origins>,
    entities: BTreeMap<Origin, Origins>,
}

impl Traces {
    /// Follows every column of every table of `plan`.
    pub fn of(plan: &Plan) -> Self {
        let mut traces = Self::default();
        for stage in &plan.stages {
            let is_entity = stage.layer == Layer::Entity;
            let rows = stage.lineage.rows.iter().map(|table| Origin::rows(table));
            let columns = stage.lineage.columns.iter();
            let columns =
                columns.map(|(name, from)| (Origin::column(&stage.name, name), from.clone()));
            let all = columns.chain([(Origin::rows(&stage.name), rows.collect())]);
            for (made, from) in all {
                let own = |origin: &Origin| Origins::from([origin.clone()]);
                // An entity that nothing is bound to is where the trace ends.
                let raw = if is_entity && stage.inputs.is_empty() {
                    own(&made)
                } else {
                    follow(&from, &traces.raw)
                };
                let entities = if is_entity {
                    own(&made)
                } else {
                    follow(&from, &traces.entities)
                };
                traces.raw.insert(made.clone(), raw);
                traces.entities.insert(made, entities);
            }
        }
        traces
    }

    /// The raw columns that the value of a column is made of; where nothing is bound to an entity, its column.
    pub fn raw(&self, table: &str, column: &str) -> Origins {
        follow(&Origins::from([Origin::column(table, column)]), &self.raw)
    }

    /// The columns of entities that the value of a column is made of; raw ones where it reads no entity.
    pub fn entities(&self, table: &str, column: &str) -> Origins {
        follow(
            &Origins::from([Origin::column(table, column)]),
            &self.entities,
        )
    }
}

/// Each origin replaced by where it comes from itself; one that is not known, a raw column, stays.
fn follow(from: &Origins, known: &BTreeMap<Origin, Origins>) -> Origins {
    let mut found = Origins::new();
    for origin in from {
        match known.get(origin) {
            Some(origins) => found.extend(origins.iter().cloned()),
            None => {
                found.insert(origin.clone());
            }
        }
    }
    found
}
