//! Golden cases of the SQL files and functions: `tests/sql/*.slt`, found by scanning the folder, no Rust a case.
//!
//! A case makes the tables that a SQL file reads, says `stage <table> as_of=2024-03-01 [name=value …];`, which makes
//! `<table>` by the shipped file with these parameters bound, and states the rows. An entity that a case does not make is
//! empty, with its contract's columns; a definition has its default. `stage int_customers_classified … schemes=a,b` makes
//! that table of the named schemes. `CVM_COMPLETE=1 cargo test goldens` writes what comes
//! out into the files, to be read before it is committed; `CVM_GOLDEN=<part of a path>` runs only the files whose path has it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Field, Schema};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use async_trait::async_trait;
use cvm::engine::functions;
use cvm::engine::types::arrow_type;
use cvm::plan::{ParameterValue, parameters, scheme, table_reference};
use cvm::spec::pipeline::Scalar;
use cvm::spec::{Project, SourceText, SqlType, TableFile, yaml};
use datafusion::datasource::MemTable;
use datafusion::datasource::empty::EmptyTable;
use datafusion::error::{DataFusionError, Result};
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::sql::parser::{DFParser, Statement};
use datafusion::sql::resolve::resolve_table_references;
use sqllogictest::{AsyncDB, DBOutput, DefaultColumnType, Runner};

#[test]
fn goldens_give_the_rows_they_state() {
    let complete = std::env::var_os("CVM_COMPLETE").is_some();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let mut differing = Vec::new();
    let wanted = std::env::var("CVM_GOLDEN").unwrap_or_default();
    let mut goldens = files_below(&root().join("tests/sql"), "slt");
    goldens.retain(|path| path.to_string_lossy().contains(&wanted));
    for path in goldens {
        let mut runner = Runner::new(|| async { Ok(Engine::new()) });
        let outcome = if complete {
            let written = runner.update_test_file(
                &path,
                " ",
                sqllogictest::default_validator,
                sqllogictest::default_normalizer,
                sqllogictest::default_column_validator,
            );
            runtime.block_on(written).map_err(|error| error.to_string())
        } else {
            runtime
                .block_on(runner.run_file_async(&path))
                .map_err(|error| error.to_string())
        };
        if let Err(message) = outcome {
            differing.push(format!("{}\n{message}", path.display()));
        }
    }
    assert!(
        differing.is_empty(),
        "{} files differ\n\n{}",
        differing.len(),
        differing.join("\n\n")
    );
}

#[test]
fn every_sql_file_has_a_golden() {
    let goldens = files_below(&root().join("tests/sql"), "slt");
    let stems: Vec<_> = goldens.iter().filter_map(|path| path.file_stem()).collect();
    let sql = files_below(&root().join("sql"), "sql");
    let without: Vec<_> = sql
        .iter()
        .filter(|path| !stems.contains(&path.file_stem().unwrap()))
        .collect();
    assert_eq!(without, Vec::<&PathBuf>::new());
}

/// The project's folder. Cargo tells it when the tests run, too: the same binary serves another checkout.
fn root() -> PathBuf {
    let told = std::env::var_os("CARGO_MANIFEST_DIR");
    told.map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from)
}

fn files_below(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path, ending));
        } else if path.extension().is_some_and(|found| found == ending) {
            files.push(path);
        }
    }
    files.sort();
    files
}

struct Engine {
    context: SessionContext,
}

impl Engine {
    fn new() -> Self {
        let mut config = SessionConfig::new().with_target_partitions(2);
        config.options_mut().execution.time_zone = Some("UTC".to_owned());
        let context = SessionContext::new_with_config(config);
        for function in functions::scalar() {
            context.register_udf(function.as_ref().clone());
        }
        for function in functions::aggregate() {
            context.register_udaf(function.as_ref().clone());
        }
        Self { context }
    }

    /// `stage <table> name=value …`
    async fn stage(&self, words: &str) -> Result<()> {
        let mut words = words.split_whitespace();
        let table = words.next().unwrap();
        let mut values = defaults();
        let mut schemes = None;
        for word in words {
            let (name, value) = word.split_once('=').unwrap();
            if name == "schemes" {
                schemes = Some(value.split(',').collect::<Vec<_>>());
                continue;
            }
            let value = value_of(name, value, values.get(name));
            values.insert(name.to_owned(), value);
        }
        let mut statement = match schemes {
            Some(schemes) => scheme::statement(&shipped_sql(), &schemes, &values).unwrap(),
            None => {
                let path = format!("{table}.sql");
                let file = files_below(&root().join("sql"), "sql")
                    .into_iter()
                    .find(|file| file.ends_with(&path));
                let sql = std::fs::read_to_string(file.unwrap()).unwrap();
                DFParser::parse_sql(&sql)?.pop_front().unwrap()
            }
        };
        let unknown = parameters::bind(&mut statement, &values);
        if !unknown.is_empty() {
            let message = format!("{table}: there are no parameters {unknown:?}");
            return Err(DataFusionError::Plan(message));
        }
        self.make_entities(&statement).await?;
        let plan = self.context.state().statement_to_plan(statement).await?;
        let frame = self.context.execute_logical_plan(plan).await?;
        let planned = Arc::new(frame.schema().as_arrow().clone());
        let batches = frame.collect().await?;
        // What is made may promise more than what was planned: that a column has no nulls.
        let made = batches.first().map_or(planned, RecordBatch::schema);
        let rows = MemTable::try_new(made, vec![batches])?;
        self.context.register_table(table, Arc::new(rows))?;
        Ok(())
    }

