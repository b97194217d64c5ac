#!/usr/bin/env bash
# Form and chosen checks of our sources; nothing is changed.
#   setup/lint.sh all|changed      changed: what differs from the last commit, or is new
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

case ${1:-all} in
  all) mapfile -t files < <(git ls-files '*.h' '*.cc') ;;
  changed)
    mapfile -t files < <({
      git diff --name-only --diff-filter=d HEAD -- '*.h' '*.cc'
      git ls-files --others --exclude-standard -- '*.h' '*.cc'
    } | sort -u)
    ;;
  *) printf 'usage: setup/lint.sh all|changed\n' >&2; exit 64 ;;
esac
if ((${#files[@]} == 0)); then
  printf 'lint: nothing to look at\n' >&2
  exit 0
fi
failed=0
printf 'lint: clang-format on %d files\n' "${#files[@]}" >&2
printf '%s\0' "${files[@]}" | xargs -0 clang-format --dry-run -Werror || failed=1

# clang-tidy reads headers through the sources; those that this build compiles are the ones it knows.
mapfile -t sources < <(/usr/bin/python3 - "$PWD" "${files[@]}" <<'PY'
import json, os, sys
root, wanted = sys.argv[1], {os.path.join(sys.argv[1], f) for f in sys.argv[2:]}
with open(os.path.join(root, "build/dev/compile_commands.json"), encoding="utf-8") as f:
    known = {os.path.normpath(os.path.join(c["directory"], c["file"])) for c in json.load(f)}
print("\n".join(sorted(os.path.relpath(f, root) for f in wanted & known)))
PY
)
if ((${#sources[@]} > 0)) && [[ -n ${sources[0]} ]]; then
  printf 'lint: clang-tidy on %d sources\n' "${#sources[@]}" >&2
  printf '%s\0' "${sources[@]}" |
    xargs -0 -n 1 -P "${JOBS:-$(nproc)}" clang-tidy -p build/dev --quiet \
      --extra-arg=-Wno-unknown-warning-option || failed=1
fi
exit "$failed"
