# shellcheck shell=bash disable=SC2154 # sourced by setup.sh, which sets here, root, cache, work
# Progress for people, on stderr: plain lines in a pipe, a spinner on a terminal. Sourced.

say() { printf '%s\n' "$*" >&2; }

die() { # die CODE MESSAGE…
  local code=$1
  shift
  printf 'setup: %s\n' "$1" >&2
  shift
  if (($# > 0)); then printf '       %s\n' "$@" >&2; fi
  exit "$code"
}

step() { # step I N TITLE
  printf '[%s/%s] %s\n' "$1" "$2" "$3" >&2
}

spinner=("|" "/" "-" "\\")
running= # process group of the command behind the spinner

# stop_running ends that command with us: behind a spinner it would not hear Ctrl-C itself. npm
# takes its time over SIGTERM while it still writes; it works in a scratch folder, so it may be
# killed. apt-get (which runs before there is a scratch folder) may not.
stop_running() {
  local group=$running tries
  running=
  [[ -n $group ]] || return 0
  kill -TERM -- "-$group" 2>/dev/null || return 0
  [[ -n ${work:-} ]] || return 0
  for ((tries = 0; tries < 10; tries++)); do
    kill -0 -- "-$group" 2>/dev/null || return 0
    sleep 0.1
  done
  kill -KILL -- "-$group" 2>/dev/null || true
  sleep 0.1
}

# run_quietly TITLE COMMAND… keeps the command's output in a file and shows its end if it fails.
run_quietly() {
  local title=$1 log started status=0 i=0
  shift
  log=$(mktemp "${work:-${TMPDIR:-/tmp}}/log.XXXXXX")
  started=$SECONDS
  if [[ -t 2 ]]; then
    set -m
    "$@" </dev/null >"$log" 2>&1 &
    running=$!
    set +m
    while kill -0 "$running" 2>/dev/null; do
      printf '\r      %s %s (%d s) ' "${spinner[i++ % 4]}" "$title" $((SECONDS - started)) >&2
      sleep 0.2
    done
    wait "$running" || status=$?
    running=
    printf '\r\033[K' >&2
  else
    say "      $title"
    "$@" </dev/null >"$log" 2>&1 || status=$?
  fi
  if ((status != 0)); then
    say "      $title: failed with status $status. Its last words:"
    tail -n 20 "$log" | sed 's/^/      | /' >&2
    rm -f "$log"
    return "$status"
  fi
  rm -f "$log"
  if [[ -t 2 ]]; then say "      $title: done in $((SECONDS - started)) s"; fi
}
