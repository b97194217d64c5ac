# shellcheck shell=bash disable=SC2154 # sourced by setup.sh, which sets here, root, cache, work
# Debian packages. Sourced; needs say.sh and $here.

# wanted_packages prints the names in a list that apply to this machine.
wanted_packages() { # wanted_packages [LIST]
  local name condition
  while read -r name condition _; do
    [[ -z $name || $name == \#* ]] && continue
    if [[ $condition == unless:* ]] && command -v "${condition#unless:}" >/dev/null; then continue; fi
    printf '%s\n' "$name"
  done <"${1:-$here/debian-packages.txt}"
}

# missing_packages prints the wanted names that are not installed. One dpkg-query for all.
missing_packages() { # missing_packages [LIST]
  local wanted status name
  local -A installed=()
  mapfile -t wanted < <(wanted_packages "$@")
  while read -r status name; do
    [[ $status == ii* ]] && installed[$name]=1
  done < <(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' "${wanted[@]}" 2>/dev/null || true)
  for name in "${wanted[@]}"; do
    [[ -n ${installed[$name]:-} ]] || printf '%s\n' "$name"
  done
}

install_packages() { # install_packages NAME…
  local as_root=()
  local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=600)
  if ((EUID != 0)); then
    if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
      as_root=(sudo -n)
    elif command -v sudo >/dev/null && [[ -t 0 && -t 2 ]]; then
      say "      sudo will ask for your password, for apt-get and nothing else."
      sudo -v || die 69 "sudo refused"
      as_root=(sudo)
    else
      die 69 "these Debian packages are missing, and only root can install them." \
        "Ask somebody who can to run" \
        "  apt-get update && apt-get install --no-install-recommends $*" \
        "and then start this again; it needs no root after that."
    fi
  fi
  run_quietly "refreshing the package lists" "${as_root[@]}" "${apt[@]}" update ||
    say "      going on with the package lists that are there"
  run_quietly "installing $# packages" \
    "${as_root[@]}" "${apt[@]}" --no-install-recommends install "$@" ||
    die 69 "apt-get could not install: $*"
}
