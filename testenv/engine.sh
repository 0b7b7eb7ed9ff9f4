#!/usr/bin/env bash
# engine.sh run CMD ARGS...   runs CMD with a Docker Engine in reach
# engine.sh check             says in one line what cannot be tested here
# engine.sh have PACKAGE...   installs what is missing of them, as root on Debian
#
# An Engine that answers already (DOCKER_HOST, or the usual socket) is used as it
# is. Otherwise, as root on Debian, what is missing is installed and an Engine of
# our own is started, its state in a folder of its own. CMD finds it by DOCKER_HOST.
# Two Engines in one network namespace would fight for docker0 and the firewall's
# chains, so runs at the same time share one: the last one out stops it.
set -euo pipefail

dir=/run/bayplan-testenv
ours=unix://$dir/docker.sock
# What tests need beside an Engine; each of them says so where it is not there.
others=(iptables iproute2 openssh-client openssh-server git gpg gpg-agent ca-certificates openjdk-17-jre-headless)
packages=(docker.io "${others[@]}")

say() { echo "engine.sh: $*" >&2; }
answers() { timeout 5 docker -H "$1" version >/dev/null 2>&1; }

# why_not prints why no Engine can be had here; nothing where there is one.
why_not() {
  if answers "${DOCKER_HOST:-unix:///var/run/docker.sock}"; then return; fi
  if [ "$(id -u)" != 0 ]; then echo "not root"; elif [ ! -e /etc/debian_version ]; then echo "not Debian"; fi
}

# install_missing PACKAGE...
install_missing() {
  local p missing=() apt=(env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get -qq -o DPkg::Lock::Timeout=120)
  for p in "$@"; do
    dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null | grep -qx installed || missing+=("$p")
  done
  if [ ${#missing[@]} = 0 ]; then return; fi
  say "installing ${missing[*]}" # RUNLEVEL=1: a service that comes along is not started
  if ! { "${apt[@]}" update && "${apt[@]}" install -y --no-install-recommends "${missing[@]}"; } >"$dir/apt.log" 2>&1; then
    say "apt-get: $(tail -n 3 "$dir/apt.log")"
    return 1
  fi
}

# start brings our Engine up; setsid keeps the terminal's Ctrl-C from reaching it
# before its containers are gone.
start() {
  local state
  halt # what a killed run may have left
  state=$(mktemp -d "${TMPDIR:-/tmp}/bayplan-engine.XXXXXX")
  ln -sfn "$state" "$dir/state"
  setsid dockerd -H "$ours" --data-root "$state/data" --exec-root "$state/exec" --pidfile "$state/dockerd.pid" \
    >"$state/log" 2>&1 </dev/null 8>&- 9>&- &
  echo $! >"$state/pid"
  for _ in {1..300}; do
    if answers "$ours"; then return; fi
    if ! kill -0 $! 2>/dev/null; then break; fi
    sleep 0.1
  done
  say "dockerd did not come up: $(tail -n 3 "$state/log")"
  return 1
}

# halt stops our Engine with its containers and removes its state.
halt() {
  local state pid
  state=$(readlink "$dir/state") || return 0
  pid=$(cat "$state/pid" 2>/dev/null || true)
  if [ -n "$pid" ] && tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF "$state/data"; then
    docker -H "$ours" ps -aq 2>/dev/null | timeout 30 xargs -r docker -H "$ours" rm -f >/dev/null 2>&1 || true
    kill "$pid" || true
    timeout 30 tail --pid="$pid" -f /dev/null || kill -9 "$pid" || true
  fi
  grep -F "$state/" /proc/self/mounts | cut -d' ' -f2 | sort -r | xargs -r umount -l || true
  rm -rf "$state" "$dir/state" "$dir/docker.sock"
}

# enter and leave are gone through one run at a time (lock 8); lock 9 is shared
# by all who use the Engine. CMD and the Engine inherit neither.
enter() {
  mkdir -p "$dir"
  exec 8>"$dir/door" 9>"$dir/users"
  flock 8
  trap leave EXIT
  trap 'exit 130' INT TERM HUP
  install_missing "${packages[@]}"
  flock -s 9
  if ! answers "$ours"; then start; fi
  flock -u 8
  export DOCKER_HOST=$ours
}
leave() {
  trap '' INT TERM HUP
  flock 8
  if flock -xn 9; then halt; fi
}

# have goes without what cannot be had: who needs it says so.
have() {
  if [ "$(id -u)" != 0 ] || [ ! -e /etc/debian_version ]; then return; fi
  mkdir -p "$dir"
  exec 8>"$dir/door"
  flock 8
  install_missing "$@" || true
  flock -u 8
}

# run outlives CMD. Ctrl-C reaches CMD by itself; TERM and HUP are passed on, and
# each ends a wait early.
run() {
  local pid code=0
  (trap - INT QUIT && exec "$@") <&3 8>&- 9>&- &
  pid=$!
  trap '' INT QUIT
  trap 'kill -TERM $pid 2>/dev/null || true' TERM HUP
  wait "$pid" || code=$?
  while kill -0 "$pid" 2>/dev/null; do wait "$pid" || code=$?; done
  return "$code"
}

reason=$(why_not)
case "${1-}:$reason" in
have:*) have "${@:2}" ;;
check:) say "a Docker Engine is here or can be started: no test needs to be left out (the long ones, of whole clusters, run by make e2e)" ;;
check:*) say "no Docker Engine answers and none can be started ($reason): tests that need one are left out, and most of make e2e" ;;
run:*)
  exec 3<&0
  if [ -n "$reason" ]; then say "no Docker Engine answers and none can be started ($reason): engine tests are skipped"
  else
    if answers "${DOCKER_HOST:-unix:///var/run/docker.sock}"; then have "${others[@]}"; else enter; fi
    export BAYPLAN_TEST_ENGINE=required # a test that finds no Engine fails
  fi
  run "${@:2}" ;;
*) sed -n '2,4s/^# //p' "$0" >&2 && exit 64 ;;
esac
