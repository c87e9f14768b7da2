#!/bin/sh
# Runs all checks: sets the tree up, then lints, compares generated code, and runs all tests.
#
#   tools/test.sh [lint|unit|engine|fuzz|vm]...   default: all of them, in this order
#
# If a part fails, the others still run; the last lines of its output are repeated at the end.
set -u
cd "$(dirname "$0")/.." || exit 1
exec </dev/null

tools/setup.sh --quiet --tests || exit 1
[ $# -gt 0 ] || set -- lint unit engine fuzz vm

tsx=node_modules/.bin/tsx
logs=$(mktemp -d build/test.XXXXXX) || exit 1
trap 'rm -rf "$logs"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

run() {
  case $1 in
    lint) npm run --silent lint && $tsx tools/generate.ts --check ;;
    unit) $tsx tools/run-tests.ts unit ;;
    engine) $tsx tools/engine/run-tests.ts ;;
    # Two at a time, two and a half minutes in total. The inputs are always the same, so that a failure is due to a change.
    fuzz) $tsx fuzz/main.ts --seconds 50 --jobs 2 --seed 1 ;;
    vm) $tsx tools/run-tests.ts vm ;;
  esac
}

for part in "$@"; do
  case $part in
    lint | unit | engine | fuzz | vm) ;;
    *)
      echo "test: no such part: $part (known: lint unit engine fuzz vm)" >&2
      exit 2
      ;;
  esac
done

failed=
for part in "$@"; do
  {
    run "$part" 2>&1
    echo $? >"$logs/status"
  } | tee "$logs/$part"
  [ "$(cat "$logs/status")" = 0 ] || failed="$failed $part"
done

[ -z "$failed" ] || {
  for part in $failed; do
    echo "test: the last of $part:"
    tail -n 60 "$logs/$part"
  done
  echo "test: failed:$failed"
  exit 1
} >&2
