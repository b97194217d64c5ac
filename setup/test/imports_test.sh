#!/usr/bin/env bash
# Proves that an inference engine cannot speak to the network by itself.
#
#   imports_test.sh LIB          fails if LIB imports a symbol to reach a network or run a program,
#                                or holds the marks of its vendor's telemetry
#   imports_test.sh --self-test  fails unless libraries with such imports or marks are caught
#
# It reads the dynamic symbol table: a symbol that is not imported cannot be called, but by
# dlopen/dlsym, which this cannot see; the sandbox of the worker is what holds then.
set -euo pipefail

forbidden_symbols='^(socket|socketpair|connect|bind|listen|accept4?|send(to|msg|mmsg)?|recv(from|msg|mmsg)?|getaddrinfo|gethostby(name2?|addr)(_r)?|res_n?(query|search)|popen|system|fork|vfork|posix_spawnp?|exec(l|le|lp|v|ve|vp|vpe)|fexecve|curl_.*|SSL_.*)$'
telemetry_marks='mobile\.events\.data|OneCollector|1DS|Microsoft\.Applications\.Telemetry|DeveloperTools/\.onnxruntime'

# imported LIB prints the names that LIB wants from others, without their versions.
imported() {
  readelf --wide --dyn-syms -- "$1" | awk '$7 == "UND" && $8 != "" { sub(/@.*/, "", $8); print $8 }' | sort -u
}

# examine LIB prints what it found; 0 clean, 1 not clean, 2 not readable as a library.
examine() {
  local lib=$1 symbols all marks bad status=0
  [[ -r $lib ]] || { echo "$lib: cannot be read"; return 2; }
  all=$(imported "$lib") || { echo "$lib: not an ELF file"; return 2; }
  [[ -n $all ]] || { echo "$lib: no imported symbols at all, so this is not what we meant to read"; return 2; }
  symbols=$(grep -cE '.' <<<"$all")
  bad=$(grep -E "$forbidden_symbols" <<<"$all" || true)
  marks=$(strings -n 8 -- "$lib" | grep -owE "$telemetry_marks" | sort -u || true)
  echo "$lib: $symbols imported symbols"
  if [[ -n $bad ]]; then
    echo "  forbidden imports: ${bad//$'\n'/ }"
    status=1
  else
    echo "  forbidden imports: none"
  fi
  if [[ -n $marks ]]; then
    echo "  telemetry marks: ${marks//$'\n'/ }"
    status=1
  else
    echo "  telemetry marks: none"
  fi
  return "$status"
}

# expect STATUS LIB WORD runs examine and wants that status, and WORD in what it prints.
expect() {
  local want=$1 lib=$2 word=$3 got=0 said
  said=$(examine "$lib" 2>&1) || got=$?
  if ((got != want)) || [[ $said != *"$word"* ]]; then
    printf 'self-test: wanted status %s and "%s", got %s:\n%s\n' "$want" "$word" "$got" "$said" >&2
    exit 1
  fi
  printf 'ok: %s -> %s (%s)\n' "$(basename "$lib")" "$got" "$word"
}

self_test() {
  local cc
  cc=$(command -v "${CC:-cc}" || command -v gcc || command -v clang) || { echo "no C compiler" >&2; exit 2; }
  dir=$(mktemp -d) # global: the trap outlives this function
  trap 'rm -rf "$dir"' EXIT
  make_lib() { # make_lib NAME SOURCE
    printf '%s\n' "$2" >"$dir/$1.c"
    "$cc" -shared -fPIC -w -o "$dir/$1.so" "$dir/$1.c"
  }
  make_lib clean 'int puts(const char*); void f(void) { puts("hello"); }'
  make_lib own_socket 'int puts(const char*); int socket(int a) { puts(""); return a; }'
  make_lib opens_socket 'int socket(int, int, int); int f(void) { return socket(2, 1, 0); }'
  make_lib looks_up 'int getaddrinfo(const char*, const char*, const void*, void**);
    int f(void** r) { return getaddrinfo("a", "b", 0, r); }'
  make_lib runs 'void* popen(const char*, const char*); void* f(void) { return popen("id", "r"); }'
  make_lib reports 'int puts(const char*); void f(void) { puts("mobile.events.data.example/OneCollector"); }'
  echo 'no library' >"$dir/text.so"
  expect 0 "$dir/clean.so" "forbidden imports: none"
  expect 0 "$dir/own_socket.so" "forbidden imports: none"
  expect 1 "$dir/opens_socket.so" "forbidden imports: socket"
  expect 1 "$dir/looks_up.so" "forbidden imports: getaddrinfo"
  expect 1 "$dir/runs.so" "forbidden imports: popen"
  expect 1 "$dir/reports.so" "telemetry marks: OneCollector"
  expect 2 "$dir/text.so" ""
  expect 2 "$dir/absent.so" "cannot be read"
}

case ${1:-} in
  --self-test) self_test ;;
  "" | -*) sed -n '2,9s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 64 ;;
  *) examine "$1" ;;
esac
