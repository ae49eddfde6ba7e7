# Shared by the checks: `. "$(dirname "$0")/lib.sh"`. Each check runs alone, from anywhere, the same locally and in CI.
# shellcheck shell=bash
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
ROOT=$PWD
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/cvm
# Checks are of the work itself, unless they are of what is kept of it.
export CVM_CACHE_SIZE=0
# Outside the clone, so that a fresh clone does not compile DataFusion again.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$CACHE/target}
. ci/versions.sh

say() { printf '%s\n' "$*"; }

fail() {
    printf 'FAILED: %s\n' "$*" >&2
    exit 1
}

# Prints a command, then runs it.
run() {
    printf '$ %s\n' "$*"
    "$@"
}

# As run, but shows what the command printed only if it fails.
quietly() {
    local log
    printf '$ %s\n' "$*"
    log=$(mktemp)
    "$@" > "$log" 2>&1 || {
        cat "$log"
        rm -f "$log"
        fail "$*"
    }
    rm -f "$log"
}

# Sets DATA to the folder of real data. Without it nothing is checked, so that is a failure, not a skip.
need_data() {
    DATA=$(realpath -m "${CVM_SHARED_DATA:-$ROOT/../shared/data}")
    [ -d "$DATA/online_retail" ] || fail "the real data is missing: no $DATA/online_retail"
}

# Makes an empty folder WORK that goes away with the shell.
make_work() {
    WORK=$(mktemp -d "${TMPDIR:-/tmp}/cvm-ci.XXXXXX")
    trap 'rm -rf "$WORK"' EXIT
}

# Builds the release binary and sets CVM to it, or takes the one that CVM_BINARY names. Checks after the first find it built.
build_cvm() {
    if [ -n "${CVM_BINARY:-}" ]; then
        CVM=$CVM_BINARY
        say "with $CVM"
        return
    fi
    run cargo build --release --locked --bin cvm
    # shellcheck disable=SC2034  # for the checks
    CVM=$CARGO_TARGET_DIR/release/cvm
}

# python_with REQUIREMENTS: sets PYTHON to an interpreter with exactly these packages, kept beside the target folder
# under a name that changes with the file.
python_with() {
    local requirements=$1 folder
    folder=$CACHE/venv/$(basename "$requirements" .txt)-$(sha256sum "$requirements" | cut -c1-12)
    # shellcheck disable=SC2034  # for the checks
    PYTHON=$folder/bin/python
    [ -e "$folder/complete" ] && return
    say "installing $requirements"
    rm -rf "$folder"
    python3 -m venv "$folder"
    "$folder/bin/pip" install --quiet --disable-pip-version-check --requirement "$requirements"
    touch "$folder/complete"
}

# npm_package NAME VERSION BEFORE: sets NPM_FOLDER to a folder whose node_modules holds the package, with everything that it
# depends on as of the day BEFORE. Scripts of packages are not run. Where there is no Node, one of PyPI's is taken.
npm_package() {
    if ! { command -v node && command -v npm; } > /dev/null; then
        python_with ci/requirements-node.txt
        PATH=$(dirname "$PYTHON"):$PATH
    fi
    NPM_FOLDER=$CACHE/npm/$1-$2-$3
    [ -e "$NPM_FOLDER/complete" ] && return
    say "installing $1 $2 from npm"
    rm -rf "$NPM_FOLDER"
    mkdir -p "$NPM_FOLDER"
    npm install --prefix "$NPM_FOLDER" --before "$3" --ignore-scripts --no-audit --no-fund --loglevel error "$1@$2"
    touch "$NPM_FOLDER/complete"
}

# same_bytes_through SCRIPT: publishes Online Retail locally, and has a script over ci/py/stores.py do the same with its store.
same_bytes_through() {
    need_data
    build_cvm
    make_work
    CVM_RAW=file:$DATA CVM_LAKE=file:$WORK/lake quietly "$CVM" run pipelines/online_retail.yml --as-of 2011-12-10
    run "$PYTHON" "$1" "$CVM" pipelines/online_retail.yml 2011-12-10 "$DATA/online_retail" "$WORK/lake/marts/online_retail" "$WORK"
}
