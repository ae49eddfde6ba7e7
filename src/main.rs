//! The `cvm` binary: cvm's command line with the scorers that it comes with.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// A tenth of a run went into the C library's allocator (`benches/peers/marts.sh`).
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    cvm::cli::main(&cvm::score::Registry::standard())
}
