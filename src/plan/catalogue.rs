//! What a project holds, by table name: SQL files with their contracts, and the entities.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::spec::problem::{At, Problem, SourceText};
use crate::spec::table::{ContractColumn, TableFile};
use crate::spec::{Literal, Project, SqlType, yaml};

use super::declared_checks::{OWN_CHECKS, share_fault};
use super::{ENTITIES, Layer, RESERVED_TABLES, sql};

/// A SQL file and the contract beside it.
#[derive(Debug, Clone)]
pub(super) struct SqlTable {
    pub(super) name: String,
    pub(super) layer: Layer,
    /// The system of a staging table, or of the raw table that a check is about.
    pub(super) system: Option<String>,
    pub(super) sql: Arc<SourceText>,
    pub(super) contract_file: Option<Arc<SourceText>>,
    pub(super) contract: Option<Arc<TableFile>>,
    /// Where a table without a SQL file of its own is declared: its faults are told of there.
    pub(super) declared_at: Option<(Arc<SourceText>, At)>,
}

impl SqlTable {
    /// `problem` as it is told: where the table is declared, if it has no SQL file of its own.
    pub(super) fn placed(&self, problem: Problem) -> Problem {
        match &self.declared_at {
            Some((file, at)) => Problem {
                file: Arc::clone(file),
                at: *at,
                ..problem
            },
            None => problem,
        }
    }
}

/// A canonical entity's contract.
#[derive(Debug, Clone)]
pub(super) struct Entity {
    pub(super) file: Arc<SourceText>,
    pub(super) contract: Arc<TableFile>,
}

#[derive(Debug, Default)]
pub(super) struct Catalogue {
    pub(super) tables: BTreeMap<String, SqlTable>,
    pub(super) entities: BTreeMap<String, Entity>,
    /// The files of segmentation schemes, read when a pipeline reaches them.
    pub(super) schemes: BTreeMap<String, Arc<SourceText>>,
}

impl Catalogue {
    /// Reads the names of all SQL files and the contracts of entities. Contracts of SQL files are read when a
    /// pipeline reaches them: a fault in another pipeline's file is that pipeline's.
    pub(super) fn of(project: &Project, problems: &mut Vec<Problem>) -> Self {
        let mut catalogue = Self::default();
        for file in project.files() {
            let Some(within) = file.path.strip_prefix("sql/") else {
                continue;
            };
            if let Some(name) = within
                .strip_prefix("entities/")
                .and_then(|f| f.strip_suffix(".yml"))
            {
                match read_contract(file, name) {
                    Ok(contract) => {
                        let file = Arc::clone(file);
                        let entity = Entity { file, contract };
                        catalogue.entities.insert(name.to_owned(), entity);
                    }
                    Err(found) => problems.extend(found),
                }
            } else if let Some(name) = within
                .strip_prefix("schemes/")
                .and_then(|f| f.strip_suffix(".yml"))
            {
                let scheme = Arc::clone(file);
                catalogue.schemes.insert(name.to_owned(), scheme);
            } else if within.ends_with(".sql") {
                catalogue.add_sql(project, file, within, problems);
            }
        }
        catalogue
    }

