#!/usr/bin/env bash
# Makes what the nodes of one new chain need: keys, the genesis, and a peers file for each node.
#
#   make-network.sh FOLDER [NODES]
#
# NODES validators, 4 unless told, are reached by the others as node1:7412, node2:7412 and so on,
# which are their names in compose.yaml. FOLDER, which must not be there yet, gets
#
#   node1, node2, …   genesis.json, node.key, passphrase, peers: a node's /etc/intertie
#   operator          operator.key, passphrase: admits members, registers meters, has all roles
#   compose.env       for `docker compose --env-file`: where FOLDER is, and whose files they are
#
# INTERTIE names the command (else .build/release/intertie beside this folder, else what is in the
# path); NAME the community, RATE the chain's seconds for each second.
set -euo pipefail
export LC_ALL=C.UTF-8
umask 077

[ $# -ge 1 ] && [ $# -le 2 ] || { sed -n '2,15s/^# \{0,1\}//p' "$0" >&2; exit 64; }
folder=$1
nodes=${2:-4}
[[ $nodes =~ ^[1-9][0-9]?$|^100$ ]] || { echo "make-network.sh: 1 to 100 nodes" >&2; exit 64; }
[ ! -e "$folder" ] || { echo "make-network.sh: $folder is there already" >&2; exit 1; }

built=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/.build/release/intertie
if [ -z "${INTERTIE:-}" ]; then
  if [ -x "$built" ]; then INTERTIE=$built; else INTERTIE=intertie; fi
fi
command -v "$INTERTIE" > /dev/null || {
  echo "make-network.sh: no command '$INTERTIE': run make build, or set INTERTIE" >&2
  exit 1
}

# make_key FOLDER NAME FORM: a key with a passphrase of its own; prints its public key.
make_key() {
  mkdir -p "$1"
  head -c 24 /dev/urandom | base64 > "$1/passphrase"
  "$INTERTIE" keys make "$1/$2.key" --passphrase-file "$1/passphrase" \
    | awk -v form="$3" '$1 == form { print $2 }'
}

mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
operator=$(make_key "$folder/operator" operator account)
keys=()
for ((i = 1; i <= nodes; i++)); do keys+=("$(make_key "$folder/node$i" node node)"); done

"$INTERTIE" genesis make "$folder/genesis.json" --name "${NAME:-Elm Street}" \
  --rate "${RATE:-1}" --operator "$operator" --validators "${keys[@]}"

for ((i = 1; i <= nodes; i++)); do
  cp "$folder/genesis.json" "$folder/node$i/genesis.json"
  {
    echo "# The other nodes of the chain: key, HOST:PORT. Read again when it changes."
    for ((j = 1; j <= nodes; j++)); do
      [ $j = $i ] || echo "${keys[j - 1]} node$j:7412"
    done
  } > "$folder/node$i/peers"
done
{
  echo "INTERTIE_NETWORK=$folder"
  echo "INTERTIE_USER=$(id -u):$(id -g)"
} > "$folder/compose.env"
echo "made $folder: $nodes nodes"
