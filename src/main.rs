//! The `cvm` binary: cvm's command line with the scorers that it comes with.

use std::process::ExitCode;

fn main() -> ExitCode {
    cvm::cli::main(&cvm::score::Registry::standard())
}
