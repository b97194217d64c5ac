# shellcheck shell=bash disable=SC2154 # sourced by setup.sh, which sets here, root, cache, work
# Files kept in the cache, and how we know them. Sourced; needs say.sh, $here, $root and $cache.
#
# artifacts.sha256 says what each file must be. Reading 80 MB on every start would take half a
# second, so a stamp remembers what was read: the hashes of the lists that led to the files, and
# their sizes and times. A stamp that no longer fits is not an error; the files are read again.

# listed PREFIX… prints the lines of artifacts.sha256 whose path starts with one of the prefixes.
listed() {
  local hash path prefix
  while read -r hash path; do
    for prefix in "$@"; do
      if [[ $path == "$prefix"/* ]]; then printf '%s  %s\n' "$hash" "$path"; fi
    done
  done <"$here/artifacts.sha256"
}

# proven DIR PREFIX… succeeds if every listed file lies below DIR with the listed hash.
proven() {
  local dir=$1
  shift
  [[ -d $dir ]] && (cd "$dir" && listed "$@" | sha256sum --check --strict --status 2>/dev/null)
}

# explain DIR PREFIX… prints a line for each listed file that is not as listed.
explain() {
  local dir=$1
  shift
  [[ -d $dir ]] || { say "      $dir is not there"; return 0; }
  (
    cd "$dir" || exit
    listed "$@" | sha256sum --check --strict --quiet 2>/dev/null || true
  ) | sed 's/^/      /' >&2
}

# fingerprint PREFIX… prints size and time of each listed file, fast.
fingerprint() {
  local paths
  mapfile -t paths < <(listed "$@" | cut -d' ' -f3-)
  (cd "$cache" 2>/dev/null && stat -L -c '%n %s %.9Y' -- "${paths[@]}" 2>/dev/null) || true
}

digest_of() { # digest_of FILE…
  sha256sum -- "$@" | cut -d' ' -f1 | sha256sum | cut -d' ' -f1
}

# stamped NAME SOURCES PREFIX… succeeds if the stamp still fits.
stamped() {
  local name=$1 sources=$2
  shift 2
  [[ -f $cache/stamps/$name ]] &&
    [[ $(<"$cache/stamps/$name") == "$sources"$'\n'"$(fingerprint "$@")" ]]
}

write_stamp() { # write_stamp NAME SOURCES PREFIX…
  local name=$1 sources=$2
  shift 2
  mkdir -p "$cache/stamps"
  printf '%s\n%s\n' "$sources" "$(fingerprint "$@")" >"$work/stamp"
  mv -f "$work/stamp" "$cache/stamps/$name"
}

# put_in_place NEW OLD swaps a finished directory in, unless the old one is the same already:
# then its times stay, and nothing is rebuilt.
put_in_place() {
  local new=$1 old=$2
  if [[ -d $old ]] && diff -r --no-dereference -q "$new" "$old" >/dev/null 2>&1; then
    rm -rf "$new"
    return
  fi
  mkdir -p "$(dirname "$old")"
  if [[ -e $old ]]; then mv -T "$old" "$work/replaced.$RANDOM"; fi
  mv -T "$new" "$old"
}
