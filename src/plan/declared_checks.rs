//! The checks that contracts and raw tables declare, as queries of the rows that break them.

use std::sync::Arc;

use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Token;
use indexmap::IndexMap;

use super::catalogue::SqlTable;
use super::check::is_name;
use super::compile::Compiling;
use super::planned_check::{CheckKind, ENOUGH, EXPECTED, NEWEST, PlannedCheck, ROWS, TOTAL};
use super::relationship::Compared;
use super::{Layer, entity, source_checks};
use crate::engine::types::quoted;
use crate::spec::SqlType;
use crate::spec::check::{
    CheckDeclaration, Freshness, Reconciliation, Relationship, RowCount, TableCheck,
};
use crate::spec::problem::{At, Problem, SourceText, did_you_mean};
use crate::spec::table::{ContractColumn, TableFile};
use crate::spec::yaml::Spanned;

/// Sums of money and of counts that reconcile are compared in this type.
const SUM: SqlType = SqlType::Decimal {
    precision: 38,
    scale: 4,
};

/// What runs note of tables beside the checks that are declared.
pub(super) const OWN_CHECKS: [&str; 5] = [
    "contract",
    "contract_key",
    "lookback",
    "set_aside",
    "validation",
];

/// A query of the rows that break a check.
pub(super) struct Query {
    pub(super) sql: String,
    /// Its columns; the first are its key.
    pub(super) columns: IndexMap<String, ContractColumn>,
    pub(super) key: Vec<String>,
    pub(super) kind: CheckKind,
}

/// Enters the checks that the contract or the source file of `table` declares into the catalogue; returns their names.
pub(super) fn enter(compiling: &mut Compiling<'_>, table: &str) -> Vec<String> {
    let Some((contract, file)) = contract_of(compiling, table) else {
        return Vec::new();
    };
    let mut names = Vec::new();
    let source = compiling.sources.get(table);
    let system = source
        .and_then(|source| source.planned.name.split_once('.'))
        .map(|(system, _)| system.to_owned());
    let mut outputs = compiling.pipeline.outputs.tables.iter();
    let is_counted = system.is_some() || outputs.any(|output| output.value == table);
    for (check, declared) in &contract.checks {
        let about = About {
            table,
            contract: &contract,
            file: &file,
            system: system.as_deref(),
            is_counted,
        };
        let name = format!("{}__{check}", entity::name_of(table).unwrap_or(table));
        match about.query(check, declared) {
            Err(problem) => compiling.problems.push(*problem),
            Ok(_)
                if compiling.catalogue.tables.contains_key(&name)
                    || compiling.sources.contains_key(&name) =>
            {
                let message = format!("there is another table or check `{name}`");
                let help = format!("rename the check `{check}` of `{table}`, or the other one");
                compiling
                    .problems
                    .push(about.fault(declared.at, message, &help));
            }
            Ok(_) if asks_of_nothing(compiling, &declared.value) => {}
            Ok(query) => {
                compiling.checks.push(PlannedCheck {
                    name: name.clone(),
                    table: Some(table.to_owned()),
                    kind: query.kind,
                    max_share: declared.value.max_share.as_ref().map(|share| share.value),
                });
                if let Some(relationship) = &declared.value.relationship {
                    let compared = about.compared(relationship);
                    compiling.relationships.insert(name.clone(), compared);
                }
                let entered = about.as_table(&name, declared, query);
                compiling.catalogue.tables.insert(name.clone(), entered);
                names.push(name);
            }
        }
    }
    names
}

pub(super) fn contract_of(
    compiling: &Compiling<'_>,
    table: &str,
) -> Option<(Arc<TableFile>, Arc<SourceText>)> {
    let catalogue = &compiling.catalogue;
    if let Some(source) = compiling.sources.get(table) {
        let contract = source_checks::contract_of(source);
        return Some((Arc::new(contract), Arc::clone(&source.file)));
    }
    if let Some(entity) = entity::name_of(table) {
        let entity = catalogue.entities.get(entity)?;
        return Some((Arc::clone(&entity.contract), Arc::clone(&entity.file)));
    }
    let table = catalogue.tables.get(table)?;
    Some((table.contract.clone()?, table.contract_file.clone()?))
}