    /// The checks whose every raw table is among `sources`: those that say something of this pipeline.
    pub(super) fn checks<'a>(&'a self, is_source: impl Fn(&str) -> bool + 'a) -> Vec<String> {
        let checks = self.tables.values();
        let checks =
            checks.filter(|table| table.layer == Layer::Check && table.declared_at.is_none());
        checks
            .filter(|table| self.is_about(&table.name, &is_source, &mut BTreeSet::new()))
            .map(|table| table.name.clone())
            .collect()
    }

    /// Whether all raw tables that `name` needs through SQL tables are sources.
    fn is_about(
        &self,
        name: &str,
        is_source: &impl Fn(&str) -> bool,
        seen: &mut BTreeSet<String>,
    ) -> bool {
        if !seen.insert(name.to_owned()) || name.starts_with(ENTITIES) {
            return true;
        }
        match self.tables.get(name) {
            Some(table) => sql::parse(&table.sql).is_ok_and(|parsed| {
                let mut reads = parsed.reads.iter();
                reads.all(|read| self.is_about(read, is_source, seen))
            }),
            None => !name.contains('.') || is_source(name),
        }
    }

    fn add_sql(
        &mut self,
        project: &Project,
        file: &Arc<SourceText>,
        within: &str,
        problems: &mut Vec<Problem>,
    ) {
        let parts: Vec<&str> = within.split('/').collect();
        let name = parts
            .last()
            .and_then(|last| last.strip_suffix(".sql"))
            .unwrap_or_default();
        let (layer, system) = match parts.as_slice() {
            ["staging", system, _] => (Layer::Staging, Some((*system).to_owned())),
            ["intermediate", ..] => (Layer::Intermediate, None),
            ["marts", ..] => (Layer::Mart, None),
            ["checks", ..] => (Layer::Check, None),
            _ => {
                problems.push(Problem::new(
                    "cvm::plan::layer",
                    file,
                    At::default(),
                    "the folder of a SQL file says its layer, and this folder is none",
                    "move it to sql/staging/<system>/, sql/intermediate/, sql/marts/ or sql/checks/",
                ));
                return;
            }
        };
        if RESERVED_TABLES.contains(&name) {
            problems.push(Problem::new(
                "cvm::plan::duplicate_table",
                file,
                At::default(),
                format!("a SQL table cannot be named `{name}`: every run makes that table itself"),
                "rename the file",
            ));
            return;
        }
        if let Some(other) = self.tables.get(name) {
            problems.push(Problem::new(
                "cvm::plan::duplicate_table",
                file,
                At::default(),
                format!("the table `{name}` is also made by {}", other.sql.path),
                "a file's name is its table's name: rename one of the two",
            ));
            return;
        }
        let contract_path = file
            .path
            .strip_suffix(".sql")
            .map(|stem| format!("{stem}.yml"));
        let contract_file = contract_path.and_then(|path| project.file(&path)).cloned();
        self.tables.insert(
            name.to_owned(),
            SqlTable {
                name: name.to_owned(),
                layer,
                system,
                sql: Arc::clone(file),
                contract_file,
                contract: None,
                declared_at: None,
            },
        );
    }

    /// Reads the contract beside a SQL file.
    pub(super) fn read_contract_of(&mut self, name: &str, problems: &mut Vec<Problem>) {
        let Some(table) = self.tables.get_mut(name) else {
            return;
        };
        if table.declared_at.is_some() {
            return;
        }
        let Some(file) = &table.contract_file else {
            problems.push(Problem::new(
                "cvm::plan::contract",
                &table.sql,
                At::default(),
                format!("the table `{name}` has no contract"),
                format!(
                    "describe it in {}: table, description, grain, key, columns",
                    { table.sql.path.replace(".sql", ".yml") }
                ),
            ));
            return;
        };
        match read_contract(file, name) {
            Ok(contract) => {
                problems.extend(check_fault(table.layer, &contract, file));
                table.contract = Some(contract);
            }
            Err(found) => problems.extend(found),
        }
    }
}

/// A check says what it is, and nothing else does.
fn check_fault(layer: Layer, contract: &TableFile, file: &Arc<SourceText>) -> Option<Problem> {
    let name = &contract.table.value;
    let (message, help) = match (layer, &contract.check) {
        (Layer::Check, None) => (
            format!("the check `{name}` does not say what to do where it is broken"),
            "add `check: { help: … }`, and `severity: warning` where it should not stop a run",
        ),
        (Layer::Check, Some(_)) if is_own(name) => (
            format!("runs note a check `{name}` of their own"),
            "rename the files",
        ),
        (Layer::Check, Some(check)) => {
            let share = check.max_share.as_ref()?;
            let (at, message, help) = match &check.table {
                Some(_) => share_fault(share)?,
                None => (
                    share.at,
                    format!(
                        "the check `{name}` does not say of which table's rows {} is a share",
                        share.value
                    ),
                    "name the table that it is about as `table`, or use `max_rows`",
                ),
            };
            return Some(Problem::new("cvm::plan::check", file, at, message, help));
        }
        (_, None) => return None,
        (_, Some(_)) => (
            format!("`{name}` is no check: it does not lie below sql/checks"),
            "move it there, or remove `check:`",
        ),
    };
    let at = contract.table.at;
    Some(Problem::new("cvm::plan::check", file, at, message, help))
}

