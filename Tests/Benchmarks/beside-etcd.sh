#!/usr/bin/env bash
# Four validators beside three members of etcd: the same disk, the same machine, the same number of
# clients, 256 bytes a write without a client's signature, then signed readings; one after the other
# in one run of about two minutes:
# beside-etcd.sh [SECONDS], SECONDS a figure. Where etcd is not installed, Debian's packages of it
# are unpacked under .build, and nothing is installed. All that is started is ended by its id.
set -euo pipefail
export LC_ALL=C.UTF-8

seconds=${1:-3}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
program=$root/.build/release/ConsensusBenchmark
for needed in "$program" "$root/.build/release/intertie"; do
  [ -x "$needed" ] || { echo "build $(basename "$needed") first: make bench" >&2; exit 1; }
done

if ! command -v etcd > /dev/null || ! command -v etcdctl > /dev/null; then
  unpacked=$root/.build/etcd
  if [ ! -x "$unpacked/usr/bin/etcd" ]; then
    mkdir -p "$unpacked"
    (cd "$unpacked" && apt-get download -qq etcd-server etcd-client \
      && for package in *.deb; do dpkg -x "$package" .; done)
  fi
  PATH=$unpacked/usr/bin:$PATH
fi

[[ $seconds =~ ^[1-5]$ ]] || { echo "SECONDS is 1 to 5" >&2; exit 2; }

# The nodes' folders go where the members' do.
work=$(mktemp -d)
export TMPDIR=$work
members=()
finish() {
  for id in "${members[@]}"; do kill "$id" 2> /dev/null || true; done
  for id in "${members[@]}"; do wait "$id" 2> /dev/null || true; done
  members=()
  rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

# Six ports that are free at this moment.
read -ra ports < <(python3 -c '
import socket
held = [socket.socket() for _ in range(6)]
for each in held: each.bind(("127.0.0.1", 0))
print(*[each.getsockname()[1] for each in held])')
cluster=
for i in 0 1 2; do cluster+="m$i=http://127.0.0.1:${ports[3 + i]},"; done
for i in 0 1 2; do
  etcd --name "m$i" --data-dir "$work/etcd-$i" --log-level error \
    --listen-client-urls "http://127.0.0.1:${ports[i]}" \
    --advertise-client-urls "http://127.0.0.1:${ports[i]}" \
    --listen-peer-urls "http://127.0.0.1:${ports[3 + i]}" \
    --initial-advertise-peer-urls "http://127.0.0.1:${ports[3 + i]}" \
    --initial-cluster "${cluster%,}" --initial-cluster-state new \
    > "$work/etcd-$i.log" 2>&1 &
  members+=($!)
done
export ETCDCTL_API=3
endpoints=127.0.0.1:${ports[0]},127.0.0.1:${ports[1]},127.0.0.1:${ports[2]}
for attempt in {1..50}; do
  etcdctl --endpoints "$endpoints" endpoint health > /dev/null 2>&1 && break
  [ "$attempt" -lt 50 ] || { cat "$work"/etcd-*.log >&2; exit 1; }
  sleep 0.2
done
leader=
for i in 0 1 2; do
  etcdctl --endpoints "127.0.0.1:${ports[i]}" endpoint status -w fields \
    | awk -F' : ' '/"MemberID"/ {m = $2} /"Leader"/ {l = $2} END {exit m != l}' \
    && leader=${ports[i]}
done
[ -n "$leader" ] || { echo "etcd has no leader" >&2; exit 1; }

ids=$(IFS=,; echo "${members[*]}")
put() { timeout 60 python3 "$here/etcd_puts.py" "$1" "$seconds" "$ids" "${@:2}"; }
echo "load average $(cut -d' ' -f1-3 /proc/loadavg); $(etcd --version | head -n 1)"
echo "etcd: 3 members, then Intertie: 4 validators; $seconds s a figure"
{
  for clients in 1 64 256; do
    printf 'leader\t%s\t%s\n' "$clients" "$(put "$clients" "$leader")"
    printf 'all\t%s\t%s\n' "$clients" "$(put "$clients" "${ports[@]:0:3}")"
  done
} > "$work/etcd.tsv"
# Everything that was acknowledged is there.
kept=$(etcdctl --endpoints "$endpoints" get "" --prefix --keys-only --limit 1 -w json \
  | grep -oE '"count":[0-9]+' | cut -d: -f2)
put_in_all=$(awk -F'\t' '{sum += $8} END {print sum}' "$work/etcd.tsv")
[ "$kept" = "$put_in_all" ] || { echo "put $put_in_all, kept $kept" >&2; exit 1; }
for id in "${members[@]}"; do kill "$id"; done
for id in "${members[@]}"; do wait "$id" 2> /dev/null || true; done
members=()

timeout 240 "$program" --validators 4 --seconds "$seconds" --record "$work/intertie.tsv" \
  > "$work/intertie.log" || { cat "$work/intertie.log" >&2; exit 1; }
cat "$work/intertie.log"
echo
python3 - "$work" << 'PYTHON'
import os
import sys
work = sys.argv[1]
rows = [line.split() for line in open(work + "/etcd.tsv")]
etcd = {(row[0], int(row[1])): [float(each) for each in row[2:]] for row in rows}
rows = [line.split() for line in open(work + "/intertie.tsv")]
ours = {(int(row[1]), int(row[2]), row[3]): [float(each) for each in row[4:]] for row in rows}
print("%-34s %10s %9s %9s %12s %12s" % (
    "etcd, 256-byte puts", "writes/s", "p50 ms", "p99 ms", "CPU us/node", "client cores"))
for (where, clients), row in etcd.items():
    name = "%d clients, %s" % (clients, "to the leader" if where == "leader" else "to all three")
    print("%-34s %10.0f %9.2f %9.2f %12.0f %12.2f" % (name, *row[:5]))
print("\n%-34s %10s %9s %9s %12s %12s" % (
    "Intertie, 4 validators", "writes/s", "p50 ms", "p99 ms", "of etcd's/s", "of its p50"))
for (clients, batch, kind), row in sorted(ours.items(), key=lambda item: item[0][2] != "256"):
    # Etcd's better figure of the two.
    theirs = [etcd[where, clients] for where in ("leader", "all")]
    rate, p50 = max(each[0] for each in theirs), min(each[1] for each in theirs)
    name = "%d clients x %d, %s" % (
        clients, batch, "256 B unsigned" if kind == "256" else "signed")
    print("%-34s %10.0f %9.2f %9.2f %11.2fx %11.2fx" % (
        name, *row[:3], row[0] / rate, row[1] / p50))
row = next(iter(ours.values()))
print("\nOf a signed reading each node verifies the signature, %.0f us of CPU: four nodes on these" % (
    row[5]))
cores = os.cpu_count()
print("%d cores can take at most %.0f a second and do nothing else. Etcd verifies none." % (
    cores, cores * 1e6 / row[5] / 4))
PYTHON
