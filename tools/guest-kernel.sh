#!/bin/sh
# Selects the tuned kernel or Debian's for this tree's guest. Compiling takes 15 minutes of CPU time, once for each
# version of the source and of its configuration; the cache keeps the result.
#
#   tools/guest-kernel.sh [tuned [--within SECONDS] | debian | --if-built]
#
# --within    limits the time for compiling; if it is not enough, the status is 3 and nothing is changed
# --if-built  only checks: status 0 if the tuned kernel need not be compiled
set -eu
cd "$(dirname "$0")/.."

case ${1:-tuned} in
  tuned) tools/setup.sh --quiet --kernel ;;
  *) tools/setup.sh --quiet ;;
esac
node_modules/.bin/tsx tools/guest-kernel.ts "$@"
case ${1:-tuned} in
  --*) ;;
  *) exec tools/setup.sh --quiet ;;
esac
