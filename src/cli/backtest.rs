//! `cvm backtest`: how the models would have done at earlier days.

use std::sync::Arc;

use super::arguments::{BacktestArguments, RowFormat};
use super::project::plan_of;
use super::run::{stop_on_signal, teller};
use super::{CliError, console, summary};
use crate::plan::Work;
use crate::run::{Backtest, Inputs, RunOptions, backtest};
use crate::score::{CalibrationRow, Grouping, Period, Registry};

const HEADER: [&str; 12] = [
    "cutoff",
    "model",
    "chosen",
    "customers",
    "expected",
    "actual",
    "bias",
    "mae",
    "rmse",
    "gini",
    "log_score",
    "remark",
];

pub(super) async fn run(
    arguments: &BacktestArguments,
    registry: &Registry,
) -> Result<(), CliError> {
    let (mut plan, root) = plan_of(&arguments.pipeline, registry).await?;
    if let (Some(days), Some(validation)) =
        (arguments.holdout_days, &mut plan.settings.value.validation)
    {
        validation.holdout_days = i64::from(days);
    }
    let limits = &arguments.limits;
    let observer = teller(limits.log);
    let options = RunOptions {
        as_of: chrono::NaiveDate::default(),
        inputs: Inputs::default(),
        reuse: false,
        run_id: String::new(),
        threads: limits.threads(),
        memory_limit: limits.memory_limit(),
        work_folder: limits.work_folder.clone(),
        cache: None,
        root,
        observers: vec![observer],
        clock: Arc::new(chrono::Utc::now),
        stop: stop_on_signal(),
    };
    let results = backtest(&plan, &options, &arguments.cutoffs).await?;
    let scores = plan.stages.iter().filter(
        |stage| matches!(&stage.work, Work::Score { checked, .. } if checked.is_validated()),
    );
    let mut text = String::new();
    for score in scores.map(|stage| stage.name.as_str()) {
        let rows: Vec<Vec<String>> = results.iter().flat_map(|at| rows_of(at, score)).collect();
        text.push_str(&print(score, &rows, arguments.format)?);
    }
    console::out(&text)
}

/// The rows of a score at a cutoff: a line a model, with its figures where it could be validated, and what its fit says.
fn rows_of(at: &Backtest, score: &str) -> Vec<Vec<String>> {
    let mut rows: Vec<Vec<String>> = Vec::new();
    for (of, fit) in &at.fits {
        let known = |row: &Vec<String>| row.get(1).is_some_and(|model| *model == fit.model);
        if of != score || fit.period != Period::Calibration || rows.iter().any(known) {
            continue;
        }
        let overall = at.calibration.iter().find(|(of, row)| {
            of == score && row.model == fit.model && row.grouping == Grouping::Overall
        });
        let mut row = vec![at.cutoff.to_string(), fit.model.clone().into_owned()];
        row.extend(match overall {
            Some((_, overall)) => figures(overall),
            None => vec![String::new(); HEADER.len() - 3],
        });
        row.push(fit.reason.clone().unwrap_or_default());
        rows.push(row);
    }
    rows
}

fn figures(row: &CalibrationRow) -> Vec<String> {
    let four = |figure: Option<f64>| figure.map(|f| format!("{f:.4}")).unwrap_or_default();
    vec![
        if row.is_chosen { "yes" } else { "no" }.to_owned(),
        row.customers.to_string(),
        format!("{:.1}", row.expected),
        format!("{:.0}", row.actual),
        four(row.bias),
        four(row.mae),
        four(row.rmse),
        four(row.gini),
        four(row.log_score),
    ]
}

fn print(score: &str, rows: &[Vec<String>], format: RowFormat) -> Result<String, CliError> {
    let failed = |source: csv::Error| CliError::Io {
        what: "print the backtest".to_owned(),
        source: std::io::Error::other(source),
    };
    match format {
        RowFormat::Table => {
            let mut table = summary::table(&HEADER);
            for row in rows {
                table.add_row(row);
            }
            summary::align(&mut table, 3);
            if let Some(remark) = table.column_mut(HEADER.len() - 1) {
                remark.set_cell_alignment(comfy_table::CellAlignment::Left);
            }
            Ok(format!("{score}\n{table}\n"))
        }
        RowFormat::Csv => {
            let mut writer = csv::Writer::from_writer(Vec::new());
            let header = std::iter::once("score").chain(HEADER);
            writer.write_record(header).map_err(failed)?;
            for row in rows {
                let cells = std::iter::once(score).chain(row.iter().map(String::as_str));
                writer.write_record(cells).map_err(failed)?;
            }
            let bytes = writer.into_inner().unwrap_or_default();
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        }
        RowFormat::Json => {
            let mut text = String::new();
            for row in rows {
                let pairs = HEADER.iter().zip(row).map(|(name, cell)| {
                    let number = cell.parse::<f64>().ok().map(serde_json::Value::from);
                    let value = number.unwrap_or_else(|| cell.clone().into());
                    ((*name).to_owned(), value)
                });
                let score = ("score".to_owned(), score.into());
                let line: serde_json::Map<_, _> = std::iter::once(score).chain(pairs).collect();
                text.push_str(&format!("{}\n", serde_json::Value::Object(line)));
            }
            Ok(text)
        }
    }
}
