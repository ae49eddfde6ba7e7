#!/usr/bin/env bash
# cvm's marts beside DuckDB executing the same SQL, in one run. README.md says how to read what it prints.
#
# usage: benches/peers/marts.sh [CUSTOMERS [ROUNDS [THREADS]]]     default 1000000 3, and all cores
#
# CVM_BENCH_FOLDER keeps the orders and results in a folder instead of a temporary one; orders that lie there are used again.
. "$(dirname "$0")/../../ci/lib.sh"
customers=${1:-1000000} rounds=${2:-3} threads=${3:-$(nproc)}
build_cvm
python_with ci/requirements.txt
if [ -n "${CVM_BENCH_FOLDER:-}" ]; then
    WORK=$(realpath -m "$CVM_BENCH_FOLDER")
    mkdir -p "$WORK"
else
    make_work
fi

# The project of the benchmark: the shipped SQL, and staging for the generated orders.
project=$WORK/project raw=$WORK/orders-$customers
rm -rf "$project"
mkdir -p "$project"
cp -r sql benches/peers/pipelines "$project/"
cp -r benches/peers/sql/. "$project/sql/"
if [ ! -e "$raw/complete" ]; then
    rm -rf "$raw"
    run "$CVM" generate --shape orders --customers "$customers" --to "file:$raw"
    touch "$raw/complete"
fi
run "$PYTHON" benches/peers/marts.py --cvm "$CVM" --raw "$raw" --work "$WORK" --customers "$customers" --rounds "$rounds" --threads "$threads"
