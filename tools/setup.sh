#!/bin/sh
# Makes a clone ready to run: Debian packages, npm packages, then everything that is built (tools/build.ts).
# Installs only what is missing; if there is nothing to do, it ends at once. It never reads standard input.
#
#   tools/setup.sh [--quiet] [--tests] [--kernel]
#
# --quiet  prints nothing if there is nothing to do
# --tests  also installs what only the tests need
# --kernel also installs what compiling the tuned kernel needs
set -eu

# What the product starts, then what builds it. `demo` and the tests put busybox into their containers.
packages="qemu-system-x86 qemu-system-common qemu-system-data iproute2 util-linux e2fsprogs erofs-utils
  gcc libc6-dev musl-tools dpkg-dev xz-utils debian-archive-keyring git busybox-static"
# The engines that the tests drive (tini for `podman run --init`), python3 for the tests of crun, and what other tests compare with.
test_packages="podman docker.io buildah tini python3
  protobuf-compiler libseccomp-dev zsh fish groff-base golang-github-opencontainers-specs-dev xfsprogs"
kernel_packages="make flex bison bc libelf-dev"
oldest_node="20.11"

say() { echo "setup: $*" >&2; }
fail() {
  say "$*"
  exit 1
}

main() {
  quiet=
  for argument in "$@"; do
    case $argument in
      --quiet) quiet=yes ;;
      --tests) packages="$packages $test_packages" ;;
      --kernel) packages="$packages $kernel_packages" ;;
      *) fail "unknown argument $argument (known: --quiet --tests --kernel)" ;;
    esac
  done
  cd "$(dirname "$0")/.."
  exec </dev/null
  umask 022
  export LC_ALL=C
  check_node
  missing=$(missing_packages)
  if [ -n "$missing" ] || ! is_current; then
    work
  elif [ -z "$quiet" ]; then
    say "everything is in place: run bin/kumite, or npm run demo"
  fi
}

work() {
  mkdir -p build
  log=$(mktemp build/setup.XXXXXX)
  running=
  trap 'clean_up' EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
  exec 9>build/setup.lock
  flock --nonblock 9 || {
    say "waiting for another set-up in this tree"
    flock 9
  }
  begun=$(date +%s)
  missing=$(missing_packages)
  if [ -n "$missing" ]; then
    install_packages
  elif [ "$(id -u)" = 0 ] && ! has_lists; then
    update_lists
  fi
  npm_current || install_npm
  if ! is_current; then
    rm -f build/setup.stamp
    before=$(sources)
    step "building the engine, the guest and the programs (the first time takes some minutes)" \
      node_modules/.bin/tsx tools/build.ts
    # Files that were edited meanwhile may or may not have been built.
    [ "$before" != "$(sources)" ] || stamp >build/setup.stamp
  fi
  say "ready after $(($(date +%s) - begun)) s: run bin/kumite, or npm run demo"
}

clean_up() {
  if [ -n "$running" ]; then
    kill "$running" 2>/dev/null || true
    wait "$running" 2>/dev/null || true
  fi
  rm -f "$log"
}

check_node() {
  command -v node >/dev/null || fail "node is missing: install Node $oldest_node or newer"
  # shellcheck disable=SC2016 # the template is JavaScript's
  node -e 'const [a, b] = process.versions.node.split(".").map(Number), [c, d] = process.argv[1].split(".").map(Number);
    if (a < c || (a === c && b < d)) process.exit(1)' "$oldest_node" ||
    fail "node is $(node --version), but $oldest_node or newer is needed"
}

missing_packages() {
  command -v dpkg-query >/dev/null || {
    echo "$packages"
    return
  }
  # shellcheck disable=SC2086 # a list
  installed=" $(dpkg-query --show --showformat '${db:Status-Status} ${Package}\n' $packages 2>/dev/null |
    sed -n 's/^installed //p' | tr '\n' ' ')"
  for package in $packages; do
    case $installed in
      *" $package "*) ;;
      *) printf '%s ' "$package" ;;
    esac
  done
}

install_packages() {
  # shellcheck source=/dev/null
  release=$(. /etc/os-release && echo "${ID:-unknown} ${VERSION_ID:-}")
  machine=$(uname -m)
  [ "$release $machine" = "debian 12 x86_64" ] ||
    refuse "this is $release on $machine, and only Debian 12 on x86_64 is set up by itself"
  [ "$(id -u)" = 0 ] || refuse "packages are missing, and only root can install them"
  export DEBIAN_FRONTEND=noninteractive
  update_lists
  step "installing ${missing% }" install_debian
}