    async fn make_entities(&self, statement: &Statement) -> Result<()> {
        for table in resolve_table_references(statement, true)?.0 {
            let name = table.to_string();
            let Some(entity) = name.strip_prefix("entities.") else {
                continue;
            };
            if self.context.table_exist(table_reference(&name))? {
                continue;
            }
            self.context
                .sql("create schema if not exists entities")
                .await?
                .collect()
                .await?;
            let path = format!("sql/entities/{entity}.yml");
            let text = std::fs::read_to_string(root().join(&path)).unwrap();
            let contract: TableFile =
                yaml::decode(&Arc::new(SourceText { path, text }), &|_| None).unwrap();
            let columns = contract.columns.iter();
            let fields = columns
                .map(|(name, column)| Field::new(name, arrow_type(column.value.sql_type), true));
            let empty = EmptyTable::new(Arc::new(Schema::new(fields.collect::<Vec<_>>())));
            self.context
                .register_table(table_reference(&name), Arc::new(empty))?;
        }
        Ok(())
    }
}

/// The SQL and what lies beside it, as a project.
fn shipped_sql() -> Project {
    let folder = root().join("sql");
    let files = [files_below(&folder, "yml"), files_below(&folder, "sql")].concat();
    let files = files.into_iter().map(|path| {
        let within = path.strip_prefix(root()).unwrap().to_str().unwrap();
        (within.to_owned(), std::fs::read_to_string(&path).unwrap())
    });
    Project::from_files(root(), files)
}

/// What a case need not say: the definitions that come with the SQL, and a pipeline's usual settings.
fn defaults() -> BTreeMap<String, ParameterValue> {
    let mut values = cvm::plan::defaults(&shipped_sql());
    let text = |value: &str| ParameterValue::Varchar(value.to_owned());
    values.extend([
        ("horizon_days".to_owned(), ParameterValue::Bigint(365)),
        (
            "annual_discount_rate".to_owned(),
            ParameterValue::Double(0.10),
        ),
        ("currency".to_owned(), text("GBP")),
        ("measure".to_owned(), text("revenue")),
        ("timezone".to_owned(), text("UTC")),
    ]);
    values
}

/// A value that a case gives, of the type of the default.
fn value_of(name: &str, text: &str, default: Option<&ParameterValue>) -> ParameterValue {
    let bare = text.trim_matches('\'').to_owned();
    let number = || match bare.parse() {
        Ok(whole) => Scalar::Integer(whole),
        Err(_) => Scalar::Number(bare.parse().unwrap()),
    };
    let parsed = match default {
        _ if matches!(name, "as_of" | "holdout_start") => {
            ParameterValue::parse(&Scalar::Text(bare), SqlType::Date)
        }
        Some(ParameterValue::Date(_)) => ParameterValue::parse(&Scalar::Text(bare), SqlType::Date),
        Some(ParameterValue::Bigint(_)) => ParameterValue::parse(&number(), SqlType::Bigint),
        Some(ParameterValue::Double(_)) => ParameterValue::parse(&number(), SqlType::Double),
        Some(ParameterValue::Boolean(_)) => Some(ParameterValue::Boolean(bare.parse().unwrap())),
        Some(ParameterValue::Decimal(_, precision, scale)) => {
            let (precision, scale) = (*precision, *scale);
            ParameterValue::parse(&number(), SqlType::Decimal { precision, scale })
        }
        Some(ParameterValue::Varchar(_)) => {
            ParameterValue::parse(&Scalar::Text(bare), SqlType::Varchar)
        }
        None => panic!("there is no parameter `{name}`"),
    };
    parsed.unwrap_or_else(|| panic!("`{text}` is no value of `{name}`"))
}

#[async_trait]
impl AsyncDB for Engine {
    type Error = DataFusionError;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>> {
        if let Some(words) = sql.trim().trim_end_matches(';').strip_prefix("stage ") {
            self.stage(words).await?;
            return Ok(DBOutput::StatementComplete(0));
        }
        let frame = self.context.sql(sql).await?;
        let columns = frame.schema().fields().len();
        let rows: Vec<Vec<String>> = frame.collect().await?.iter().flat_map(rows_of).collect();
        if columns == 0
            || (columns == 1 && rows.is_empty() && !sql.trim_start().starts_with("select"))
        {
            return Ok(DBOutput::StatementComplete(0));
        }
        Ok(DBOutput::Rows {
            types: vec![DefaultColumnType::Any; columns],
            rows,
        })
    }

    async fn shutdown(&mut self) {}
}

fn rows_of(batch: &RecordBatch) -> Vec<Vec<String>> {
    let options = FormatOptions::new().with_null("NULL");
    let columns: Vec<_> = batch
        .columns()
        .iter()
        .map(|column| ArrayFormatter::try_new(column.as_ref(), &options).unwrap())
        .collect();
    (0..batch.num_rows())
        .map(|row| {
            columns
                .iter()
                .map(|column| column.value(row).to_string())
                .collect()
        })
        .collect()
}
