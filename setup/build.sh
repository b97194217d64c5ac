#!/usr/bin/env bash
# Configures where that is needed and builds, with the compiler's cache beside the other caches.
#   setup/build.sh PRESET [TARGET…]      into build/PRESET; presets are in CMakePresets.json
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
cd "$root"
preset=${1:?usage: setup/build.sh PRESET [TARGET…]}
shift
build=build/$preset
cache=${ENSCONCE_CACHE:-$root/.cache}
[[ $cache == /* ]] || cache=$PWD/$cache
export CCACHE_DIR=${CCACHE_DIR:-$cache/ccache}
# Paths below the checkout count as relative, so that another checkout of the same sources is a hit.
export CCACHE_BASEDIR=${CCACHE_BASEDIR:-$root} CCACHE_NOHASHDIR=1
export NINJA_STATUS="[%f/%t, %e s] "

# ninja itself configures again when a CMakeLists.txt changes; it does not know of the presets, nor
# of a cache that moved.
stamp=$build/configured
wanted="$root $cache $(sha256sum <CMakePresets.json)"
if [[ ! -f $build/build.ninja || $(cat "$stamp" 2>/dev/null) != "$wanted" ]]; then
  printf 'configuring %s\n' "$build" >&2
  # A checkout that was moved leaves a cache that names its old place.
  if [[ -f $build/CMakeCache.txt ]] &&
    ! grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$root" "$build/CMakeCache.txt"; then
    rm -rf "$build/CMakeCache.txt" "$build/CMakeFiles"
  fi
  cmake --preset "$preset" -DORT_ROOT="$cache/onnxruntime" -Wno-dev >/dev/null
  printf '%s\n' "$wanted" >"$stamp"
fi
printf 'building %s\n' "$build" >&2
exec ninja -C "$build" -j "${JOBS:-$(nproc)}" "$@"
