#!/usr/bin/env bash
# The ledger beside PostgreSQL: transfers between as many accounts, picked by the same rules, on the
# same machine and disk. In each round first every figure of LedgerBenchmark, then every figure of
# pgbench; the medians of the rounds count:
# beside-postgres.sh [SECONDS] [ROUNDS], SECONDS a figure of pgbench; five minutes with 5 and 3.
# Where PostgreSQL is not installed, Debian's packages of it are unpacked under .build/tools, and
# nothing is installed. The server listens on a socket in a folder of its own and on no port, runs
# as another user if this one is root, and is ended by its id.
set -euo pipefail
export LC_ALL=C.UTF-8

seconds=${1:-5}
rounds=${2:-3}
if ! [[ $seconds =~ ^[1-9]$ && $rounds =~ ^[1-9]$ ]]; then
  echo "usage: beside-postgres.sh [SECONDS, 1 to 9] [ROUNDS, 1 to 9]" >&2
  exit 2
fi
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
program=$root/.build/release/LedgerBenchmark
[ -x "$program" ] || (cd "$root" && swift build -c release --product LedgerBenchmark)

unpacked=$root/.build/tools/postgresql
# Sets `bin` to the folder of the newest PostgreSQL that is there.
find_postgres() {
  local folder found
  found=$(command -v postgres || true)
  for folder in "$unpacked"/usr/lib/postgresql/*/bin /usr/lib/postgresql/*/bin \
    ${found:+"$(dirname "$(readlink -f "$found")")"}; do
    if [ -x "$folder/postgres" ] && [ -x "$folder/initdb" ] && [ -x "$folder/pgbench" ] \
      && [ -x "$folder/psql" ]; then
      bin=$folder
    fi
  done
  [ -n "${bin:-}" ]
}
# Names the packages that installing PostgreSQL would install, itself first of all.
missing_packages() {
  local server
  server=$(apt-cache depends postgresql 2> /dev/null \
    | awk '/Depends: postgresql-[0-9]/ {print $2; exit}')
  [ -z "$server" ] \
    || apt-get -s install --no-install-recommends "$server" | awk '/^Inst/ {print $2}'
}
unpack_postgres() {
  local package packages
  command -v apt-get > /dev/null \
    || { echo "No apt-get here: please install PostgreSQL with pgbench." >&2; exit 1; }
  packages=$(missing_packages)
  if [ -z "$packages" ]; then
    if [ "$(id -u)" = 0 ]; then apt-get update -qq; else sudo apt-get update -qq; fi
    packages=$(missing_packages)
  fi
  [ -n "$packages" ] || { echo "apt-get knows no package of PostgreSQL" >&2; exit 1; }
  rm -rf "$unpacked.new"
  mkdir -p "$unpacked.new"
  # shellcheck disable=SC2086
  (cd "$unpacked.new" && apt-get download -qq -o APT::Sandbox::User="$(id -un)" $packages \
    && for package in *.deb; do dpkg -x "$package" . && rm "$package"; done)
  rm -rf "$unpacked"
  mv "$unpacked.new" "$unpacked"
}
if ! find_postgres; then
  unpack_postgres
  find_postgres || { echo "PostgreSQL's packages have no postgres and pgbench" >&2; exit 1; }
