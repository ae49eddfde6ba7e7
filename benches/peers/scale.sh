#!/usr/bin/env bash
# From raw orders to published customer values with intervals, at a size: cvm's closing table tells the time of each
# stage and the peak of memory.
#
# usage: benches/peers/scale.sh [CUSTOMERS [THREADS]]     default 40000000, and all cores
#
# 40,000,000 customers take about 20 GiB of disk. CVM_BENCH_FOLDER keeps everything there instead of in a temporary folder.
. "$(dirname "$0")/lib.sh"
customers=${1:-40000000} threads=${2:-$(nproc)}
build_cvm
bench_folder
bench_project
bench_orders "$customers"
export CVM_RAW=file:$raw CVM_LAKE=file:$WORK/lake
run "$CVM" run "$project/pipelines/scale.yml" --as-of 2025-01-01 --threads "$threads" --work-folder "$WORK" --log human
