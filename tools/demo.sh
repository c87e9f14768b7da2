#!/bin/sh
# Shows containers in virtual machines: a greeting from inside, a command's output and exit status, and a shell if standard
# input is a terminal. Sets the tree up first; leaves nothing behind.
set -eu

here=$(cd "$(dirname "$0")/.." && pwd -P)
kumite=$here/bin/kumite
id=demo-$$
work=

say() { echo "demo: $*"; }

clean_up() {
  [ -n "$work" ] || return 0
  "$kumite" --root "$work/state" delete --force "$id" >/dev/null 2>&1 </dev/null || true
  # If a mount was left behind, the demo must not remove what is mounted there.
  rm -rf --one-file-system "$work"
}

main() {
  "$here/tools/setup.sh" --quiet
  [ "$(id -u)" = 0 ] || {
    say "only root can start containers: run it as root" >&2
    exit 1
  }
  trap clean_up EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
  work=$(mktemp -d)
  make_bundle

  say "a greeting from a container in its own virtual machine"
  # shellcheck disable=SC2016 # expanded inside
  run false 'echo "Hello from inside, Linux $(uname -r) on $(hostname)."' </dev/null
  echo "This is outside, Linux $(uname -r) on $(uname -n)."

  say "a command's output and its exit status"
  status=0
  run false 'grep -E "^Mem(Total|Available)" /proc/meminfo; ps; exit 42' </dev/null || status=$?
  echo "exit status: $status"
  [ "$status" = 42 ] || {
    say "the exit status should have been 42" >&2
    exit 1
  }

  if [ -t 0 ]; then
    say "a shell: leave it with exit or Ctrl-D"
    run true 'exec sh -i' || true
  fi
  say "done"
}

# A bundle as engines make it: a directory with config.json and a root file system, here only busybox.
make_bundle() {
  rootfs=$work/bundle/rootfs
  mkdir -p "$rootfs/bin" "$rootfs/dev" "$rootfs/etc" "$rootfs/proc" "$rootfs/root" "$rootfs/sys" "$rootfs/tmp"
  cp "$(command -v busybox)" "$rootfs/bin/busybox"
  for applet in $("$rootfs/bin/busybox" --list); do
    [ "$applet" = busybox ] || ln -s busybox "$rootfs/bin/$applet"
  done
  echo 'root:x:0:0:root:/root:/bin/sh' >"$rootfs/etc/passwd"
  "$kumite" spec --bundle "$work/bundle"
}

# run TERMINAL SCRIPT: runs a container in the foreground, and returns its exit status.
run() {
  # shellcheck disable=SC2016 # the template is JavaScript's
  node -e 'const fs = require("node:fs"), [file, terminal, script] = process.argv.slice(1);
    const config = JSON.parse(fs.readFileSync(file));
    Object.assign(config.process, { terminal: terminal === "true", args: ["/bin/sh", "-c", script] });
    fs.writeFileSync(file, JSON.stringify(config));' "$work/bundle/config.json" "$1" "$2"
  "$kumite" --root "$work/state" run --bundle "$work/bundle" "$id"
}

main
