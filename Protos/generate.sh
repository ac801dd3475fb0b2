#!/usr/bin/env bash
# Writes Sources/Wire/Generated from the .proto files of this folder.
#
#   generate.sh             regenerate
#   generate.sh --check     regenerate beside it and compare; exit 1 if anything differs
#   generate.sh --plugins   only build the two generator plugins
#   --no-build              with any of them: never build, fail if a plugin is not there
#
# Needs protoc (Debian: protobuf-compiler). The plugins are products of packages that this one
# depends on, so their versions are those of Package.resolved. They are looked for in
# .build/release and .build/debug; CONFIGURATION (release) says which of the two is built.
set -euo pipefail
export LC_ALL=C

protos=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$protos")
generated=$root/Sources/Wire/Generated
plugins="protoc-gen-swift protoc-gen-grpc-swift-2"

mode=write
may_build=yes
for argument in "$@"; do
  case $argument in
    --check) mode=check ;;
    --plugins) mode=plugins ;;
    --no-build) may_build=no ;;
    *) echo "generate.sh: unknown argument $argument" >&2; exit 2 ;;
  esac
done

# Prints the folder that holds both plugins, not older than the resolved versions.
find_plugins() {
  local folder plugin
  for folder in "$root/.build/release" "$root/.build/debug"; do
    for plugin in $plugins; do
      [ -x "$folder/$plugin" ] || continue 2
      [ "$root/Package.resolved" -nt "$folder/$plugin" ] && continue 2
    done
    echo "$folder"
    return 0
  done
  return 1
}

if ! binaries=$(find_plugins); then
  if [ $may_build = no ]; then
    echo "generate.sh: $plugins not built: run Protos/generate.sh --plugins" >&2
    exit 2
  fi
  configuration=${CONFIGURATION:-release}
  for plugin in $plugins; do
    swift build --package-path "$root" -c "$configuration" --product "$plugin" >&2
    # A build that found nothing to do leaves an old date.
    touch "$root/.build/$configuration/$plugin"
  done
  binaries=$root/.build/$configuration
fi
[ $mode = plugins ] && exit 0

if ! command -v protoc > /dev/null; then
  echo "generate.sh: protoc is missing: install Debian's protobuf-compiler" >&2
  exit 2
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/out"
cd "$protos"
files=$(find . -name '*.proto' | sed 's|^\./||' | sort)

protoc --proto_path=. \
  --plugin=protoc-gen-swift="$binaries/protoc-gen-swift" \
  --swift_out="$scratch/out" \
  --swift_opt=Visibility=Package --swift_opt=FileNaming=DropPath \
  --plugin=protoc-gen-grpc-swift="$binaries/protoc-gen-grpc-swift-2" \
  --grpc-swift_out="$scratch/out" \
  --grpc-swift_opt=Visibility=Package --grpc-swift_opt=FileNaming=DropPath \
  --grpc-swift_opt=Server=true --grpc-swift_opt=Client=true \
  --descriptor_set_out="$scratch/descriptors" \
  $files
# A file without a service gives an empty one.
grep -L '^import GRPCCore' "$scratch"/out/*.grpc.swift | xargs -r rm

{
  echo '// DO NOT EDIT. Written by Protos/generate.sh.'
  echo
  echo '/// The FileDescriptorSet of all .proto files, in base64, for server reflection.'
  echo 'package let descriptorSetBase64 = """'
  base64 < "$scratch/descriptors" | tr -d '\n' | fold -w 96 | sed 's|^|  |'
  echo
  echo '  """'
} > "$scratch/out/Descriptors.swift"

if [ $mode = check ]; then
  if ! diff -r "$generated" "$scratch/out" > "$scratch/difference"; then
    head -n 40 "$scratch/difference" >&2
    echo "generate.sh: Sources/Wire/Generated is not what the .proto files give:" \
      "run Protos/generate.sh" >&2
    exit 1
  fi
  echo "generate.sh: Sources/Wire/Generated is up to date"
else
  mkdir -p "$generated"
  rm -f "$generated"/*.swift
  cp "$scratch"/out/*.swift "$generated/"
  echo "generate.sh: wrote $(ls "$generated" | wc -l) files to Sources/Wire/Generated"
fi
