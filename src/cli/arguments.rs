//! What the user typed.

use std::path::PathBuf;

use bytesize::ByteSize;
use chrono::{DateTime, Datelike, NaiveDate, Utc};
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::run::{CacheOptions, machine};

/// Raw customer data in, published customer-value tables out.
#[derive(Debug, Parser)]
#[command(name = "cvm", version, after_help = EXIT_CODES)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) verb: Verb,
}

const EXIT_CODES: &str = "Exit codes: 0 ok, 1 internal, 2 usage or configuration, 3 data quality, \
                          4 concurrent run, 5 transient store failure, 6 terminated";

impl Arguments {
    /// The threads of the runtime.
    pub(super) fn threads(&self) -> usize {
        match &self.verb {
            Verb::Run(run) => run.limits.threads(),
            Verb::Demo(demo) => demo.limits.threads(),
            Verb::Backtest(backtest) => backtest.limits.threads(),
            Verb::Backfill(backfill) => backfill.limits.threads(),
            _ => machine::cores(),
        }
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Run a pipeline and publish its tables
    Run(RunArguments),
    /// Check a pipeline without reading data; prints every fault
    Validate(PipelineArguments),
    /// Show what a pipeline does: a tree, JSON or a Mermaid graph
    Plan(PlanArguments),
    /// Write a pipeline's documentation, made from its code: a data dictionary with column lineage
    Docs(DocsArguments),
    /// Print the JSON Schemas of the files that a project holds, for editors
    Schema(SchemaArguments),
    /// List the runs that published and those that their data stopped, newest first
    Runs(RunsArguments),
    /// Tell what changed between two published runs, by table, column and key
    Diff(DiffArguments),
    /// Query the published tables of a pipeline
    Query(QueryArguments),
    /// Make the raw data of a synthetic company
    Generate(GenerateArguments),
    /// Make a synthetic company, run its pipeline and show what came out
    Demo(DemoArguments),
    /// Write a working project: pipeline, source, staging and the shipped SQL
    Init(InitArguments),
    /// List what there is: scorers, formats, entities, marts, functions, parameters or schemes
    List(ListArguments),
    /// Fit the models on earlier days and show how they foretold what came
    Backtest(BacktestArguments),
    /// Make a history: snapshots of published tables, one an as-of day, as runs of those days make them
    Backfill(BackfillArguments),
    /// Remove the files of past runs that nothing shows any more
    Gc(GcArguments),
}

#[derive(Debug, Args)]
pub(super) struct PipelineArguments {
    /// The pipeline file, as in pipelines/online_retail.yml
    pub(super) pipeline: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct RunArguments {
    /// The pipeline file, as in pipelines/online_retail.yml
    pub(super) pipeline: PathBuf,
    /// The exclusive end of what the run sees, a scheduler's data interval end: YYYY-MM-DD
    #[arg(long, value_name = "DATE", required_unless_present = "replay", value_parser = day)]
    pub(super) as_of: Option<NaiveDate>,
    /// Leave out objects that the store got after this moment, as in 2024-07-01T03:00:00Z
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(super) known_at: Option<DateTime<Utc>>,
    /// Read exactly the objects that an earlier run read, as of its day, and publish the same bytes
    #[arg(long, value_name = "RUN_ID", conflicts_with_all = ["as_of", "known_at"])]
    pub(super) replay: Option<String>,
    /// Do all work anew, also what earlier runs did, and keep nothing
    #[arg(long)]
    pub(super) no_cache: bool,
    #[command(flatten)]
    pub(super) cache: CacheArguments,
    /// Write what came of the run as JSON of a kilobyte or two, for schedulers; `-` is standard output
    #[arg(long, value_name = "FILE", env = "CVM_REPORT")]
    pub(super) report: Option<PathBuf>,
    /// Add OpenLineage's events to a file, one a line; OPENLINEAGE_URL names a backend that gets them too
    #[arg(long, value_name = "FILE", env = "CVM_LINEAGE")]
    pub(super) lineage: Option<PathBuf>,
    /// Write Prometheus' metrics of the run to a file, as node_exporter collects them from `*.prom`
    #[arg(long, value_name = "FILE", env = "CVM_METRICS")]
    pub(super) metrics: Option<PathBuf>,
    /// Push the same metrics to the Pushgateway at this URL
    #[arg(
        long,
        value_name = "URL",
        env = "CVM_PUSHGATEWAY",
        hide_env_values = true
    )]
    pub(super) push_metrics: Option<String>,
    #[command(flatten)]
    pub(super) limits: Limits,
}

