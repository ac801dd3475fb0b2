#!/usr/bin/env bash
# Feeds every decoder that meets the network with inputs that libFuzzer makes up, for about
# SECONDS in all (60 unless told), two decoders at a time.
#
#   run.sh [SECONDS [DECODER...]]
#
# Needs a release build of the package. README.md says how it works and what to do with a find.
set -euo pipefail
export LC_ALL=C SWIFT_BACKTRACE=enable=no # libFuzzer must see the trap, and keep the input

seconds=${1:-60}
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
build=.build/fuzz
release=$(swift build -c release --show-bin-path)
objects=$release/intertie.product/Objects.LinkFileList
[ -f "$objects" ] || { echo "run.sh: no release build: run swift build -c release" >&2; exit 2; }
mkdir -p $build

# The modules with decoders, each compiled again with coverage counters, in the order of their
# imports. Everything else is linked as the release build left it.
modules=(Domain Consensus Wire)
counted=()
flags=(-O -wmo -parse-as-library -swift-version 6 -package-name intertie -sanitize=fuzzer
  -I $build -I "$release/Modules")
for module in "${modules[@]}"; do
  object=$build/$module.o
  counted+=("$object")
  if [ ! -f "$object" ] || [ -n "$(find "Sources/$module" -newer "$object")" ]; then
    echo "fuzz: compiling $module with coverage counters"
    find "Sources/$module" -name '*.swift' -print0 | xargs -0 swiftc "${flags[@]}" \
      -module-name "$module" -emit-module -emit-module-path "$build/$module.swiftmodule" \
      -c -o "$object"
  fi
done
swiftc "${flags[@]}" -module-name Fuzz -c Tests/Fuzz/*.swift -o $build/Fuzz.o

own=$(find Sources -mindepth 1 -maxdepth 1 -type d -printf '%f|')
grep -vE "/(${own%|})\.build/" "$objects" | sed -E "s/^'?([^']*)'?\$/\"\1\"/" > $build/objects
rm -f $build/dependencies.a
ar rcsT $build/dependencies.a @$build/objects
swiftc -use-ld=lld -sanitize=fuzzer $build/Fuzz.o "${counted[@]}" \
  $build/dependencies.a -lz -lsqlite3 -o $build/fuzz

# Every decoder starts from its seeds and keeps what it learns in .build/fuzz/corpus.
names=$(SEEDS=$build/seeds $build/fuzz 2> $build/seeds.log) || { cat $build/seeds.log >&2; exit 1; }
decoders=("${@:2}")
[ ${#decoders[@]} -gt 0 ] || mapfile -t decoders <<< "$names"
lanes=$((${#decoders[@]} > 1 ? 2 : 1))
share=$((seconds * lanes / ${#decoders[@]}))
share=$((share > 0 ? share : 1))
echo "fuzz: ${#decoders[@]} decoders, $share s each"

feed() {
  local name=$1 log=$build/$1.log
  mkdir -p "$build/corpus/$name" "$build/finds"
  if DECODER=$name $build/fuzz "$build/corpus/$name" "$build/seeds/$name" \
    -max_total_time="$share" -max_len=4096 -timeout=5 -rss_limit_mb=1024 -malloc_limit_mb=64 \
    -artifact_prefix="$build/finds/$name-" -print_final_stats=1 > "$log" 2>&1; then
    awk -v name="$name" '
      /cov: /{ for (i = 1; i < NF; i++) if ($i == "cov:") covered = $(i + 1) }
      /number_of_executed_units/ { inputs = $2 }
      END { printf "fuzz: %-16s passed: %d inputs, %d edges covered\n", name, inputs, covered }
    ' "$log"
  else
    tail -n 30 "$log"
    echo "fuzz: $name FAILED; its input is in $build/finds"
    return 1
  fi
}
export -f feed
export build share
printf '%s\n' "${decoders[@]}" | xargs -P $lanes -I {} bash -c 'feed "$1"' feed {}
