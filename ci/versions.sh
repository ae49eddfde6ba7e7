# Versions of the tools that the checks use, in one place. Rust crates are pinned by Cargo.lock and the Python
# packages of the checks by ci/requirements.txt and benches/peers/requirements-lifetimes.txt.
# shellcheck shell=bash disable=SC2034
CARGO_DENY_VERSION=0.20.2
