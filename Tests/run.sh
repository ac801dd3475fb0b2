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
  echo "-- $1: $3 passed, $bad failed$([ "$2" = 0 ] || echo ", exit status $2")"
  [ "$bad" = 0 ] || stages+=" $1"
}

# What a log says of why its stage failed: failures by name, and where it crashed or ended without
# one.
excerpt() {
  local log=$reports/$1.log
  [ -s "$log" ] || return 0
  printf '\n-- from %s\n' "$log"
  grep -E '^✘|^\*\*\* Program crashed|Fatal error|error: |^FAILED|^fuzz: .* FAILED' "$log" \
    | cut -c 1-300 | head -n 15
  local crash
  crash=$(sed -n '/^Thread .* crashed:$/,/^\.\.\.$/p' "$log" | cut -c 1-160 | head -n 25)
  if [ -n "$crash" ]; then
    echo "$crash"
  elif ! grep -qE 'Test run with|^fuzz|^=+ .* in ' "$log"; then
    tail -n 15 "$log" | cut -c 1-300
  fi
}

finish() {
  local stage
  for stage in $stages; do excerpt "$stage"; done
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

# Everything at once, tests and what they start included; the generator of the Swift code for the
# protos too, since tests that build it would wait for their own build to end. The compiler takes
# some files that the build itself writes for modified under its hands, now and then: the same build
# then goes on where it was.
build() {
  local attempt log=$reports/build.log
  for attempt in 1 2 3; do
    if swift build -c release --build-tests 2>&1 | tee $log; then
      Protos/generate.sh --plugins
      return
    fi
    grep -q 'modified during the build' $log || return 1
  done
  return 1
}

# Tests that want the machine for themselves: nodes as processes, and whole nodes with deadlines.
apart='^(CrashTests|NetworkTests)\.|SnapshotServiceTests|JoinPeersTests'

# test_swift NAME OPTION...: runs what the build above has made.
test_swift() {
  local name=$1
  shift
  timeout --foreground 1200 \
    swift test --skip-build -c release --disable-testable-imports --disable-xctest "$@" 2>&1 \
    | tee $reports/"$name".log | grep --line-buffered -vE '^◇|Test case passing'
}

# count_swift NAME STATUS: adds what a run of test_swift says.
count_swift() {
  local bad ran
  bad=$(grep -cE '^✘ Test .* failed after' $reports/"$1".log)
  ran=$(grep -E 'Test run with [0-9]+ test' $reports/"$1".log | grep -oE '[0-9]+ test' \
    | tail -n 1)
  ran=${ran% test}
  # The line that sums the run up begins like that of a failed test.
  [ "$bad" = 0 ] || bad=$((bad - 1))
  count "$1" "$2" $((${ran:-0} - bad)) $bad
}

test_python() {
  local wanted=Tests/Interop/requirements.txt
  if ! cmp -s $wanted .venv/installed; then
    python3 -m venv .venv || return
    .venv/bin/pip install --quiet --disable-pip-version-check -r $wanted || return
    cp $wanted .venv/installed
  fi
  timeout --foreground 600 .venv/bin/python -m pytest Tests/Interop 2>&1 | tee $reports/python.log
}

say "Format"
check_format
status=$?
count format $status $((status == 0)) 0

say "Build (about ten minutes on two cores the first time)"
build || { count build 1 0 1; finish; }

say "Tests in Swift"
test_swift swift --skip "$apart|^SimulationTests\\."
count_swift swift $?

say "Whole nodes in simulation"
test_swift simulation --filter '^SimulationTests\.'
count_swift simulation $?

# Apart from the others: what they measure wants the machine for itself.
say "Nodes as processes, killed, stopped and cut off (about five minutes)"
test_swift processes --filter "$apart"
count_swift processes $?

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
