#!/usr/bin/env bash
# Makes what a new network of microgrids needs: keys, the backbone's genesis, and for each microgrid
# its own genesis and a peers file.
#
#   make-network.sh FOLDER [GRIDS]
#
# GRIDS microgrids, 4 unless told, have a node each, which keeps the microgrid's chain and, as a
# validator, the backbone. The others reach it as grid1:7413, grid2:7413 and so on, which are their
# names in compose.yaml. FOLDER, which must not be there yet, gets
#
#   grid1, grid2, …   genesis.json, node.key, passphrase, backbone-peers: a node's /etc/intertie
#   operator          operator.key, passphrase: has all roles of the grids and of the backbone
#   backbone.json     the backbone's genesis; it is in the grids' own, too
#   compose.env       for `docker compose --env-file`: where FOLDER is, and whose files they are
#
# When the nodes run, enter-grids.sh enters the grids and the lines between them. RATE is the
# chains' seconds for each second.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

[ $# -ge 1 ] && [ $# -le 2 ] || { sed -n '2,18s/^# \{0,1\}//p' "$0" >&2; exit 64; }
grids=${2:-4}
[[ $grids =~ ^[1-9][0-9]?$|^100$ ]] || fail 64 "1 to 100 grids"
folder=$(new_folder "$1")

operator=$(make_key "$folder/operator" operator account)
keys=()
for ((i = 1; i <= grids; i++)); do keys+=("$(make_key "$folder/grid$i" node node)"); done

"$INTERTIE" backbone genesis "$folder/backbone.json" --name "Valley" --rate "${RATE:-1}" \
  --operator "$operator" --validators "${keys[@]}"
for ((i = 1; i <= grids; i++)); do
  "$INTERTIE" genesis make "$folder/grid$i/genesis.json" --name "Grid $i" \
    --join "$folder/backbone.json" --operator "$operator" --validator "${keys[i - 1]}" > /dev/null
  others $i grid 7413 "${keys[@]}" > "$folder/grid$i/backbone-peers"
done
write_environment "$folder"
echo "made $folder: $grids microgrids on one backbone"
