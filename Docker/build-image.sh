#!/usr/bin/env bash
# Builds the image `intertie` from the command that `make build` has built here: the program, the
# libraries that it is linked with, and nothing else. No base image, and no network.
#
#   build-image.sh [BUILDER]
#
# BUILDER is docker, podman or buildah; unless told, the first of them that works. IMAGE is the
# image's name (intertie). Buildah gets its storage from STORAGE, if that is set (a folder), and
# needs neither a daemon nor user namespaces.
set -euo pipefail
export LC_ALL=C.UTF-8

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
release=$(cd "$here/.." && pwd)/.build/release
program=$release/intertie
image=${IMAGE:-intertie}
[ -x "$program" ] || { echo "build-image.sh: $program is not built: run make build" >&2; exit 1; }

# With chroot and plain copies, so that it works in a container and without privileges.
buildah=(buildah --storage-driver vfs)
[ -z "${STORAGE:-}" ] || buildah+=(--root "$STORAGE/root" --runroot "$STORAGE/run")

works() {
  case $1 in
    docker | podman) "$1" info > /dev/null 2>&1 ;;
    buildah) "${buildah[@]}" images > /dev/null 2>&1 ;;
    *) echo "build-image.sh: no builder '$1'" >&2; exit 64 ;;
  esac
}

builder=${1:-}
if [ -z "$builder" ]; then
  for candidate in docker podman buildah; do
    if works $candidate; then builder=$candidate; break; fi
  done
fi
if [ -z "$builder" ] || ! works "$builder"; then
  echo "build-image.sh: ${builder:-none of docker, podman and buildah} works here" >&2
  exit 69
fi

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir -p "$root/files/usr/local/bin" "$root/files/var/lib/intertie" "$root/files/tmp" \
  "$root/files/etc/intertie"
# Whoever the container runs as may write there: a new volume takes over these rights.
chmod 1777 "$root/files/var/lib/intertie" "$root/files/tmp"
cp "$program" "$root/files/usr/local/bin/intertie"
cp -R "$release/intertie_intertie.resources" "$root/files/usr/local/bin/"
# Without what only a debugger reads: a third of the size.
if command -v strip > /dev/null; then strip --strip-debug "$root/files/usr/local/bin/intertie"; fi

# The libraries go where the program looks for them; the loader among them, without an arrow.
ldd "$program" | grep -oE '/[^ ]+' | sort -u > "$root/libraries"
while read -r library; do
  mkdir -p "$root/files$(dirname "$library")"
  cp -L "$library" "$root/files$library"
done < "$root/libraries"

cat > "$root/Dockerfile" << 'END'
FROM scratch
COPY files /
ENV PATH=/usr/local/bin
USER 10001:10001
VOLUME /var/lib/intertie
EXPOSE 7411 7412 7413 9411
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/intertie"]
CMD ["node", "--genesis=/etc/intertie/genesis.json", "--key=/etc/intertie/node.key", \
     "--passphrase-file=/etc/intertie/passphrase", "--data=/var/lib/intertie", \
     "--listen=0.0.0.0:7411"]
END

case $builder in
  docker) docker build --quiet --tag "$image" "$root" ;;
  podman) podman build --quiet --tag "$image" "$root" ;;
  buildah)
    "${buildah[@]}" bud --isolation chroot --format docker --quiet --tag "$image" "$root"
    ;;
esac
echo "built $image with $builder"