# Old package lists name packages that the archive no longer has, and an old kernel for the guest.
update_lists() {
  tries=0
  until attempt "fetching the lists of packages" apt-get update; do
    tail -n 3 "$log" >&2
    # A host that has just booted fetches them itself, and locks them meanwhile.
    tries=$((tries + 1))
    if [ "$tries" -ge 10 ] || ! grep -q "Could not get lock" "$log"; then
      say "going on with the lists that are there"
      return
    fi
    sleep 6
  done
}

# Becomes apt-get, so that clean_up ends apt-get itself and not a shell above it.
install_debian() {
  # shellcheck disable=SC2086 # a list
  exec apt-get install --yes --no-install-recommends -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 $missing
}

# Container images of Debian come without package lists, which are needed to find the guest's kernel.
has_lists() {
  for list in /var/lib/apt/lists/*_Packages*; do
    [ ! -f "$list" ] || return 0
  done
  return 1
}

refuse() {
  say "$1"
  say "install these Debian packages, or what contains the same elsewhere:"
  # shellcheck disable=SC2086 # a list
  printf '  %s\n' $missing >&2
  say "the guest's kernel comes from Debian's linux-image-amd64, by apt-get download"
  exit 1
}

# Whether the installed npm packages match the lock file. If npm was run by hand there is no mark, so they are compared.
npm_current() {
  wanted=$(sha256sum package.json package-lock.json)
  [ "$(cat node_modules/.kumite-lock 2>/dev/null)" != "$wanted" ] || return 0
  node tools/npm-current.mjs 2>/dev/null || return 1
  echo "$wanted" >node_modules/.kumite-lock
}

install_npm() {
  command -v npm >/dev/null || fail "npm is missing: it comes with Node"
  # npm needs a cache that it can write to.
  npm_cache=${npm_config_cache:-${HOME:-/nonexistent}/.npm}
  if ! mkdir -p "$npm_cache" 2>/dev/null || [ ! -w "$npm_cache" ]; then
    export npm_config_cache="$PWD/build/npm-cache"
  fi
  # No package here needs its install script.
  step "installing npm packages" npm ci --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error
  sha256sum package.json package-lock.json >node_modules/.kumite-lock
}

# step DESCRIPTION COMMAND...: runs a command that must succeed.
step() {
  attempt "$@" || {
    cat "$log" >&2
    fail "failed: $1"
  }
}

# Runs a command with its output in $log. Output lines that begin with a builder's name are shown as progress.
attempt() {
  say "$1"
  shift
  start=$(date +%s)
  said=$start
  shown=0
  : >"$log"
  "$@" >"$log" 2>&1 9>&- &
  running=$!
  while kill -0 "$running" 2>/dev/null; do
    sleep 0.2
    now=$(date +%s)
    lines=$(grep -c '' "$log" || true)
    if [ "$lines" -gt "$shown" ]; then
      sed -n "$((shown + 1)),${lines}p" "$log" | sed -n -E "s/^(build|engine|guest): /  $((now - start)) s  /p" >&2
      shown=$lines
      said=$now
    elif [ $((now - said)) -ge 15 ]; then
      echo "  $((now - start)) s  still at it" >&2
      said=$now
    fi
  done
  ended=0
  wait "$running" || ended=$?
  running=
  return $ended
}

# Whether the last build was made from the present sources.
is_current() {
  [ -f build/setup.stamp ] && [ "$(stamp)" = "$(cat build/setup.stamp)" ]
}

stamp() {
  {
    sources
    # New lists of packages may name a newer kernel.
    ls -l --time-style=full-iso /var/lib/apt/lists build/libexec/kumite
  } 2>&1 | sha256sum
}

# Everything in the tree that determines the result of the build.
sources() {
  {
    command -v node
    node --version
    git -c safe.directory="$PWD" rev-parse HEAD
    cat build/guest-kernel || true
    find bench/floor guest-image proto src tools package.json package-lock.json tsconfig*.json \
      -type f ! -name '*.test.ts' -exec sha256sum {} + | sort -k 2
  } 2>&1 | sha256sum
}

main "$@"
