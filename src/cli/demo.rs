//! `cvm demo`: make a company whose truth is known, run its pipeline, hold the two side by side.

use std::collections::BTreeMap;

use arrow::array::{Array, Float64Array, RecordBatch};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use indicatif::HumanCount;

use super::arguments::DemoArguments;
use super::project::compile_in;
use super::{CliError, console, generate, run, summary, truths};
use crate::demo::{GenerateOptions, GenerateReport};
use crate::plan::Plan;
use crate::run::{Inputs, PublishedTables, QueryError, machine, open_target};
use crate::score::Registry;
use crate::spec::Project;

const PIPELINE: &str = "pipelines/demo.yml";

pub(super) async fn demo(arguments: &DemoArguments, registry: &Registry) -> Result<(), CliError> {
    let folder = std::path::absolute(&arguments.to).map_err(|source| CliError::Io {
        what: format!("find {}", arguments.to.display()),
        source,
    })?;
    let raw = format!("file:{}", folder.join("raw").display());
    let lake = format!("file:{}", folder.join("lake").display());
    let options = GenerateOptions {
        customers: arguments.customers,
        seed: arguments.seed,
        threads: machine::cores(),
        ..GenerateOptions::default()
    };
    let in_words = run::is_human(arguments.limits.log);
    if in_words {
        console::err(&format!(
            "making a company of {} customers …\n",
            HumanCount(options.customers)
        ));
    }
    let made = generate::write(&options, &raw).await?;

    let project = Project::shipped(folder.clone());
    let environment = |name: &str| match name {
        "CVM_DEMO_RAW" => Some(raw.clone()),
        "CVM_DEMO_LAKE" => Some(lake.clone()),
        other => super::project::environment(other),
    };
    let plan = compile_in(&project, PIPELINE, registry, &environment).await?;
    let what = run::WhatToRun {
        run_id: uuid::Uuid::now_v7().to_string(),
        as_of: options.as_of,
        inputs: Inputs::default(),
        reuse: false,
        cache: None,
        observers: Vec::new(),
    };
    let report = run::execute(
        &plan,
        folder.clone(),
        what,
        &arguments.limits,
        run::stop_on_signal(),
    )
    .await?;
    if in_words {
        console::err(&summary::of(&report));
    }
    let findings = Findings::read(&plan, &folder).await?;
    console::out(&tell(&made, &findings, &folder))
}

/// What the published tables say, as far as the summary shows it.
struct Findings {
    totals: RecordBatch,
    prospects: RecordBatch,
    segments: RecordBatch,
    best: RecordBatch,
    fits: RecordBatch,
    set_aside: RecordBatch,
}

impl Findings {
    async fn read(plan: &Plan, folder: &std::path::Path) -> Result<Self, CliError> {
        let tables = PublishedTables::open(&open_target(plan, folder)?).await?;
        let one = async |sql: &str| -> Result<RecordBatch, CliError> {
            let batches = tables.query(sql).await?;
            let empty = || std::sync::Arc::new(arrow::datatypes::Schema::empty());
            let schema = batches.first().map_or_else(empty, RecordBatch::schema);
            arrow::compute::concat_batches(&schema, &batches)
                .map_err(|error| CliError::Query(QueryError::Engine(error.into())))
        };
        Ok(Self {
            totals: one(TOTALS).await?,
            prospects: one(PROSPECTS).await?,
            segments: one(SEGMENTS).await?,
            best: one(BEST).await?,
            fits: one(FITS).await?,
            set_aside: one(SET_ASIDE).await?,
        })
    }
}

const TOTALS: &str = "select cast(count(*) as double) as customers,
    cast(sum(orders) as double) as orders,
    cast(sum(gross_revenue - discounts) as double) as revenue,
    cast(sum(returned_revenue) as double) as returned
    from customers where orders > 0";

const PROSPECTS: &str = "select cast(count(*) as double) as prospects from customers
    where orders = 0";

const SEGMENTS: &str = "select segment, count(*) as customers,
    round(100.0 * cast(sum(value_to_date) as double)
        / (select cast(sum(value_to_date) as double) from customer_values), 1) as share_of_value,
    round(avg(probability_alive), 2) as probability_alive,
    round(avg(customer_lifetime_value), 0) as next_year
    from customer_segments
    inner join customer_values on customer_segments.customer_id = customer_values.customer_id
    where scheme = 'rfm'
    group by segment order by share_of_value desc";

const BEST: &str =
    "select customer_id, orders, value_to_date, round(probability_alive, 3) as probability_alive,
    round(expected_purchases, 1) as purchases_next_year,
    round(customer_lifetime_value, 2) as worth_next_year
    from customer_values where customer_lifetime_value is not null
    order by customer_lifetime_value desc, customer_id limit 5";

const FITS: &str = "select model, parameter, estimate, standard_error from model_fits
    where period = 'all' and model in ('bg_nbd', 'gamma_gamma') order by model, parameter";

const SET_ASIDE: &str =
    "select source, split_part(reason, ' at column', 1) as reason, count(*) as rows
    from rows_set_aside group by 1, 2 order by 1, 2";

