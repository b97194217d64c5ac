# shellcheck shell=bash disable=SC2154 # sourced by setup.sh, which sets here, root, cache, work
# HAProxy and nginx for the test `balancers`, unpacked and not installed. Sourced; needs packages.sh.
#
# Debian updates both, so no hash can be written down here; apt checks the packages against Debian's
# signatures. Without them everything works but that one test, so nothing here ends the set-up.

balancers_list=$here/debian-packages-balancers.txt

# wanted_balancers prints the packages to unpack; none where both programs are on this machine.
wanted_balancers() {
  skips_packages || PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin wanted_packages "$balancers_list"
}

# balancers_mark says what was unpacked, by which list, or nothing while a program is missing.
balancers_mark() {
  local name programs=()
  for name in haproxy nginx; do
    if [[ " $* " == *" $name "* ]]; then programs+=("balancers/usr/sbin/$name"); fi
  done
  (cd "$cache" 2>/dev/null && stat -L -c '%n %s %.9Y' -- "${programs[@]}" 2>/dev/null) &&
    digest_of "$balancers_list" && printf '%s\n' "$*"
}

balancers_ready() {
  local wanted
  mapfile -t wanted < <(wanted_balancers)
  ((${#wanted[@]} == 0)) && return
  [[ -f $cache/stamps/balancers ]] && [[ $(<"$cache/stamps/balancers") == "$(balancers_mark "${wanted[@]}")" ]]
}

# download_debs fetches packages into the folder it is called in. Package lists that are missing or
# too old are replaced by fresh ones of our own: the system's are for root to change.
download_debs() {
  local apt=(apt-get -q -o APT::Sandbox::User=root -o Acquire::Retries=1 -o Acquire::http::Timeout=20)
  "${apt[@]}" download "$@" && return
  mkdir -p apt/lists/partial apt/cache/archives/partial
  apt+=(-o "Dir::State::Lists=$PWD/apt/lists" -o "Dir::Cache=$PWD/apt/cache")
  "${apt[@]}" update && "${apt[@]}" download "$@"
}

unpack_balancers() { # unpack_balancers NAME…
  local deb name
  mkdir -p "$work/debs" "$work/new/balancers"
  cd "$work/debs" && download_debs "$@" || return
  for deb in ./*.deb; do
    dpkg-deb -x "$deb" "$work/new/balancers" || return
  done
  for name in haproxy nginx; do
    [[ -x $work/new/balancers/usr/sbin/$name ]] || continue
    # That it starts here is what the download was for.
    LD_LIBRARY_PATH=$work/new/balancers/usr/lib/x86_64-linux-gnu \
      "$work/new/balancers/usr/sbin/$name" -v || return
  done
}

bring_balancers() {
  local wanted
  if balancers_ready; then return; fi
  mapfile -t wanted < <(wanted_balancers)
  if ! run_quietly "fetching and unpacking ${wanted[*]}" unpack_balancers "${wanted[@]}"; then
    say "      going on without them: the test \"balancers\" will be skipped"
    return
  fi
  put_in_place "$work/new/balancers" "$cache/balancers"
  mkdir -p "$cache/stamps"
  balancers_mark "${wanted[@]}" >"$cache/stamps/balancers"
  say "      unpacked, not installed, in $(display "$cache/balancers")"
}
