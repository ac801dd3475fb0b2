#!/usr/bin/env bash
# Every check of the project: format, the Swift tests, a client in Python, fuzzing. The last line
# counts what passed and what failed; exit 1 if anything failed. Called by `make test`.
set -uo pipefail
export LC_ALL=C.UTF-8

cd "$(dirname "${BASH_SOURCE[0]}")/.."
reports=.build/reports
mkdir -p $reports
passed=0
failed=0
stages=

say() { printf '\n== %s\n' "$*"; }

# count WHAT STATUS PASSED FAILED: adds a stage to the totals. One that ended badly without a
# failure of its own, as a crash does, counts as one.
count() {
  local bad=$4
  [ "$2" = 0 ] || [ "$bad" != 0 ] || bad=1
  passed=$((passed + $3))
  failed=$((failed + bad))
  echo "-- $1: $3 passed, $bad failed"
  [ "$bad" = 0 ] || stages+=" $1"
}

finish() {
  [ -z "$stages" ] || printf '\nFailed in:%s. The full logs are in %s.\n' "$stages" "$reports"
  printf '\n%d passed, %d failed\n' "$passed" "$failed"
  [ "$failed" = 0 ]
  exit
}

# The number in front of a word in the last line of a report that has it; 0 if none has.
number_before() { grep -oE "[0-9]+ $1" "$2" | tail -n 1 | grep -oE '^[0-9]+' || echo 0; }

check_format() {
  find Package.swift Sources Tests -name '*.swift' -not -path '*/Generated/*' -print0 \
    | xargs -0 swift format lint --strict --parallel
}

# The generator of the Swift code for the protos is built here and not from within the tests,
# which would wait for their own build to end.
build() { swift build -c release && Protos/generate.sh --plugins; }

# Without testable imports the tests use the very objects of the build above.
test_swift() {
  timeout --foreground 1200 \
    swift test -c release --disable-testable-imports --disable-xctest 2>&1 \
    | tee $reports/swift.log | grep --line-buffered -vE '^◇|Test case passing'
}

test_python() {
  local wanted=Tests/Interop/requirements.txt
  if ! cmp -s $wanted .venv/installed; then
    python3 -m venv .venv || return
    .venv/bin/pip install --quiet --disable-pip-version-check -r $wanted || return
    cp $wanted .venv/installed
  fi
  timeout --foreground 300 .venv/bin/python -m pytest Tests/Interop 2>&1 | tee $reports/python.log
}

say "Format"
check_format
status=$?
count format $status $((status == 0)) 0

say "Build (about ten minutes on two cores the first time)"
build || { count build 1 0 1; finish; }

say "Tests in Swift"
test_swift
status=$?
bad=$(grep -cE '^✘ Test .* failed after' $reports/swift.log)
ran=$(grep -E 'Test run with [0-9]+ test' $reports/swift.log | grep -oE '[0-9]+ test' | tail -n 1)
ran=${ran% test}
# The line that sums the run up begins like that of a failed test.
[ "$bad" = 0 ] || bad=$((bad - 1))
count swift $status $((${ran:-0} - bad)) $bad

say "A client in Python"
: > $reports/python.log
test_python
status=$?
count python $status "$(number_before passed $reports/python.log)" \
  "$(number_before failed $reports/python.log)"

say "Fuzzing the decoders (about two minutes)"
Tests/Fuzz/run.sh 60 2>&1 | tee $reports/fuzz.log
status=$?
count fuzz $status "$(grep -cE '^fuzz: .* passed:' $reports/fuzz.log)" \
  "$(grep -cE '^fuzz: .* FAILED' $reports/fuzz.log)"

finish
