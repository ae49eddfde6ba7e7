//! A source file: the raw tables of one system, where they lie and what their rows must look like.

use super::yaml::Spanned;
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use super::check::{Severity, TableCheck};
use super::literal::Literal;
use super::types::SqlType;

/// `pipelines/sources/<system>.yml`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceFile {
    /// The system the tables come from; SQL refers to a raw table as `<system>.<table>`.
    #[schemars(with = "String")]
    pub system: Spanned<String>,
    /// What the system is, for people.
    pub description: String,
    /// The store, declared in the pipeline, that holds the tables.
    #[schemars(with = "String")]
    pub store: Spanned<String>,
    /// The share of rows that may be set aside before the run stops; a table can say otherwise.
    #[serde(default = "default_max_bad_share")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub max_bad_share: f64,
    /// What follows where the columns of an object are not those that are declared; a table can say otherwise.
    #[serde(default)]
    pub schema_drift: SchemaDrift,
    /// The raw tables.
    #[schemars(with = "IndexMap<String, RawTable>")]
    pub tables: IndexMap<String, Spanned<RawTable>>,
}

/// One raw table: objects of one format and one shape.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawTable {
    /// What the table holds, for people.
    pub description: String,
    /// What one row is, in words.
    pub grain: Option<String>,
    /// The columns or partitions that tell the rows that fit apart: unique and never null. Held as `checks` are.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub key: Vec<Spanned<String>>,
    /// Path below the store's URL; `*`, `**`, `?`, `[…]` and `{a,b}` match as in a shell.
    #[schemars(with = "String")]
    pub path: Spanned<String>,
    /// How the objects are written.
    pub format: Format,
    /// Overrides the source file's `max_bad_share`.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub max_bad_share: Option<f64>,
    /// Overrides the source file's `schema_drift`.
    pub schema_drift: Option<SchemaDrift>,
    /// Rules over the rows that fit, by name. Each is held in every run of a pipeline that reads the table, before anything is
    /// made of it. Text that is checked is parsed once all the same: its rows are written down.
    #[serde(default)]
    #[schemars(with = "IndexMap<String, TableCheck>")]
    pub checks: IndexMap<String, Spanned<TableCheck>>,
    /// The columns in the order in which a file without a header has them.
    #[schemars(with = "IndexMap<String, RawColumn>")]
    pub columns: IndexMap<String, Spanned<RawColumn>>,
    /// For objects that lie by day: how late rows may come. Later ones count all the same, and are told.
    pub lookback: Option<Lookback>,
    /// Columns that stand in the path as `name=value`, with their types.
    #[serde(default)]
    #[schemars(with = "IndexMap<String, SqlType>")]
    pub partitions: IndexMap<String, SqlType>,
}

/// For how long the objects of a day may still come or change. What a run publishes never depends on it: rows that come later than that
/// are read as any others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lookback {
    /// So many days before the newest day of the last published run, not counting runs of the same as-of day that read the same
    /// objects. The day of an object is the last date in its path: `2024-07-01`, `2024/07/01`, `20240701` or
    /// `year=2024/month=7/day=1`. Where no path tells one, that is a warning.
    pub days: u32,
    /// What follows where an object of an earlier day came, changed or went since that run. Default `warning`.
    #[serde(default = "warning")]
    pub severity: Severity,
}

const fn warning() -> Severity {
    Severity::Warning
}

impl RawTable {
    /// The table as its rows are read: without what is asked of them once they are.
    #[must_use]
    pub fn as_read(&self) -> Self {
        let mut read = self.clone();
        read.grain = None;
        read.key.clear();
        read.checks.clear();
        read.lookback = None;
        for column in read.columns.values_mut() {
            column.value.minimum = None;
            column.value.maximum = None;
            column.value.accepted_values = None;
        }
        read
    }
}

/// What follows where the columns of an object are not those that are declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SchemaDrift {
    /// The run stops and names every column that is new, missing, renamed or of another type. A column of text is of another
    /// type where it has ten values or more and none fits.
    #[default]
    Refuse,
    /// New columns are ignored, with a warning; anything else stops the run.
    IgnoreNew,
    /// The rows of such an object are set aside; of NDJSON each row that has a new key, of text of another type each row with a
    /// value that does not fit. `max_bad_share` bounds how many.
    SetAside,
}

