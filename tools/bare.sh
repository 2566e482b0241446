#!/usr/bin/env bash
# From an empty Debian to a running portal, as a newcomer and an operator would: tools/bare.sh [suite …]
# (default: bookworm trixie). Needs root, debootstrap and a quarter of an hour a suite; prints one table, exit code 1 when
# a step failed. For each suite: a minimal root with make, git and ca-certificates; a clone of this checkout (what is
# committed); `make run` stopped by Ctrl-C at five moments and begun again; backup, drill, restore; each suite's backup
# restored on the other; the database of the second migration brought up to date.
#
# Mirrors, proxies and certificates are those of this machine, copied when it runs. Everything happens in a mount and
# process namespace of its own, so nothing is left running or mounted; the roots are removed (KEEP=1: not).
set -euo pipefail

checkout=$(cd "$(dirname "$0")/.." && pwd)
suites=${*:-bookworm trixie}
second_migration=7cdea0a # the last commit whose newest migration is 0002

fail() { printf '✗ %s\n' "$*" >&2; exit 1; }
say() { printf '· %s %s\n' "$(date +%H:%M:%S)" "$*" >&2; }

if [ -z "${BARE_WORK:-}" ]; then
  [ "$(id -u)" -eq 0 ] || fail "tools/bare.sh needs root"
  for program in debootstrap unshare chroot git; do command -v "$program" >/dev/null || fail "missing: $program"; done
  BARE_WORK=$(mktemp -d "${TMPDIR:-/tmp}/bare-XXXXXX")
  export BARE_WORK
  code=0
  unshare --mount --propagation private --pid --fork --kill-child "$0" "$@" || code=$?
  [ -n "${KEEP:-}" ] && say "kept: $BARE_WORK" || rm -rf --one-file-system "$BARE_WORK"
  exit "$code"
fi
work=$BARE_WORK

# --- the table -------------------------------------------------------------------------------------------------------

declare -A found
steps=()
failed=0
note() { # step, suite, words
  [[ " ${steps[*]/#/|} " == *"|$1"* ]] || steps+=("$1")
  found["$1/$2"]=$3
  say "$2: $1: $3"
}
try() { # step, suite, command …: its last line is kept for the log, its seconds for the table
  local step=$1 suite=$2 began=$SECONDS
  shift 2
  if "$@" >"$work/$suite.last" 2>&1; then
    note "$step" "$suite" "ok, $((SECONDS - began)) s"
  else
    note "$step" "$suite" "FAILED"
    failed=1
    sed 's/^/    /' "$work/$suite.last" | tail -n 15 >&2
  fi
}
table() {
  printf '\n%-52s' "step"
  for suite in $suites; do printf '%-22s' "$suite"; done
  printf '\n'
  for step in "${steps[@]}"; do
    printf '%-52s' "$step"
    for suite in $suites; do printf '%-22s' "${found[$step/$suite]:-}"; done
    printf '\n'
  done
}

# --- an empty root ---------------------------------------------------------------------------------------------------

mirror() { # the Debian mirror of this machine
  cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2>/dev/null |
    grep -Eo '^(deb |URIs: *).*' | grep -Eo 'https?://[^ ]+/debian/?( |$)' | head -n 1 | tr -d ' '
}
passed=() # variables that say how to reach mirrors and package indexes
while IFS= read -r name; do passed+=("$name=${!name}"); done \
  < <(compgen -e | grep -Ei '^(https?|no|ftp)_proxy$|^PIP_|^(SSL_CERT|REQUESTS_CA|CURL_CA|GIT_SSL)' || true)