fn tell(made: &GenerateReport, findings: &Findings, folder: &std::path::Path) -> String {
    let tally = &made.truth.tally;
    let mut text = String::from("\nThe company that was made, and what cvm found of it\n\n");
    let mut totals = summary::table(&["", "true", "found"]);
    let total = |name: &str| number(&findings.totals, name, 0);
    let money = |ten_thousandths: i64| format!("{:.2}", ten_thousandths as f64 / 10_000.0);
    let two = |value: Option<f64>| value.map(|value| format!("{value:.2}")).unwrap_or_default();
    let whole = |value: Option<f64>| value.map(|value| format!("{value:.0}")).unwrap_or_default();
    totals.add_row([
        "customers".to_owned(),
        tally.customers.to_string(),
        whole(total("customers")),
    ]);
    totals.add_row([
        "prospects".to_owned(),
        tally.prospects.to_string(),
        whole(number(&findings.prospects, "prospects", 0)),
    ]);
    totals.add_row([
        "orders".to_owned(),
        tally.orders.to_string(),
        whole(total("orders")),
    ]);
    totals.add_row([
        "revenue after discounts".to_owned(),
        money(tally.revenue_ten_thousandths),
        two(total("revenue")),
    ]);
    totals.add_row([
        "returned".to_owned(),
        money(tally.refund_ten_thousandths),
        two(total("returned")),
    ]);
    summary::align(&mut totals, 1);
    text.push_str(&format!("{totals}\n\nThe parameters that drove the customers, and those that the models recovered\n\n"));
    text.push_str(&format!("{}\n\n", recovered(made, findings)));
    text.push_str(&format!(
        "Who they are\n\n{}\n\n",
        rows_of(&findings.segments, 1)
    ));
    text.push_str(&format!(
        "Worth most over the next year\n\n{}\n\n",
        rows_of(&findings.best, 1)
    ));
    text.push_str(&format!(
        "Raw rows that did not fit, by reason\n\n{}\n\n",
        rows_of(&findings.set_aside, 2)
    ));
    if let Some(made) = &made.truths {
        text.push_str(&truths::of(made));
    }
    let folder = folder.display();
    text.push_str(&format!(
        "Look at\n  {folder}/raw                       the raw data, and truth/ beside it\n  \
         {folder}/lake/marts/demo/*.parquet  the tables, for Power BI, Tableau, DuckDB, pandas\n"
    ));
    text
}

/// Each parameter: true, estimated, and how many standard errors lie between.
fn recovered(made: &GenerateReport, findings: &Findings) -> comfy_table::Table {
    let truth = true_parameters(made);
    let mut table = summary::table(&[
        "model",
        "parameter",
        "true",
        "estimate",
        "standard error",
        "apart",
    ]);
    for row in 0..findings.fits.num_rows() {
        let (model, parameter) = (cell(&findings.fits, 0, row), cell(&findings.fits, 1, row));
        let estimate = number(&findings.fits, "estimate", row);
        let error = number(&findings.fits, "standard_error", row);
        let known = truth.get(&(model.as_str(), parameter.as_str())).copied();
        let apart = match (known, estimate, error) {
            (Some(known), Some(estimate), Some(error)) => {
                format!("{:.2} standard errors", (estimate - known).abs() / error)
            }
            _ => String::new(),
        };
        let four =
            |value: Option<f64>| value.map(|value| format!("{value:.4}")).unwrap_or_default();
        table.add_row([
            model.clone(),
            parameter.clone(),
            four(known),
            four(estimate),
            four(error),
            apart,
        ]);
    }
    summary::align(&mut table, 2);
    table
}

/// The truth in the unit of the pipeline's fit, weeks.
fn true_parameters(made: &GenerateReport) -> BTreeMap<(&'static str, &'static str), f64> {
    let (purchases, spend) = (&made.truth.bg_nbd, &made.truth.gamma_gamma);
    BTreeMap::from([
        (("bg_nbd", "r"), purchases.r),
        (("bg_nbd", "alpha"), purchases.alpha / 7.0),
        (("bg_nbd", "a"), purchases.a),
        (("bg_nbd", "b"), purchases.b),
        (("gamma_gamma", "p"), spend.p),
        (("gamma_gamma", "q"), spend.q),
        (("gamma_gamma", "v"), spend.v),
    ])
}

fn number(batch: &RecordBatch, column: &str, row: usize) -> Option<f64> {
    let column = batch
        .column_by_name(column)?
        .as_any()
        .downcast_ref::<Float64Array>()?;
    (row < column.len() && column.is_valid(row)).then(|| column.value(row))
}

fn cell(batch: &RecordBatch, column: usize, row: usize) -> String {
    let options = FormatOptions::default();
    let Some(column) = batch.columns().get(column) else {
        return String::new();
    };
    ArrayFormatter::try_new(column.as_ref(), &options)
        .map(|formatter| formatter.value(row).to_string())
        .unwrap_or_default()
}

fn rows_of(batch: &RecordBatch, first_number: usize) -> comfy_table::Table {
    let schema = batch.schema();
    let header: Vec<String> = schema
        .fields()
        .iter()
        .map(|field| field.name().replace('_', " "))
        .collect();
    let mut table = summary::table(&header.iter().map(String::as_str).collect::<Vec<_>>());
    for row in 0..batch.num_rows() {
        table.add_row((0..batch.num_columns()).map(|column| cell(batch, column, row)));
    }
    summary::align(&mut table, first_number);
    table
}
