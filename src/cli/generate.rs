//! `cvm generate`.

use std::collections::BTreeMap;
use std::path::Path;

use bytesize::ByteSize;
use indicatif::{HumanCount, ProgressBar};

use super::arguments::{CompanyShape, GenerateArguments};
use super::{CliError, console};
use crate::demo::{self, GenerateOptions, GenerateReport, Shape};
use crate::run::machine;
use crate::store;

pub(super) async fn generate(arguments: &GenerateArguments) -> Result<(), CliError> {
    let options = GenerateOptions {
        shape: match arguments.shape {
            CompanyShape::Company => Shape::Company,
            CompanyShape::Orders => Shape::Orders,
        },
        customers: arguments.customers,
        seed: arguments.seed,
        dirty: !arguments.clean,
        as_of: arguments.as_of,
        threads: machine::cores(),
    };
    let report = write(&options, &arguments.to).await?;
    console::out(&format!(
        "{} objects, {}: {} to {}\n",
        HumanCount(report.objects),
        ByteSize(report.bytes),
        rows_of(&report),
        arguments.to,
    ))
}

/// Makes the raw data at a URL, relative to the current folder, and shows how far it is.
pub(super) async fn write(options: &GenerateOptions, to: &str) -> Result<GenerateReport, CliError> {
    let opened = store::open(to, &BTreeMap::new(), Path::new(""))?;
    let bar = if console::is_terminal() {
        ProgressBar::new(options.customers)
    } else {
        ProgressBar::hidden()
    };
    let progress = |state: &demo::GenerateProgress| bar.set_position(state.customers);
    let report = demo::generate(options, opened.store, &opened.prefix, progress).await?;
    bar.finish_and_clear();
    Ok(report)
}

pub(super) fn rows_of(report: &GenerateReport) -> String {
    let rows = report.truth.tally.rows.iter();
    rows.map(|(table, rows)| format!("{} {table}", HumanCount(*rows)))
        .collect::<Vec<_>>()
        .join(", ")
}
