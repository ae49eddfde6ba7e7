# Shared by the benchmarks, on top of ci/lib.sh: `. "$(dirname "$0")/lib.sh"`.
# shellcheck shell=bash
. "$(dirname "${BASH_SOURCE[0]}")/../../ci/lib.sh"

# Sets WORK to the folder that CVM_BENCH_FOLDER names, or to an empty one that goes away with the shell.
bench_folder() {
    if [ -n "${CVM_BENCH_FOLDER:-}" ]; then
        WORK=$(realpath -m "$CVM_BENCH_FOLDER")
        mkdir -p "$WORK"
    else
        make_work
    fi
}

# The project of a benchmark: the shipped SQL, and pipelines and staging for the generated orders.
bench_project() {
    project=$WORK/project
    rm -rf "$project"
    mkdir -p "$project"
    cp -r sql benches/peers/pipelines "$project/"
    cp -r benches/peers/sql/. "$project/sql/"
}

# bench_orders CUSTOMERS: sets raw to the folder of their orders; those that lie there are used again.
bench_orders() {
    raw=$WORK/orders-$1
    if [ ! -e "$raw/complete" ]; then
        rm -rf "$raw"
        run "$CVM" generate --shape orders --customers "$1" --to "file:$raw"
        touch "$raw/complete"
    fi
}
