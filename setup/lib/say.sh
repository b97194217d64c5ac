# Progress for people, on stderr: plain lines in a pipe, a spinner on a terminal. Sourced.

say() { printf '%s\n' "$*" >&2; }

die() { # die CODE MESSAGE…
  local code=$1
  shift
  printf 'setup: %s\n' "$@" >&2
  exit "$code"
}

step() { # step I N TITLE
  printf '[%s/%s] %s\n' "$1" "$2" "$3" >&2
}

# run_quietly TITLE COMMAND… keeps the command's output in a file and shows its end if it fails.
run_quietly() {
  local title=$1 log started pid status=0 i=0
  shift
  log=$(mktemp "${work:-${TMPDIR:-/tmp}}/log.XXXXXX")
  started=$SECONDS
  if [[ -t 2 ]]; then
    "$@" </dev/null >"$log" 2>&1 &
    pid=$!
    while kill -0 "$pid" 2>/dev/null; do
      printf '\r      %s %s (%d s) ' "${spinner:i++%4:1}" "$title" $((SECONDS - started)) >&2
      sleep 0.2
    done
    wait "$pid" || status=$?
    printf '\r\033[K' >&2
  else
    say "      $title"
    "$@" </dev/null >"$log" 2>&1 || status=$?
  fi
  if ((status != 0)); then
    say "      $title: failed with status $status. Its last words:"
    tail -n 20 "$log" | sed 's/^/      | /' >&2
    return "$status"
  fi
  if [[ -t 2 ]]; then say "      $title: done in $((SECONDS - started)) s"; fi
}
spinner='|/-\'