/// Whether `name` is what runs call a check that they make of a table themselves.
fn is_own(name: &str) -> bool {
    let check = name.rsplit_once("__").map(|(_, check)| check);
    check.is_some_and(|check| OWN_CHECKS.contains(&check))
}

/// What is wrong with the values that a contract accepts in a column, and what to do.
pub(super) fn limits_fault(name: &str, column: &ContractColumn) -> Option<(String, &'static str)> {
    let sql_type = column.sql_type;
    let unfit = |value: &Literal| {
        let message = format!("`{name}` is {sql_type}, which cannot be held to `{value}`");
        (message, fitting(sql_type))
    };
    let ends = [&column.minimum, &column.maximum];
    for bound in ends.into_iter().flatten() {
        if matches!(sql_type, SqlType::Varchar | SqlType::Boolean) {
            let message = format!(
                "`minimum` and `maximum` bind numbers and days, and `{name}` is {sql_type}"
            );
            let help = "leave them out, or give the texts as `accepted_values`";
            return Some((message, help));
        }
        if !bound.fits(sql_type) {
            return Some(unfit(bound));
        }
    }
    if let (Some(minimum), Some(maximum)) = (&column.minimum, &column.maximum)
        && minimum.is_above(maximum)
    {
        let message =
            format!("`{name}` is to be at least {minimum} and at most {maximum}: nothing is");
        return Some((message, "exchange the two"));
    }
    let accepted = column.accepted_values.as_ref()?;
    if matches!(
        sql_type,
        SqlType::Boolean | SqlType::Date | SqlType::Timestamp
    ) {
        return Some((
            format!("`accepted_values` are texts or numbers, and `{name}` is {sql_type}"),
            "leave them out, or bound days by `minimum` and `maximum`",
        ));
    }
    if accepted.is_empty() {
        return Some((
            format!("`{name}` accepts no value at all"),
            "list the values that it can hold, or leave `accepted_values` out",
        ));
    }
    let other = accepted.iter().find(|value| !value.value.fits(sql_type));
    other.map(|value| unfit(&value.value))
}

/// What to write as a limit of a column of a type.
const fn fitting(sql_type: SqlType) -> &'static str {
    match sql_type {
        SqlType::Bigint => "write a whole number",
        SqlType::Double => "write a number",
        SqlType::Decimal { .. } => {
            "write a number with no more digits behind the point than the type has"
        }
        SqlType::Date | SqlType::Timestamp => "write a day, as in 2024-12-31",
        SqlType::Varchar | SqlType::Boolean => "write a text; what looks like a number in quotes",
    }
}

fn read_contract(file: &Arc<SourceText>, name: &str) -> Result<Arc<TableFile>, Vec<Problem>> {
    let contract: TableFile = yaml::decode(file, &|_| None)?;
    let mut problems = Vec::new();
    let mut fault = |at, message: String, help: &str| {
        problems.push(Problem::new("cvm::plan::contract", file, at, message, help));
    };
    if contract.table.value != name {
        let message = format!(
            "the contract is of `{}`, but the file is named `{name}`",
            contract.table.value
        );
        fault(
            contract.table.at,
            message,
            "a file's name is its table's name: rename one of the two",
        );
    }
    for key in &contract.key {
        if !contract.columns.contains_key(&key.value) {
            let help = crate::spec::problem::did_you_mean(
                &key.value,
                contract.columns.keys().map(String::as_str),
            );
            fault(
                key.at,
                format!("the key column `{}` is none of the columns", key.value),
                &help,
            );
        }
    }
    if contract.key.is_empty() {
        fault(
            contract.table.at,
            "the key is empty".to_owned(),
            "name the columns that tell rows apart",
        );
    }
    if contract.columns.is_empty() {
        fault(
            contract.table.at,
            "there are no columns".to_owned(),
            "describe each column",
        );
    }
    for (name, column) in &contract.columns {
        if let Some((message, help)) = limits_fault(name, &column.value) {
            fault(column.at, message, help);
        }
    }
    if problems.is_empty() {
        Ok(Arc::new(contract))
    } else {
        Err(problems)
    }
}