/// Whether the values are looked for in an entity to which nothing is bound: then nothing is known to be missing.
fn asks_of_nothing(compiling: &Compiling<'_>, check: &TableCheck) -> bool {
    let other = check.relationship.as_ref();
    let other = other.and_then(|relationship| entity::name_of(&relationship.value.table));
    other.is_some_and(|entity| {
        compiling.catalogue.entities.contains_key(entity)
            && !compiling.pipeline.entities.contains_key(entity)
    })
}

/// The table that checks are about.
pub(super) struct About<'a> {
    pub(super) table: &'a str,
    pub(super) contract: &'a TableFile,
    pub(super) file: &'a Arc<SourceText>,
    /// The system of a raw table.
    pub(super) system: Option<&'a str>,
    /// Whether it is known how many rows an earlier run had.
    pub(super) is_counted: bool,
}

impl About<'_> {
    pub(super) fn fault(&self, at: At, message: String, help: &str) -> Problem {
        Problem::new("cvm::plan::check", self.file, at, message, help)
    }

    fn query(&self, name: &str, declared: &Spanned<TableCheck>) -> Result<Query, Box<Problem>> {
        let check = &declared.value;
        let fault = |message: String, help: &str| Box::new(self.fault(declared.at, message, help));
        if !is_name(name) {
            return Err(fault(
                format!("`{name}` is no name of a check"),
                "write lower-case letters, digits and _, beginning with a letter",
            ));
        }
        if OWN_CHECKS.contains(&name) {
            return Err(fault(
                format!("cvm itself makes a check `{name}` of every table"),
                "choose another name",
            ));
        }
        let mut kinds = [
            check.condition.as_ref().map(|it| self.condition(it)),
            check.unique.as_ref().map(|it| self.unique(it)),
            check.relationship.as_ref().map(|it| self.relationship(it)),
            check.freshness.as_ref().map(|it| self.freshness(it)),
            check.row_count.as_ref().map(|it| self.row_count(it)),
            check
                .reconciliation
                .as_ref()
                .map(|it| self.reconciliation(it)),
        ]
        .into_iter()
        .flatten();
        let (Some(query), None) = (kinds.next(), kinds.next()) else {
            return Err(fault(
                format!("the check `{name}` asks not exactly one thing"),
                "give one of condition, unique, relationship, freshness, row_count and reconciliation",
            ));
        };
        let query = query?;
        let counts_rows = matches!(
            query.kind,
            CheckKind::Condition | CheckKind::Unique | CheckKind::Relationship
        );
        if !counts_rows && (check.max_rows > 0 || check.max_share.is_some()) {
            return Err(fault(
                format!(
                    "of the check `{name}` no rows can be excused: it asks the table as a whole"
                ),
                "leave max_rows and max_share out, or make it a warning",
            ));
        }
        match check.max_share.as_ref().and_then(share_fault) {
            Some((at, message, help)) => Err(Box::new(self.fault(at, message, help))),
            None => Ok(query),
        }
    }

    fn condition(&self, condition: &Spanned<String>) -> Result<Query, Box<Problem>> {
        let (sql, words) = self.expression(&condition.value, condition.at)?;
        let named = self.contract.columns.keys();
        let named = named
            .filter(|name| words.iter().any(|word| word == *name) || sql.contains(&quoted(name)));
        let shown = self.with_key(named.map(String::as_str));
        Ok(Query {
            sql: format!(
                "select {} from {} where not ({sql})",
                listed(&shown),
                self.table
            ),
            columns: self.typed(&shown),
            key: self.key(),
            kind: CheckKind::Condition,
        })
    }

    pub(super) fn unique(&self, columns: &Spanned<Vec<String>>) -> Result<Query, Box<Problem>> {
        if columns.value.is_empty() {
            let message = "no columns are named".to_owned();
            let help = "list the columns that tell rows apart";
            return Err(Box::new(self.fault(columns.at, message, help)));
        }
        for column in &columns.value {
            self.column(column, columns.at)?;
        }
        let names: Vec<String> = columns.value.iter().map(|name| quoted(name)).collect();
        let known = names.join(" is not null and ");
        let listed = listed(&columns.value);
        let mut typed = self.typed(&columns.value);
        typed.insert(
            ROWS.to_owned(),
            column_of(SqlType::Bigint, "Rows that share the values."),
        );
        Ok(Query {
            sql: format!(
                "select {listed}, count(*) as {ROWS} from {} where {known} is not null group by {listed} having count(*) > 1",
                self.table
            ),
            columns: typed,
            key: columns.value.clone(),
            kind: CheckKind::Unique,
        })
    }

    fn relationship(&self, declared: &Spanned<Relationship>) -> Result<Query, Box<Problem>> {
        let Relationship {
            column,
            table,
            references,
        } = &declared.value;
        self.column(column, declared.at)?;
        let other = references.as_ref().unwrap_or(column);
        let shown = self.with_key([column.as_str()]);
        let listed = shown.iter().map(|name| format!("here.{}", quoted(name)));
        let listed: Vec<String> = listed.collect();
        let (column, other) = (quoted(column), quoted(other));
        Ok(Query {
            sql: format!(
                "select {} from {} as here left anti join {table} as there on here.{column} = there.{other} \
                 where here.{column} is not null",
                listed.join(", "),
                self.table
            ),
            columns: self.typed(&shown),
            key: self.key(),
            kind: CheckKind::Relationship,
        })
    }

    /// What a relationship compares.
    fn compared(&self, declared: &Spanned<Relationship>) -> Compared {
        let Relationship {
            column,
            table,
            references,
        } = declared.value.clone();
        Compared {
            here: (self.table.to_owned(), column.clone()),
            there: (table, references.unwrap_or(column)),
            file: Arc::clone(self.file),
            at: declared.at,
        }
    }

    fn freshness(&self, declared: &Spanned<Freshness>) -> Result<Query, Box<Problem>> {
        let Freshness { column, days } = &declared.value;
        if *days == 0 {
            let message = "`days: 0` never holds: the as-of day itself is not looked at".to_owned();
            let help = "write 1 for a row of the day before";
            return Err(Box::new(self.fault(declared.at, message, help)));
        }
        let day = match self.column(column, declared.at)? {
            SqlType::Date => quoted(column),
            SqlType::Timestamp => format!("local_date({}, $timezone)", quoted(column)),
            other => {
                let message = format!("`{column}` is {other}, which is not older or newer");
                let help = "name a column of type date or timestamp";
                return Err(Box::new(self.fault(declared.at, message, help)));
            }
        };
        Ok(Query {
            sql: format!(
                "select {NEWEST}, $as_of - {days} as {ENOUGH} \
                 from (select max({day}) as {NEWEST} from {} where {day} < $as_of) as days \
                 where {NEWEST} is null or {NEWEST} < $as_of - {days}",
                self.table
            ),
            columns: [
                (NEWEST, "Day of the newest row; null where there is none."),
                (ENOUGH, "The first day that would have been new enough."),
            ]
            .map(|(name, told)| (name.to_owned(), column_of(SqlType::Date, told)))
            .into(),
            key: vec![NEWEST.to_owned()],
            kind: CheckKind::Freshness,
        })
    }

    fn row_count(&self, declared: &Spanned<RowCount>) -> Result<Query, Box<Problem>> {
        let fault =
            |message: &str, help| Err(Box::new(self.fault(declared.at, message.to_owned(), help)));
        let bounds = &declared.value;
        if bounds.minimum.is_none() && bounds.maximum.is_none() && bounds.change.is_none() {
            return fault(
                "any number of rows is right",
                "give minimum, maximum or change",
            );
        }
        if let (Some(minimum), Some(maximum)) = (bounds.minimum, bounds.maximum)
            && minimum > maximum
        {
            return fault("no number of rows is right", "exchange minimum and maximum");
        }
        if bounds
            .change
            .is_some_and(|change| change.is_nan() || change <= 0.0)
        {
            return fault(
                "the change is no positive share",
                "write 0.2 for a fifth more or less",
            );
        }
        if bounds.change.is_some() && !self.is_counted {
            return fault(
                "the rows of an earlier run are known only of tables that are published",
                "publish the table, or give minimum and maximum",
            );
        }
        Ok(Query {
            sql: format!("select count(*) as {ROWS} from {}", self.table),
            columns: IndexMap::from([(
                ROWS.to_owned(),
                column_of(SqlType::Bigint, "Rows of the table."),
            )]),
            key: vec![ROWS.to_owned()],
            kind: CheckKind::RowCount(*bounds),
        })
    }

    fn reconciliation(&self, declared: &Spanned<Reconciliation>) -> Result<Query, Box<Problem>> {
        let Reconciliation {
            sum,
            filter,
            equals,
            tolerance,
        } = &declared.value;
        if equals.is_empty() || tolerance.is_nan() || *tolerance < 0.0 {
            let message = "there is nothing that the sum could equal".to_owned();
            let help = "list at least one sum under `equals`, and a tolerance that is not negative";
            return Err(Box::new(self.fault(declared.at, message, help)));
        }
        let mut from =
            vec![self.sum_over(self.table, sum, filter.as_deref(), "t0", declared.at)?];
        let mut expected = Vec::new();
        for (index, other) in equals.iter().enumerate() {
            let name = format!("t{}", index + 1);
            from.push(self.sum_over(
                &other.table,
                &other.sum,
                other.filter.as_deref(),
                &name,
                declared.at,
            )?);
            expected.push(format!("{name}.total"));
        }
        let columns = [
            (TOTAL, "The sum over this table."),
            (EXPECTED, "The sums that it should equal."),
            ("difference", "total − expected."),
        ];
        Ok(Query {
            sql: format!(
                "select cast(total as varchar) as {TOTAL}, cast(expected as varchar) as {EXPECTED}, \
                 cast(total - expected as varchar) as difference from (select t0.total, \
                 cast({} as {SUM}) as expected from {}) as sums where abs(total - expected) > {tolerance}",
                expected.join(" + "),
                from.join(" cross join ")
            ),
            // Sums may have more digits than a published number can, and are only looked at.
            columns: columns
                .map(|(name, told)| (name.to_owned(), column_of(SqlType::Varchar, told)))
                .into(),
            key: vec![TOTAL.to_owned()],
            kind: CheckKind::Reconciliation,
        })
    }

    fn sum_over(
        &self,
        table: &str,
        sum: &str,
        filter: Option<&str>,
        name: &str,
        at: At,
    ) -> Result<String, Box<Problem>> {
        let (sum, _) = self.expression(sum, at)?;
        let filter = match filter {
            Some(filter) => format!(" where {}", self.expression(filter, at)?.0),
            None => String::new(),
        };
        Ok(format!(
            "(select cast(coalesce(sum({sum}), 0) as {SUM}) as total from {table}{filter}) as {name}"
        ))
    }

    /// An expression in SQL on its own, as it is printed, with the words in it.
    fn expression(&self, text: &str, at: At) -> Result<(String, Vec<String>), Box<Problem>> {
        let parsed = Parser::new(&GenericDialect {})
            .try_with_sql(text)
            .and_then(|mut parser| {
                let expression = parser.parse_expr()?;
                parser.expect_token(&Token::EOF)?;
                Ok(expression)
            });
        let expression = parsed.map_err(|error| {
            let message = format!("`{text}` is no expression in SQL: {error}");
            Box::new(self.fault(at, message, "write what could stand behind `where`"))
        })?;
        let printed = expression.to_string();
        let is_part = |c: char| c.is_alphanumeric() || c == '_';
        let words = printed.split(|c| !is_part(c)).map(str::to_owned).collect();
        Ok((printed, words))
    }

    fn column(&self, name: &str, at: At) -> Result<SqlType, Box<Problem>> {
        let columns = &self.contract.columns;
        columns
            .get(name)
            .map(|column| column.value.sql_type)
            .ok_or_else(|| {
                let message = format!("`{}` has no column `{name}`", self.table);
                let help = did_you_mean(name, columns.keys().map(String::as_str));
                Box::new(self.fault(at, message, &help))
            })
    }

    pub(super) fn key(&self) -> Vec<String> {
        self.contract
            .key
            .iter()
            .map(|key| key.value.clone())
            .collect()
    }

    fn with_key<'a>(&self, more: impl IntoIterator<Item = &'a str>) -> Vec<String> {
        let mut shown = self.key();
        for name in more {
            if !shown.iter().any(|known| known == name) {
                shown.push(name.to_owned());
            }
        }
        shown
    }

    pub(super) fn typed(&self, names: &[String]) -> IndexMap<String, ContractColumn> {
        let columns = names.iter().filter_map(|name| {
            let column = &self.contract.columns.get(name)?.value;
            // Of what breaks a check nothing is promised.
            let column = column_of(column.sql_type, &column.description);
            Some((name.clone(), column))
        });
        columns.collect()
    }

    pub(super) fn as_table(
        &self,
        name: &str,
        declared: &Spanned<TableCheck>,
        query: Query,
    ) -> SqlTable {
        let check = &declared.value;
        let help = check.help.clone();
        let contract = TableFile {
            table: Spanned::unplaced(name.to_owned()),
            description: check.description.clone(),
            grain: match query.kind {
                CheckKind::RowCount(_) => "one row".to_owned(),
                CheckKind::Freshness | CheckKind::Reconciliation => {
                    "one row where it is broken".to_owned()
                }
                CheckKind::Unique => "one row a value that several rows share".to_owned(),
                _ => "one row a row that breaks it".to_owned(),
            },
            key: query.key.into_iter().map(Spanned::unplaced).collect(),
            incremental: None,
            check: Some(CheckDeclaration {
                severity: check.severity,
                max_rows: check.max_rows,
                table: Some(Spanned::unplaced(self.table.to_owned())),
                max_share: check.max_share.clone(),
                help: help.unwrap_or_else(|| {
                    format!("mend the data, or change the check in {}", self.file.path)
                }),
            }),
            checks: IndexMap::new(),
            columns: query
                .columns
                .into_iter()
                .map(|(name, column)| (name, Spanned::unplaced(column)))
                .collect(),
        };
        SqlTable {
            name: name.to_owned(),
            layer: Layer::Check,
            system: self.system.map(str::to_owned),
            sql: Arc::new(SourceText {
                path: self.file.path.clone(),
                text: query.sql,
            }),
            declared_at: Some((Arc::clone(self.file), declared.at)),
            contract_file: Some(Arc::clone(self.file)),
            contract: Some(Arc::new(contract)),
        }
    }
}

/// What is wrong with a share of rows that may break a check, and what to do.
pub(super) fn share_fault(share: &Spanned<f64>) -> Option<(At, String, &'static str)> {
    let message = format!("{} is no share", share.value);
    let is_share = (0.0..=1.0).contains(&share.value);
    (!is_share).then_some((share.at, message, "write 0.01 for one in a hundred"))
}

/// Columns as `select` lists them.
pub(super) fn listed(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| quoted(name)).collect();
    names.join(", ")
}

/// A column that nothing is asked of but its type.
pub(super) fn column_of(sql_type: SqlType, description: &str) -> ContractColumn {
    ContractColumn {
        sql_type,
        required: false,
        minimum: None,
        maximum: None,
        accepted_values: None,
        description: description.to_owned(),
    }
}