make_root() { # suite
  local suite=$1 root=$work/$1 pair file
  debootstrap --variant=minbase --include=make,git,ca-certificates "$suite" "$root" "$(mirror)" || return 1
  echo "deb $(mirror) $suite main" >"$root/etc/apt/sources.list"
  cp -L /etc/resolv.conf /etc/hosts "$root/etc/" 2>/dev/null || true
  find /etc/apt/apt.conf.d -type f -exec grep -liE 'proxy|verify|cainfo' {} + 2>/dev/null |
    xargs -r cp -t "$root/etc/apt/apt.conf.d/" || true
  [ ! -e /etc/pip.conf ] || cp -L /etc/pip.conf "$root/etc/"
  [ ! -d /etc/xdg/pip ] || { mkdir -p "$root/etc/xdg" && cp -RL /etc/xdg/pip "$root/etc/xdg/"; }
  cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
  for pair in "${passed[@]}"; do # certificates and folders of packages that those variables name
    file=${pair#*=}
    if [[ $file == /* && -e $file && ! -e $root$file ]]; then
      mkdir -p "$root$(dirname "$file")" && cp -RL "$file" "$root$file"
    fi
  done
  mount -t proc proc "$root/proc" && mount --rbind /dev "$root/dev" && mount -t tmpfs tmpfs "$root/tmp"
  git clone -q --no-hardlinks "$checkout" "$root/srv/portal"
  git clone -q --no-hardlinks "$checkout" "$root/srv/old" && git -C "$root/srv/old" checkout -q "$second_migration"
}

inside() { # suite, command line
  # However this script was started: Ctrl-C must reach what it starts.
  env --default-signal=INT chroot "$work/$1" env -i HOME=/root LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    "${passed[@]}" PORT="$port" REDIS_PORT="$((port + 400))" PORTAL_HOST=127.0.0.1 sh -c "$2"
}
portal() { # suite, arguments of flask; DATA: another data directory, CODE: another checkout
  inside "$1" "cd ${CODE:-/srv/portal} && PORTAL_DATA_DIR=${DATA:-/srv/portal/var} /srv/portal/.venv/bin/python -m flask --app wsgi $2"
}

# --- make run, and a hand on Ctrl-C -----------------------------------------------------------------------------------

start() { # suite, [data directory]: in a process group of its own, as a terminal has it
  log=$work/$1.run
  : >"$log"
  set -m
  inside "$1" "cd /srv/portal && ${2:+PORTAL_DATA_DIR=$2} exec make run" >"$log" 2>&1 </dev/null &
  runner=$!
  set +m
}
says() { # pattern, seconds: whether make run says so
  local end=$((SECONDS + $2))
  while ((SECONDS < end)); do
    grep -q "$1" "$log" && return 0
    kill -0 "$runner" 2>/dev/null || { grep -q "$1" "$log" && return 0 || { tail -n 15 "$log"; return 1; }; }
    sleep 0.2
  done
  tail -n 15 "$log"
  return 1
}
interrupt() { # suite: Ctrl-C; everything has ended within a minute
  local suite=$1 end=$((SECONDS + 60)) process
  kill -INT -- "-$runner" 2>/dev/null || true
  wait "$runner" 2>/dev/null || true
  while ((SECONDS < end)); do
    process=""
    for process in /proc/[0-9]*; do
      [ "$(readlink "$process/root" 2>/dev/null)" = "$work/$suite" ] && break
      process=""
    done
    [ -n "$process" ] || return 0
    sleep 0.5
  done
  echo "left behind: $(tr '\0' ' ' <"$process/cmdline" 2>/dev/null)"
  return 1
}
stopped_at() { # suite, pattern, seconds after it
  start "$1"
  says "$2" 900 || { interrupt "$1"; return 1; }
  sleep "$3"
  interrupt "$1"
}
ready() { # suite: and a page is answered
  says "The portal is ready" 900 && answers "$1"
}
answers() {
  inside "$1" "/srv/portal/.venv/bin/python - <<'END'
import urllib.request
for path in ('services', 'login', 'staff/login', 'readyz'):
    assert urllib.request.urlopen(f'http://127.0.0.1:$port/{path}', timeout=30).status == 200, path
END"
}
logins() { grep -Eq 'password|密码' "$log"; }

# --- one suite --------------------------------------------------------------------------------------------------------

begin() { # suite
  local suite=$1
  try "empty root (debootstrap, clone)" "$suite" make_root "$suite"
  [ -d "$work/$suite/srv/portal" ] || return 0
  try "Ctrl-C while Debian packages come" "$suite" stopped_at "$suite" "installing Debian packages" 8
  try "Ctrl-C while Python packages come" "$suite" stopped_at "$suite" "installing Python packages" 8
  try "Ctrl-C while the database is made" "$suite" stopped_at "$suite" "bringing the database up to date" 1
  try "Ctrl-C while the demo loads" "$suite" stopped_at "$suite" "loading the demo" 5
  start "$suite"
  try "make run again: ready, pages answer" "$suite" ready "$suite"
  try "logins are printed" "$suite" logins
  try "Ctrl-C when ready" "$suite" interrupt "$suite"
  start "$suite"
  try "make run once more: ready" "$suite" ready "$suite"
  try "logins are printed again" "$suite" logins
  note "Python" "$suite" "$(inside "$suite" '/srv/portal/.venv/bin/python -V' | cut -d' ' -f2)"
  operate "$suite"
}

operate() { # suite: with the portal running
  local suite=$1
  try "backup while it runs" "$suite" portal "$suite" "backup /srv/$suite.tar"
  try "drill (every table compared)" "$suite" portal "$suite" "restore-drill /srv/$suite.tar"
  try "Ctrl-C" "$suite" interrupt "$suite"
  try "restore" "$suite" portal "$suite" "restore --yes /srv/$suite.tar"
  try "audit chain after it" "$suite" portal "$suite" "audit-check"
  start "$suite"
  try "make run after it" "$suite" ready "$suite"
  try "Ctrl-C after it" "$suite" interrupt "$suite"
  CODE=/srv/old DATA=/srv/older try "the old program: a database of migration 0002" "$suite" older "$suite"
  DATA=/srv/older try "db upgrade from it" "$suite" portal "$suite" "db upgrade"
  DATA=/srv/older try "db check: no difference left" "$suite" portal "$suite" "db check"
  DATA=/srv/older try "audit chain after the upgrade" "$suite" portal "$suite" "audit-check"
  start "$suite" /srv/older
  try "make run with it" "$suite" ready "$suite"
  try "Ctrl-C with it" "$suite" interrupt "$suite"
}
older() { portal "$1" "db upgrade" && portal "$1" "demo"; }

elsewhere() { # suite, the suite whose backup comes
  local suite=$1 from=$2
  [ -e "$work/$from/srv/$from.tar" ] || return 0
  mkdir -p "$work/$suite/srv/moved"
  cp "$work/$from/srv/$from.tar" "$work/$suite/srv/"
  DATA=/srv/moved try "restore of the other's backup" "$suite" moved "$suite" "$from"
  start "$suite" /srv/moved
  try "make run with the other's data" "$suite" ready "$suite"
  try "Ctrl-C with the other's data" "$suite" interrupt "$suite"
}
moved() { # with the key that operations.md says to keep
  cp "$work/$2/srv/portal/var/audit_key" "$work/$1/srv/moved/"
  portal "$1" "db upgrade" && portal "$1" "restore --yes /srv/$2.tar" && portal "$1" "db upgrade" && portal "$1" "audit-check"
}

port=$((18000 + RANDOM % 400))
[ -n "$(mirror)" ] || fail "no Debian mirror is named in /etc/apt"
for suite in $suites; do begin "$suite"; done
for suite in $suites; do
  for from in $suites; do [ "$suite" = "$from" ] || elsewhere "$suite" "$from"; done
done
table
exit "$failed"
