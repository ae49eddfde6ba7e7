# Versions of the tools that the checks use, in one place. Rust crates are pinned by Cargo.lock and the Python
# packages of the checks by ci/requirements.txt and benches/peers/requirements-lifetimes.txt.
# shellcheck shell=bash disable=SC2034
CARGO_DENY_VERSION=0.20.2
AZURITE_VERSION=3.37.0
# npm pins what is asked for and not what that needs: the rest is as it was on this day.
AZURITE_BEFORE=2026-11-28
