# What the scripts of this folder share; sourced by them, never run.
#
# INTERTIE names the command (else .build/release/intertie beside this folder, else what is in the
# path).
export LC_ALL=C.UTF-8
umask 077
script=$(basename "$0")

# fail CODE TEXT
fail() { echo "$script: $2" >&2; exit "$1"; }

built=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/.build/release/intertie
if [ -z "${INTERTIE:-}" ]; then
  if [ -x "$built" ]; then INTERTIE=$built; else INTERTIE=intertie; fi
fi
command -v "$INTERTIE" > /dev/null \
  || fail 1 "no command '$INTERTIE': run make build, or set INTERTIE"

# new_folder FOLDER: makes it, and prints its full path; it must not be there yet.
new_folder() {
  [ ! -e "$1" ] || fail 1 "$1 is there already"
  mkdir -p "$1"
  (cd "$1" && pwd)
}

# make_key FOLDER NAME FORM: a key with a passphrase of its own; prints its public key.
make_key() {
  mkdir -p "$1"
  head -c 24 /dev/urandom | base64 > "$1/passphrase"
  "$INTERTIE" keys make "$1/$2.key" --passphrase-file "$1/passphrase" \
    | awk -v form="$3" '$1 == form { print $2 }'
}

# others PLACE PREFIX PORT KEY...: the peers file of node number PLACE, which reaches each of the
# others, in the order of their keys, as PREFIX1:PORT, PREFIX2:PORT and so on.
others() {
  local place=$1 prefix=$2 port=$3 other=0 key
  shift 3
  echo "# The other nodes: key, HOST:PORT. Read again when it changes."
  for key in "$@"; do
    other=$((other + 1))
    [ $other = "$place" ] || echo "$key $prefix$other:$port"
  done
}

# write_environment FOLDER: for `docker compose --env-file`: where FOLDER is, whose files they are.
write_environment() {
  {
    echo "INTERTIE_NETWORK=$1"
    echo "INTERTIE_USER=$(id -u):$(id -g)"
  } > "$1/compose.env"
}
