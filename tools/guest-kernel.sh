#!/bin/sh
# Gives this tree's guest the tuned kernel, or Debian's again. Compiling takes 15 minutes of a processor, once for each
# version of the source and of its configuration; the cache keeps the result.
#
#   tools/guest-kernel.sh [tuned [--within SECONDS] | debian | --if-built]
#
# --within    how long compiling may take; when that is over, status 3, and nothing is changed
# --if-built  changes nothing: status 0 when the tuned kernel need not be compiled
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