#[derive(Debug, Args)]
pub(super) struct BacktestArguments {
    /// The pipeline file; it declares `validation:`
    pub(super) pipeline: PathBuf,
    /// The first days that models are not fitted to: YYYY-MM-DD,YYYY-MM-DD,…
    #[arg(long, value_name = "DATES", required = true, value_delimiter = ',', value_parser = day)]
    pub(super) cutoffs: Vec<NaiveDate>,
    /// How many days from each cutoff on are foretold; the pipeline's validation.holdout_days where not given
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u16).range(1..=36_525))]
    pub(super) holdout_days: Option<u16>,
    /// How to print rows
    #[arg(long, value_enum, default_value_t = RowFormat::Table)]
    pub(super) format: RowFormat,
    #[command(flatten)]
    pub(super) limits: Limits,
}

/// The years of days that a run can be as of. SQL adds to such a day, takes from it, and compares it with moments that are counted in
/// nanoseconds, which 64 bits can from 1677 to 2262: from a day of the year 9999 it would fail half a minute later, by its data.
const FIRST_YEAR: i32 = 1900;
const LAST_YEAR: i32 = 2200;

/// A day as users type it.
fn day(text: &str) -> Result<NaiveDate, String> {
    let day = text
        .parse::<NaiveDate>()
        .map_err(|_| "there is no such day; write it as YYYY-MM-DD, as in 2024-07-01".to_owned())?;
    if (FIRST_YEAR..=LAST_YEAR).contains(&day.year()) {
        Ok(day)
    } else {
        Err(format!(
            "a day from {FIRST_YEAR}-01-01 to {LAST_YEAR}-12-31 is wanted"
        ))
    }
}

/// A moment as users type it.
fn moment(text: &str) -> Result<DateTime<Utc>, String> {
    text.parse::<DateTime<Utc>>()
        .map_err(|_| "a moment has a day, a time and a zone, as in 2024-07-01T03:00:00Z".to_owned())
}

/// Where the work of a run is kept for later ones. None of it changes what is published.
#[derive(Debug, Args, Clone)]
pub(super) struct CacheArguments {
    /// Where work is kept for later runs; cvm in the user's cache folder where not given
    #[arg(long = "cache", value_name = "DIR", env = "CVM_CACHE")]
    folder: Option<PathBuf>,
    /// What is kept between runs at most, as in 20GiB; 0 keeps nothing
    #[arg(
        long = "cache-size",
        value_name = "BYTES",
        env = "CVM_CACHE_SIZE",
        default_value = "10GiB"
    )]
    size: ByteSize,
}

impl CacheArguments {
    /// None where nothing is to be kept, or the user has no folder for it.
    pub(super) fn options(&self) -> Option<CacheOptions> {
        let folder = self.folder.clone().or_else(user_cache)?;
        let limit = self.size.as_u64();
        (limit > 0).then_some(CacheOptions { folder, limit })
    }
}

/// The folder of the XDG base directory specification.
fn user_cache() -> Option<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).filter(|path| !path.is_empty());
    let home = || Some(PathBuf::from(folder("HOME")?).join(".cache"));
    let caches = folder("XDG_CACHE_HOME").map(PathBuf::from);
    let caches = caches.filter(|path| path.is_absolute()).or_else(home)?;
    Some(caches.join("cvm").join("work"))
}

#[derive(Debug, Args)]
pub(super) struct BackfillArguments {
    /// The pipeline file
    pub(super) pipeline: PathBuf,
    /// The first as-of day, the exclusive end of what its snapshot sees: YYYY-MM-DD
    #[arg(long, value_name = "DATE", value_parser = day)]
    pub(super) from: NaiveDate,
    /// The last as-of day, included where the steps meet it
    #[arg(long, value_name = "DATE", value_parser = day)]
    pub(super) to: NaiveDate,
    /// How far as-of days lie apart
    #[arg(long, value_enum, default_value_t = Step::Month)]
    pub(super) every: Step,
    /// A published table to keep a history of, as `customer_value_history`; may be given more than once
    #[arg(
        long = "table",
        value_name = "TABLE",
        default_value = "customer_values"
    )]
    pub(super) tables: Vec<String>,
    /// Let go of tables and as-of days that the history shows and that are not asked for; without it they make the backfill refuse
    #[arg(long)]
    pub(super) replace: bool,
    /// Leave out objects that the store got after this moment, as in 2024-07-01T03:00:00Z
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(super) known_at: Option<DateTime<Utc>>,
    /// Make every snapshot anew, also those that an earlier backfill made
    #[arg(long)]
    pub(super) no_cache: bool,
    /// Write what came of it as JSON of a kilobyte or two, for schedulers; `-` is standard output
    #[arg(long, value_name = "FILE", env = "CVM_REPORT")]
    pub(super) report: Option<PathBuf>,
    #[command(flatten)]
    pub(super) limits: Limits,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Step {
    /// Each day
    Day,
    /// Each seventh day from the first
    Week,
    /// The day of the month that the first has, or a shorter month's last
    Month,
    /// Each third month
    Quarter,
    /// Each twelfth month
    Year,
}

