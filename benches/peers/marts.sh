#!/usr/bin/env bash
# cvm's marts beside DuckDB executing the same SQL, in one run. README.md says how to read what it prints.
#
# usage: benches/peers/marts.sh [CUSTOMERS [ROUNDS [THREADS]]]     default 1000000 3, and all cores
#
# CVM_BENCH_FOLDER keeps the orders and results in a folder instead of a temporary one; orders that lie there are used again.
. "$(dirname "$0")/lib.sh"
customers=${1:-1000000} rounds=${2:-3} threads=${3:-$(nproc)}
build_cvm
python_with ci/requirements.txt
bench_folder
bench_project
bench_orders "$customers"
run "$PYTHON" benches/peers/marts.py --cvm "$CVM" --raw "$raw" --work "$WORK" --customers "$customers" --rounds "$rounds" --threads "$threads"
