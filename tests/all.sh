#!/usr/bin/env bash
# Every check and every test, in order of what fails fastest. `make test` runs it beside the services
# it needs; by hand: tests/services/with-services.sh tests/all.sh
#
# A failed stage does not stop the next ones: one run tells everything. The last line is the total,
# where a lint, a type check or a comparison counts as one test.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

passed=0 failed=0 failures=()
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

count() { # NAME PASSED FAILED
    passed=$((passed + $2))
    failed=$((failed + $3))
    [ "$3" -eq 0 ] || failures+=("$1")
}

check() { # NAME COMMAND...: a check that passes or fails as a whole
    local name=$1
    shift
    echo "=== $name"
    if "$@"; then count "$name" 1 0; else count "$name" 0 1; fi
}

rust_tests() {
    echo "=== Rust tests"
    local log=$scratch/cargo.log code=0
    cargo test --locked --workspace --no-fail-fast 2>&1 | tee "$log" || code=$?
    # Ten thousand random workspaces, optimised. A failing seed is printed with how to run it again.
    BATON_SIMULATION_SEEDS=10000 cargo test --locked --profile simulation -p simulation -- --nocapture 2>&1 | tee -a "$log" || code=$?
    local sums
    sums=$(awk '/^test result:/ { ok += $4; bad += $6 } END { print ok + 0, bad + 0 }' "$log")
    # Without a failed test a failure is one of compilation, or a test process that died.
    if [ "$code" -ne 0 ] && [ "${sums#* }" -eq 0 ]; then sums="${sums% *} 1"; fi
    count "Rust tests" "${sums% *}" "${sums#* }"
}

web_client_tests() {
    echo "=== web client: tests"
    local report=$scratch/vitest.json sums
    (cd web-client && npm test -- --reporter=default --reporter=json --outputFile.json="$report")
    local code=$?
    sums=$(node -e 'const r = JSON.parse(require("fs").readFileSync(process.argv[1]));
        console.log(r.numPassedTests, r.numFailedTests)' "$report" 2>/dev/null) || sums='0 1'
    if [ "$code" -ne 0 ] && [ "${sums#* }" -eq 0 ]; then sums="${sums% *} 1"; fi
    count "web client: tests" "${sums% *}" "${sums#* }"
}

# What is committed under docs/contract and web-client must be what the code generates now. The
# comparison runs on a copy: a test never changes the tree that it tests.
generated_is_fresh() {
    local copy=$scratch/generated
    mkdir -p "$copy/docs/contract" "$copy/web-client"
    target/debug/baton openapi >"$copy/docs/contract/openapi.json" || return 1
    target/debug/baton asyncapi >"$copy/docs/contract/asyncapi.json" || return 1
    tar -C web-client --exclude=node_modules --exclude=dist -cf - . | tar -C "$copy/web-client" -xf - || return 1
    ln -s "$PWD/web-client/node_modules" "$copy/web-client/node_modules"
    (cd "$copy/web-client" && npm run --silent gen) || return 1
    if ! diff -r docs/contract "$copy/docs/contract" ||
        ! diff -r --exclude=node_modules --exclude=dist web-client "$copy/web-client"; then
        echo "generated files are stale: run 'make gen' and commit what it changed" >&2
        return 1
    fi
}

web_client_install() { (cd web-client && npm ci --no-audit --no-fund); }
web_client() { (cd web-client && npm run "$1"); }

check "formatting" cargo fmt --all --check
check "web client: install" web_client_install
check "web client: types" web_client typecheck
check "web client: build" web_client build
check "lints" cargo clippy --locked --workspace --all-targets -- -D warnings
check "build" cargo build --locked --workspace --bin baton
export BATON_TEST_BIN=$PWD/target/debug/baton
check "generated files" generated_is_fresh
web_client_tests
rust_tests

echo
for name in "${failures[@]}"; do echo "failed: $name"; done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
