#!/usr/bin/env bash
# Enters the microgrids that make-network.sh has made into their backbone, as its operator, with a
# line from each to the next and from the last to the first.
#
#   enter-grids.sh FOLDER
#
# A node of the network is asked: $INTERTIE_NODE (127.0.0.1:7411) with the certificate $INTERTIE_CA.
# KILOWATTS (50) is what each line carries in either direction, FEE (0.01) what carrying costs, in
# ¤ per kWh.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

[ $# = 1 ] || { sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 64; }
[ -f "$1/backbone.json" ] || fail 1 "$1 was not made by make-network.sh"
signed=(--key "$1/operator/operator.key" --passphrase-file "$1/operator/passphrase")

# In the order of their numbers: grid2 is before grid10.
grids=()
while [ -d "$1/grid$((${#grids[@]} + 1))" ]; do
  grids+=("$1/grid$((${#grids[@]} + 1))/genesis.json")
done
for genesis in "${grids[@]}"; do "$INTERTIE" backbone register "$genesis" "${signed[@]}"; done

count=${#grids[@]}
# Two grids have one line, and one has none.
lines=$((count > 2 ? count : count - 1))
for ((i = 0; i < lines; i++)); do
  "$INTERTIE" backbone line $((i + 1)) "${grids[i]}" "${grids[(i + 1) % count]}" \
    --forth "${KILOWATTS:-50}" --fee "${FEE:-0.01}" "${signed[@]}"
done
