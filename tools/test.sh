#!/bin/sh
# Everything that must hold: sets the tree up, then lints, compares generated code, and runs all tests.
#
#   tools/test.sh [lint|unit|engine|fuzz|vm]...   default: all of them, in this order
#
# A failing part does not keep the others from running; what failed is told at the end.
set -u
cd "$(dirname "$0")/.." || exit 1
exec </dev/null

tools/setup.sh --quiet --tests || exit 1
[ $# -gt 0 ] || set -- lint unit engine fuzz vm

tsx=node_modules/.bin/tsx
failed=
for part in "$@"; do
  case $part in
    lint) npm run --silent lint && $tsx tools/generate.ts --check ;;
    unit) $tsx tools/run-tests.ts unit ;;
    engine) $tsx tools/engine/run-tests.ts ;;
    # Two at a time, two minutes and a half together.
    fuzz) $tsx fuzz/main.ts --seconds 50 --jobs 2 ;;
    vm) $tsx tools/run-tests.ts vm ;;
    *)
      echo "test: no such part: $part (known: lint unit engine fuzz vm)" >&2
      exit 2
      ;;
  esac || failed="$failed $part"
done

[ -z "$failed" ] || {
  echo "test: failed:$failed" >&2
  exit 1
}