/// What a run may use of the machine. None of it changes what is published.
#[derive(Debug, Args, Clone)]
pub(super) struct Limits {
    /// Partitions that work at the same time; the machine's cores where not given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// What operators may hold before they spill, as in 4GiB; 70 % of the memory where not given
    #[arg(long, value_name = "BYTES", env = "CVM_MEMORY_LIMIT")]
    memory_limit: Option<ByteSize>,
    /// Where tables between stages and spilled rows go; the system's temporary folder where not given
    #[arg(long, value_name = "DIR", env = "CVM_WORK_FOLDER")]
    pub(super) work_folder: Option<PathBuf>,
    /// How progress is told; a terminal gets a display, anything else one JSON line an event and failures in words
    #[arg(long, value_enum, default_value_t = Log::Auto)]
    pub(super) log: Log,
}

impl Limits {
    pub(super) fn threads(&self) -> usize {
        self.threads.map_or_else(machine::cores, usize::from)
    }

    pub(super) fn memory_limit(&self) -> usize {
        let given = self
            .memory_limit
            .and_then(|size| usize::try_from(size.as_u64()).ok());
        given.unwrap_or_else(machine::default_memory_limit)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Log {
    /// A display at a terminal; elsewhere JSON lines, after which a failure is told in words
    Auto,
    /// A display
    Human,
    /// One JSON line an event, also for failures, and nothing else
    Json,
}

#[derive(Debug, Args)]
pub(super) struct PlanArguments {
    /// The pipeline file
    pub(super) pipeline: PathBuf,
    /// How to show it
    #[arg(long, value_enum, default_value_t = PlanFormat::Tree)]
    pub(super) format: PlanFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum PlanFormat {
    /// For people
    Tree,
    /// For tools
    Json,
    /// A Mermaid flowchart
    Mermaid,
}

#[derive(Debug, Args)]
pub(super) struct DocsArguments {
    /// The pipeline file
    pub(super) pipeline: PathBuf,
    /// The folder for <pipeline>.md and <pipeline>.html; docs/<pipeline> where not given
    #[arg(long, value_name = "DIR")]
    pub(super) to: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct SchemaArguments {
    /// Write every schema as DIR/<name>.json
    #[arg(long, value_name = "DIR")]
    pub(super) to: Option<PathBuf>,
    /// The schema to print: pipeline, source, table, parameters, score, scheme or report
    #[arg(required_unless_present = "to")]
    pub(super) name: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct RunsArguments {
    /// The pipeline file
    pub(super) pipeline: PathBuf,
    /// List the backfills
    #[arg(long)]
    pub(super) history: bool,
    /// How many runs to list
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(super) last: usize,
    /// How to print them
    #[arg(long, value_enum, default_value_t = RowFormat::Table)]
    pub(super) format: RowFormat,
}

#[derive(Debug, Args)]
pub(super) struct DiffArguments {
    /// The pipeline file
    pub(super) pipeline: PathBuf,
    /// The earlier run, as `cvm runs` lists it
    pub(super) before: String,
    /// The later run
    pub(super) after: String,
    /// Compare two backfills
    #[arg(long)]
    pub(super) history: bool,
    /// How many keys to show of a table's changed rows, of new ones and of those that are gone
    #[arg(long, value_name = "NUMBER", default_value_t = 3)]
    pub(super) keys: usize,
    /// How to print the differences
    #[arg(long, value_enum, default_value_t = RowFormat::Table)]
    pub(super) format: RowFormat,
}

#[derive(Debug, Args)]
pub(super) struct QueryArguments {
    /// The pipeline file
    pub(super) pipeline: PathBuf,
    /// A query on the published tables
    pub(super) sql: String,
    /// Query the tables that `cvm backfill` published
    #[arg(long)]
    pub(super) history: bool,
    /// How to print rows
    #[arg(long, value_enum, default_value_t = RowFormat::Table)]
    pub(super) format: RowFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum RowFormat {
    /// For people
    Table,
    /// Comma-separated, with a header
    Csv,
    /// One JSON object a line
    Json,
}

#[derive(Debug, Args)]
pub(super) struct GenerateArguments {
    /// How many customers the company has
    #[arg(long, value_name = "N")]
    pub(super) customers: u64,
    /// Where the raw data goes: a folder's or an object store's URL
    #[arg(long, value_name = "URL")]
    pub(super) to: String,
    /// The same seed makes the same company
    #[arg(long, default_value_t = crate::demo::DEFAULT_SEED)]
    pub(super) seed: u64,
    /// The whole company with all its systems, or its orders alone
    #[arg(long, value_enum, default_value_t = CompanyShape::Company)]
    pub(super) shape: CompanyShape,
    /// Leave out the faulty rows that real sources have
    #[arg(long)]
    pub(super) clean: bool,
    /// The exclusive end of the company's history
    #[arg(long, value_name = "DATE", default_value_t = crate::demo::DEFAULT_AS_OF)]
    pub(super) as_of: NaiveDate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum CompanyShape {
    /// CRM, shop orders and lines, products, returns, with faulty rows
    Company,
    /// One clean Parquet table of orders, for benchmarks
    Orders,
}

#[derive(Debug, Args)]
pub(super) struct DemoArguments {
    /// How many customers the company has
    #[arg(long, value_name = "N", default_value_t = crate::demo::DEFAULT_CUSTOMERS)]
    pub(super) customers: u64,
    /// The same seed makes the same company
    #[arg(long, default_value_t = crate::demo::DEFAULT_SEED)]
    pub(super) seed: u64,
    /// The folder for raw data and published tables
    #[arg(long, value_name = "DIR", default_value = "data/demo")]
    pub(super) to: PathBuf,
    #[command(flatten)]
    pub(super) limits: Limits,
}

#[derive(Debug, Args)]
pub(super) struct InitArguments {
    /// The folder of the new project
    pub(super) folder: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct ListArguments {
    /// What to list
    #[arg(value_enum)]
    pub(super) what: Listed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Listed {
    /// What makes scored tables
    Scorers,
    /// How raw objects may be written
    Formats,
    /// The canonical customer-value model
    Entities,
    /// The tables that readers see
    Marts,
    /// Segmentation schemes: rules or tables that tell customers apart
    Schemes,
    /// SQL functions beyond the engine's own
    Functions,
    /// Definitions that come with the SQL and that a pipeline may set
    Parameters,
}

#[derive(Debug, Args)]
pub(super) struct GcArguments {
    /// The pipeline file
    pub(super) pipeline: PathBuf,
    /// How many past runs to keep; the pipeline's `retain` where not given
    #[arg(long, value_name = "N")]
    pub(super) retain: Option<u32>,
    /// Clean up what `cvm backfill` published and the snapshots that it keeps
    #[arg(long)]
    pub(super) history: bool,
    /// Only tell what would go
    #[arg(long)]
    pub(super) dry_run: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(words: &[&str]) -> String {
        let words = std::iter::once(&"cvm").chain(words);
        Arguments::try_parse_from(words).unwrap_err().to_string()
    }

    #[test]
    fn days_that_sql_cannot_count_with_are_refused_at_once() {
        let bound = "a day from 1900-01-01 to 2200-12-31 is wanted";
        for day in [
            "9999-12-31",
            "0001-01-01",
            "+262142-12-31",
            "1899-12-31",
            "-2024-01-01",
        ] {
            let typed = format!("--as-of={day}");
            assert!(fault(&["run", "a.yml", &typed]).contains(bound), "{day}");
            let typed = format!("--from={day}");
            let backfill = ["backfill", "a.yml", "--to", "2024-01-01", &typed];
            assert!(fault(&backfill).contains(bound), "{day}");
            let typed = format!("--to={day}");
            let backfill = ["backfill", "a.yml", "--from", "2024-01-01", &typed];
            assert!(fault(&backfill).contains(bound), "{day}");
            let typed = format!("--cutoffs=2024-01-01,{day}");
            assert!(
                fault(&["backtest", "a.yml", &typed]).contains(bound),
                "{day}"
            );
        }
        for day in ["1900-01-01", "2200-12-31", "2024-02-29"] {
            let words = ["cvm", "run", "a.yml", "--as-of", day];
            assert!(Arguments::try_parse_from(words).is_ok(), "{day}");
        }
    }

    #[test]
    fn what_is_no_day_or_moment_is_told_how_to_write_one() {
        for day in ["2024-02-30", "today", ""] {
            let told = fault(&["run", "a.yml", "--as-of", day]);
            assert!(told.contains("YYYY-MM-DD"), "{told}");
        }
        let run = ["run", "a.yml", "--as-of", "2024-07-01", "--known-at"];
        for moment in ["2020-01-01", "2024-07-01T03:00:00", "now"] {
            let told = fault(&[&run[..], &[moment]].concat());
            assert!(told.contains("as in 2024-07-01T03:00:00Z"), "{told}");
        }
        let words = [&["cvm"][..], &run[..], &["2024-07-01T05:00:00+02:00"]].concat();
        assert!(Arguments::try_parse_from(words).is_ok());
    }
}
