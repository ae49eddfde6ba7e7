//! The command line: one file a verb, no logic of its own.

mod arguments;
mod backfill;
mod backtest;
mod brief;
mod console;
mod defect;
mod demo;
mod docs;
mod error;
mod gc;
mod generate;
mod init;
mod list;
mod plan;
mod progress;
mod project;
mod query;
mod run;
mod runs;
mod schema;
mod summary;
mod telling;
mod truths;

use std::process::ExitCode;

use clap::Parser;

use crate::score::Registry;

use arguments::{Arguments, Verb};
use defect::caught;
pub use error::CliError;
use telling::Telling;

/// Runs the command that the process was started with, with the scorers of `registry`.
///
/// A data engineer's own binary is `cvm::cli::main(Registry::standard().with(&MyScorer))`.
pub fn main(registry: &Registry) -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // clap writes help to stdout and faults to stderr itself, in words: how the log is wanted is not known where what was typed is
            // not understood.
            drop(error.print());
            return if error.use_stderr() {
                ExitCode::from(crate::failure::FailureKind::Configuration.exit_code())
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    telling::begin(Telling::of(&arguments.verb));
    let threads = arguments.threads();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build();
    let result = match runtime {
        Ok(runtime) => {
            let result = runtime.block_on(caught(dispatch(arguments.verb, registry)));
            runtime.shutdown_background();
            result
        }
        Err(source) => Err(CliError::Io {
            what: "start the runtime".to_owned(),
            source,
        }),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            telling::failure(&error);
            ExitCode::from(error.kind().exit_code())
        }
    }
}

async fn dispatch(verb: Verb, registry: &Registry) -> Result<(), CliError> {
    match verb {
        Verb::Run(arguments) => run::run(&arguments, registry).await,
        Verb::Validate(arguments) => plan::validate(&arguments, registry).await,
        Verb::Plan(arguments) => plan::plan(&arguments, registry).await,
        Verb::Docs(arguments) => docs::docs(&arguments, registry).await,
        Verb::Schema(arguments) => schema::schema(&arguments),
        Verb::Runs(arguments) => runs::runs(&arguments, registry).await,
        Verb::Diff(arguments) => runs::compare(&arguments, registry).await,
        Verb::Query(arguments) => query::query(&arguments, registry).await,
        Verb::Generate(arguments) => generate::generate(&arguments).await,
        Verb::Demo(arguments) => demo::demo(&arguments, registry).await,
        Verb::Init(arguments) => init::init(&arguments),
        Verb::List(arguments) => list::list(&arguments, registry),
        Verb::Backtest(arguments) => backtest::run(&arguments, registry).await,
        Verb::Backfill(arguments) => backfill::run(&arguments, registry).await,
        Verb::Gc(arguments) => gc::gc(&arguments, registry).await,
    }
}
