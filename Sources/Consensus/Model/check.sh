#!/bin/bash
# Checks the model of the consensus with Spin and prints a line for each check:
# what came out, states, depth, CPU seconds of the search, and what was checked.
#
#   check.sh                    everything but what follows
#   check.sh four               four views, reduced: long, and some GB
#   check.sh trace SWITCH...    the shortest counterexample under these switches, step by step
#
# Needs spin, gcc and GNU timeout. Ends with 1 if anything is not as expected.
set -euo pipefail

sources=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cp "$sources/simplex.pml" "$folder"
cd "$folder"

megabytes=5000
seconds=900
steps=1000
failures=0

# search all|shortest SWITCH...: depth-first to the first error, or breadth-first, which gives the
# shortest way to one.
search() {
  local flags=(-O2)
  if [ "$1" = shortest ]; then flags=(-O1 -DBFS); fi
  shift
  rm -f pan* simplex.pml.trail
  spin "$@" -a simplex.pml
  # Rules that one view has no use for leave warnings in the generated C.
  gcc -w "${flags[@]}" -DSAFETY -DNOREDUCE -DMEMLIM=$megabytes -o pan pan.c
  local TIMEFORMAT=%U
  { time timeout $seconds ./pan -m$steps -w24 > log 2>&1 || true; } 2> time
}

# The printed steps of the trail that a search has left.
replay() {
  spin "$@" -t simplex.pml | sed -n '/^ *$/d; /^spin: .*Error/q; s/^ *//p'
}

# outcome SWITCH...: of the last search.
outcome() {
  if [ -f simplex.pml.trail ]; then
    replay "$@" | sed -n 's/^broken: \(.*\)/broken: \1/p; s/^reached$/reached/p'
  elif grep -q 'errors: 0' log && ! grep -qi 'not completed\|too small\|memory bound' log; then
    echo verified
  else
    echo 'not finished'
  fi
}

# check NAME EXPECTED all|shortest SWITCH...
check() {
  local name=$1 expected=$2 how=$3 result states depth
  shift 3
  search "$how" "$@"
  result=$(outcome "$@")
  states=$(sed -n 's/^ *\([0-9]*\) states, stored.*/\1/p' log)
  depth=$(sed -n 's/.*depth reached \([0-9]*\),.*/\1/p' log)
  case $result in
    broken*) result="counterexample found, ${result#broken: }" ;;
  esac
  printf '%-58s %10s states  depth %2s %7s s  %s\n' \
    "$result" "${states:--}" "${depth:--}" "$(cat time)" "$name"
  if [[ $result != *"$expected"* ]]; then
    echo "  expected: $expected" >&2
    failures=$((failures + 1))
  fi
}

three_views() {
  check 'the rules, three views' verified all -DVIEWS=3

  check 'reachable: a final block' reached shortest -DGOAL=1
  check 'reachable: three final blocks in a row' reached shortest -DGOAL=2 -DBYZANTINE_VIEW=4
  check 'reachable: a final block after two nullified views' reached shortest -DGOAL=3
  check 'reachable: a nullified view whose block is built upon' reached shortest -DGOAL=4
  check 'reachable: final where the leader has signed two blocks' reached shortest \
    -DGOAL=5 -DBYZANTINE_VIEW=3

  local bug
  for bug in FINALIZE_AFTER_NULLIFY:P6 NULLIFY_NOT_PERSISTED:P6 NOTARIZE_NOT_PERSISTED:P5 \
    SEND_BEFORE_SYNC:P5 PARENT_ACROSS_GAP:P4 QUORUM_TOO_SMALL:P3; do
    check "planted: ${bug%:*}" "${bug#*:}," shortest -DVIEWS=2 "-D${bug%:*}"
  done
  for bug in FINALIZE_AFTER_NULLIFY NULLIFY_NOT_PERSISTED SEND_BEFORE_SYNC PARENT_ACROSS_GAP \
    QUORUM_TOO_SMALL; do
    check "planted: $bug, agreement itself" P1, all -DVIEWS=2 "-D$bug" -DAGREEMENT_ONLY
  done
}

four_views() {
  check 'the rules, three views, reduced' verified all -DVIEWS=3 -DREDUCED
  local bug view
  for bug in FINALIZE_AFTER_NULLIFY PARENT_ACROSS_GAP QUORUM_TOO_SMALL; do
    check "planted: $bug, agreement itself, reduced" P1, all \
      -DVIEWS=3 -DREDUCED "-D$bug" -DAGREEMENT_ONLY
  done
  for view in 1 2 3 4; do
    check "the rules, four views, reduced, Byzantine leader of view $view" verified all \
      -DVIEWS=4 -DREDUCED -DBYZANTINE_VIEW=$view
  done
}

case ${1:-three} in
  three) three_views ;;
  four) four_views ;;
  trace)
    shift
    search shortest "$@"
    if [ -f simplex.pml.trail ]; then replay "$@"; else outcome "$@"; fi
    ;;
  *)
    sed -n '2,10s/^# \{0,1\}//p' "$sources/check.sh" >&2
    exit 2
    ;;
esac
if [ $failures -gt 0 ]; then
  echo "$failures not as expected" >&2
  exit 1
fi
