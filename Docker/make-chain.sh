#!/usr/bin/env bash
# Makes what the nodes of one new chain need: keys, the genesis, and a peers file for each node.
#
#   make-chain.sh FOLDER [NODES]
#
# NODES validators, 4 unless told, are reached by the others as node1:7412, node2:7412 and so on,
# which are their names in compose.chain.yaml. FOLDER, which must not be there yet, gets
#
#   node1, node2, …   genesis.json, node.key, passphrase, peers: a node's /etc/intertie
#   operator          operator.key, passphrase: admits members, registers meters, has all roles
#   compose.env       for `docker compose --env-file`: where FOLDER is, and whose files they are
#
# NAME is the community's name, RATE the chain's seconds for each second.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

[ $# -ge 1 ] && [ $# -le 2 ] || { sed -n '2,13s/^# \{0,1\}//p' "$0" >&2; exit 64; }
nodes=${2:-4}
[[ $nodes =~ ^[1-9][0-9]?$|^100$ ]] || fail 64 "1 to 100 nodes"
folder=$(new_folder "$1")

operator=$(make_key "$folder/operator" operator account)
keys=()
for ((i = 1; i <= nodes; i++)); do keys+=("$(make_key "$folder/node$i" node node)"); done

"$INTERTIE" genesis make "$folder/genesis.json" --name "${NAME:-Elm Street}" \
  --rate "${RATE:-1}" --operator "$operator" --validators "${keys[@]}"

for ((i = 1; i <= nodes; i++)); do
  cp "$folder/genesis.json" "$folder/node$i/genesis.json"
  others $i node 7412 "${keys[@]}" > "$folder/node$i/peers"
done
write_environment "$folder"
echo "made $folder: $nodes nodes"
