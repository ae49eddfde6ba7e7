#!/usr/bin/env bash
# cvm beside DuckDB and lifetimes on one set of orders, in one run. README.md says how to read what it prints.
#
# usage: benches/peers/run.sh [CUSTOMERS [ROUNDS [THREADS]]]     default 1000000 3, and all cores
#
# CVM_BENCH_FOLDER keeps the orders and results in a folder instead of a temporary one; orders that lie there are used again.
. "$(dirname "$0")/lib.sh"
customers=${1:-1000000} rounds=${2:-3} threads=${3:-$(nproc)}
build_cvm
python_with ci/requirements.txt
duckdb_python=$PYTHON
python_with benches/peers/requirements-lifetimes.txt
lifetimes_python=$PYTHON
fit_and_score=
if [ "${CVM_BENCH_LIFETIMES:-yes}" != no ]; then
    run cargo build --release --locked -p cvm-models --example fit_and_score
    fit_and_score=$CARGO_TARGET_DIR/release/examples/fit_and_score
fi
bench_folder
bench_project
bench_orders "$customers"
run "$duckdb_python" benches/peers/compare.py --cvm "$CVM" --lifetimes "$lifetimes_python" --raw "$raw" --work "$WORK" \
    --fit-and-score "$fit_and_score" --customers "$customers" --rounds "$rounds" --threads "$threads"