impl SchemaDrift {
    /// The name in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::IgnoreNew => "ignore_new",
            Self::SetAside => "set_aside",
        }
    }
}

/// How objects are written. Tagged by its key: `format: {csv: {delimiter: ";"}}` or `format: parquet`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Delimited text.
    Csv(CsvFormat),
    /// One JSON object a line.
    Ndjson(NdjsonFormat),
    /// Apache Parquet.
    Parquet,
}

/// Delimited text. Line ends may be LF or CRLF, a byte-order mark is skipped, quoted cells may hold line breaks.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CsvFormat {
    /// What stands between cells.
    pub delimiter: Delimiter,
    /// The quoting character; null for none.
    pub quote: Option<char>,
    /// Whether the first line names the columns. With a header columns are found by name and may stand in any order.
    pub header: bool,
    /// Cell texts that mean "no value", compared after no trimming.
    pub null_values: Vec<String>,
    /// How the objects are compressed.
    pub compression: Compression,
}

impl Default for CsvFormat {
    fn default() -> Self {
        Self {
            delimiter: Delimiter::Char(','),
            quote: Some('"'),
            header: true,
            null_values: vec![String::new()],
            compression: Compression::Auto,
        }
    }
}

/// What stands between the cells of delimited text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delimiter {
    /// One ASCII character.
    Char(char),
    /// `whitespace`: any run of spaces and tabs; leading and trailing runs are skipped.
    Whitespace,
}

impl<'de> Deserialize<'de> for Delimiter {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut chars = text.chars();
        match (text.as_str(), chars.next(), chars.next()) {
            ("whitespace", ..) => Ok(Self::Whitespace),
            ("tab", ..) => Ok(Self::Char('\t')),
            (_, Some(c), None) if c.is_ascii() => Ok(Self::Char(c)),
            _ => Err(serde::de::Error::custom(format!(
                "`{text}` is no delimiter; use one ASCII character, `tab` or `whitespace`"
            ))),
        }
    }
}

impl JsonSchema for Delimiter {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Delimiter".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "One ASCII character, `tab`, or `whitespace` for any run of spaces and tabs"
        })
    }
}

/// One JSON object a line; missing keys are nulls, keys that are not declared are new columns.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NdjsonFormat {
    /// How the objects are compressed.
    pub compression: Compression,
}

/// How an object is compressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    /// By the object's ending: `.gz`, `.zst`, anything else is plain.
    #[default]
    Auto,
    /// Not compressed.
    None,
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
}

/// What a raw cell must look like.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawColumn {
    /// Its type once read.
    #[serde(rename = "type")]
    pub sql_type: SqlType,
    /// What it means, for people.
    pub description: Option<String>,
    /// Whether a row without a value here is set aside.
    #[serde(default)]
    pub required: bool,
    /// For dates and timestamps: a strftime format, as in `%Y-%m-%d %H:%M:%S`. Default ISO 8601.
    pub format: Option<String>,
    /// For timestamps without an offset: the IANA zone they are told in. Default UTC.
    pub timezone: Option<String>,
    /// For numbers: the decimal separator. Default `.`.
    pub decimal_separator: Option<char>,
    /// For numbers: the separator between thousands, skipped. Default none.
    pub thousands_separator: Option<char>,
    /// The smallest number that it can hold, or the first day, of timestamps in UTC. Every row that fits is held to it, as it is to
    /// `checks`.
    pub minimum: Option<Literal>,
    /// The largest number that it can hold, or the last day.
    pub maximum: Option<Literal>,
    /// The only texts or numbers that it can hold.
    #[schemars(with = "Option<Vec<Literal>>")]
    pub accepted_values: Option<Vec<Spanned<Literal>>>,
}

impl RawColumn {
    /// A column of a type of which nothing else is said.
    pub const fn of(sql_type: SqlType) -> Self {
        Self {
            sql_type,
            description: None,
            required: false,
            format: None,
            timezone: None,
            decimal_separator: None,
            thousands_separator: None,
            minimum: None,
            maximum: None,
            accepted_values: None,
        }
    }
}

fn default_max_bad_share() -> f64 {
    0.01
}