fi
if [[ $bin == "$unpacked"/* ]]; then
  for folder in "$unpacked"/usr/lib/*-linux-* "$unpacked"/lib/*-linux-*; do
    [ ! -d "$folder" ] || LD_LIBRARY_PATH=$folder${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
  done
  export LD_LIBRARY_PATH
fi

# The store's folders go where the database does.
work=$(mktemp -d)
export TMPDIR=$work
server=
stop() {
  local attempt
  [ -n "$server" ] || return 0
  kill -INT "$server" 2> /dev/null || true
  for attempt in {1..100}; do
    kill -0 "$server" 2> /dev/null || break
    [ "$attempt" -lt 100 ] || kill -QUIT "$server" 2> /dev/null || true
    sleep 0.1
  done
  wait "$server" 2> /dev/null || true
  server=
}
finish() {
  stop
  rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

# PostgreSQL refuses to run as root.
as=()
mkdir "$work/database" "$work/socket"
if [ "$(id -u)" = 0 ]; then
  user=nobody
  ! id postgres > /dev/null 2>&1 || user=postgres
  as=(setpriv --reuid "$user" --regid "$(id -g "$user")" --clear-groups)
  chown "$user" "$work/database" "$work/socket"
  chmod 711 "$work"
  "${as[@]}" test -x "$bin/postgres" -a -w "$work/database" \
    || { echo "$user may not use $bin/postgres or $work" >&2; exit 1; }
fi
cd "$work"
timeout 120 "${as[@]}" "$bin/initdb" -D "$work/database" -U bench -A trust -E UTF8 --no-locale \
  > "$work/initdb.log" 2>&1 || { cat "$work/initdb.log" >&2; exit 1; }
# As it comes, but for where it listens.
"${as[@]}" "$bin/postgres" -D "$work/database" -c listen_addresses= \
  -c unix_socket_directories="$work/socket" > "$work/server.log" 2>&1 &
server=$!
export PGHOST=$work/socket PGUSER=bench PGDATABASE=postgres
ask() { timeout 120 "$bin/psql" -X -q -A -t -v ON_ERROR_STOP=1 "$@"; }
for attempt in {1..100}; do
  ask -c 'SELECT 1' > /dev/null 2>&1 && break
  [ "$attempt" -lt 100 ] || { cat "$work/server.log" >&2; exit 1; }
  sleep 0.1
done
for setting in fsync synchronous_commit full_page_writes; do
  [ "$(ask -c "SHOW $setting")" = on ] || { echo "$setting is not on" >&2; exit 1; }
done

# pick VARIABLE HOT COUNT: one of COUNT accounts, in HOT per cent one of the first hundredth.
pick() {
  if [ "$2" = 0 ]; then
    printf '\\set %s random(1, %s)\n' "$1" "$3"
  else
    printf '\\set h random(1, 100)\n\\if :h <= %s\n\\set %s random(1, %s)\n' "$2" "$1" $(($3 / 100))
    printf '\\else\n\\set %s random(1, %s)\n\\endif\n' "$1" "$3"
  fi
}
# write_script HOT COUNT: one transfer. The rows change in the order of their numbers, so that no
# two transfers wait for each other in a circle.
write_script() {
  pick a "$1" "$2"
  pick b "$1" "$2"
  cat << SCRIPT
\\if :a = :b
\\set b 1 + :a % $2
\\endif
\\set amount random(1, 100)
\\set low least(:a, :b)
\\set high greatest(:a, :b)
\\set change case when :a < :b then -:amount else :amount end
BEGIN;
UPDATE accounts_$2 SET balance = balance + :change WHERE id = :low;
UPDATE accounts_$2 SET balance = balance - :change WHERE id = :high;
COMMIT;
SCRIPT
}
# write_function NAME HOT COUNT: many transfers in one call and one transaction, which is what a
# block is to the ledger.
write_function() {
  local one="1 + floor(random() * $3)::integer"
  [ "$2" = 0 ] || one="CASE WHEN random() * 100 < $2 THEN 1 + floor(random() * $(($3 / 100)))
    ELSE 1 + floor(random() * $3) END"
  cat << FUNCTION
CREATE FUNCTION transfers_$1(number integer) RETURNS void LANGUAGE plpgsql AS \$\$
DECLARE a integer; b integer; amount integer;
BEGIN
  FOR i IN 1..number LOOP
    a := $one;
    b := $one;
    IF a = b THEN b := 1 + a % $3; END IF;
    amount := 1 + floor(random() * 100);
    UPDATE accounts_$3 SET balance = balance - amount WHERE id = a;
    UPDATE accounts_$3 SET balance = balance + amount WHERE id = b;
  END LOOP;
END \$\$;
FUNCTION
}
sizes=(100000 1000)
for size in "${sizes[@]}"; do
  ask << SQL
CREATE TABLE accounts_$size
  (id integer PRIMARY KEY, balance bigint NOT NULL CHECK (balance >= 0));
INSERT INTO accounts_$size SELECT number, 1000000000 FROM generate_series(1, $size) number;
SQL
  ask -c "VACUUM ANALYZE accounts_$size"
done
# Name, per cent, accounts: as `Picks` in LedgerBenchmark.
workloads=("100000 0 100000" "1000 0 1000" "skewed 80 100000")
for workload in "${workloads[@]}"; do
  read -r name hot size <<< "$workload"
  write_script "$hot" "$size" > "$work/$name.sql"
  write_function "$name" "$hot" "$size" | ask
  printf 'SELECT transfers_%s(256);\n' "$name" > "$work/$name-256.sql"
done
ask -c CHECKPOINT

# Hundredths of a second of CPU of the server's processes, ended ones included.
server_ticks() {
  local id
  {
    sed 's/.*) //' "/proc/$server/stat" | awk '{print $12 + $13 + $14 + $15}'
    for id in $(ps -o pid= --ppid "$server"); do
      sed 's/.*) //' "/proc/$id/stat" 2> /dev/null | awk '{print $12 + $13}'
    done
  } | awk '{sum += $1} END {print sum}'
}
# measure NAME CLIENTS BATCH SCRIPT: a line of name, clients, transfers in a transaction,
# transfers a second, ms of latency, µs of CPU a transfer of the server and of pgbench.
measure() {
  local before after TIMEFORMAT='%U %S'
  before=$(server_ticks)
  { time timeout 60 "$bin/pgbench" -n -M prepared -c "$2" -j $(($2 < 2 ? $2 : 2)) -T "$seconds" \
    -f "$4" > "$work/pgbench.log" 2>&1; } 2> "$work/pgbench.time" \
    || { cat "$work/pgbench.log" >&2; return 1; }
  # Until its sessions have ended.
  sleep 0.3
  after=$(server_ticks)
  awk -v name="$1" -v clients="$2" -v batch="$3" -v ticks=$((after - before)) \
    -v hertz="$(getconf CLK_TCK)" '
    FILENAME ~ /time$/ {own = $1 + $2}
    /transactions actually processed:/ {number = $6 * batch}
    /number of failed transactions:/ {failed = $5}
    /latency average/ {latency = $4}
    /without initial connection time/ {rate = $3 * batch}
    END {
      if (number == 0 || failed != 0) exit 1
      print name, clients, batch, rate, latency, ticks / hertz / number * 1e6, own / number * 1e6
    }' "$work/pgbench.time" "$work/pgbench.log" >> "$work/postgres.txt" \
    || { cat "$work/pgbench.log" >&2; return 1; }
}

echo "load average $(cut -d' ' -f1-3 /proc/loadavg); $("$bin/postgres" --version)"
for round in $(seq "$rounds"); do
  timeout 300 "$program" --rounds 1 --seconds 1 --record "$work/ledger.txt" > "$work/ledger.log" \
    || { cat "$work/ledger.log" >&2; exit 1; }
  echo "round $round of $rounds: $(head -n 1 "$work/ledger.log")"
  for workload in "${workloads[@]}"; do
    read -r name hot size <<< "$workload"
    for clients in 1 8 32; do measure "$name" "$clients" 1 "$work/$name.sql"; done
    measure "$name" 1 256 "$work/$name-256.sql"
  done
  # Nothing was made and nothing lost.
  for size in "${sizes[@]}"; do
    sum=$(ask -c "SELECT sum(balance) FROM accounts_$size")
    [ "$sum" = $((size * 1000000000)) ] \
      || { echo "accounts_$size: $sum instead of ${size}000000000" >&2; exit 1; }
  done
done
stop
python3 "$here/beside_postgres.py" "$work/ledger.txt" "$work/postgres.txt"
