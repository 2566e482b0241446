#!/bin/sh
# Brings a fresh Debian or Ubuntu machine to where `make run` (setup.sh run) or `make test` (setup.sh test) can work:
# system packages that are missing, then a virtual environment with the pinned Python packages.
# POSIX sh, because nothing else may be there yet. A second run finds the stamp and is over at once.
set -eu

mode=${1:-run}
cd "$(dirname "$0")/.."

say() { printf '· %s\n' "$*" >&2; }
fail() { printf '\n✗ %s\n' "$*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

case $mode in
  run) requirements=requirements.txt ;;
  lint | test) requirements=requirements-dev.txt ;;
  *) fail "tools/setup.sh: unknown mode '$mode' (run, lint or test)" ;;
esac

# One bootstrap at a time: `make run` and `make test` may be started together on a new clone.
if [ -z "${PORTAL_SETUP_LOCKED:-}" ] && have flock; then
  PORTAL_SETUP_LOCKED=1 exec flock .venv.lock sh tools/setup.sh "$mode"
fi

# --- Debian packages -------------------------------------------------------------------------------------------------

installed() { dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q 'ok installed'; }

# A Python new enough that can also make virtual environments (Debian ships ensurepip apart, in python3-venv).
good_python() {
  "$1" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}
find_python() {
  for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.11; do
    if have "$candidate" && good_python "$candidate"; then command -v "$candidate"; return; fi
  done
  return 1
}
python_packages() {
  # Ubuntu 22.04's python3 is 3.10, but 3.11 stands beside it.
  case $(apt-cache policy python3 2>/dev/null | sed -n 's/.*Candidate: *//p') in
    3.[0-9].* | 3.10.*) echo "python3.11 python3.11-venv" ;;
    *) echo "python3 python3-venv" ;;
  esac
}

# Ubuntu has no chromium package outside its snap store; there Playwright fetches its own build (below).
ubuntu() { grep -qs '^ID=ubuntu' /etc/os-release; }
have_browser() { have chromium || have chromium-browser || have google-chrome; }

missing=""
need() { missing="$missing $*"; }
list_missing() {
  missing=""
  [ -x .venv/bin/python ] && good_python .venv/bin/python || find_python >/dev/null || need "$(python_packages)"
  [ "$mode" != lint ] || return 0
  for package in libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 fonts-noto-cjk; do
    installed "$package" || need "$package"
  done
  # A Redis elsewhere is as good for running; the tests stop and kill their own.
  if [ "$mode" = test ] || [ -z "${REDIS_URL:-}" ]; then have redis-server || need redis-server; fi
  [ "$mode" = test ] || return 0
  have initdb || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || need postgresql
  have_browser || ubuntu || need chromium
  have pdftotext || need poppler-utils
}

apt() { $sudo env DEBIAN_FRONTEND=noninteractive apt-get -q -y "$@" >"$apt_log" 2>&1; }
known() { for package in $missing; do apt-cache show "$package" >/dev/null 2>&1 || return 1; done; }

install_missing() {
  command_line="apt-get update && apt-get install -y --no-install-recommends$missing"
  have apt-get || fail "Missing:$missing. This is not Debian or Ubuntu: install what corresponds, then run 'make $mode' again."
  sudo=""
  if [ "$(id -u)" -ne 0 ]; then
    # With a terminal sudo may ask for the password; without one it must not hang.
    if have sudo && { sudo -n true 2>/dev/null || { [ -t 0 ] && [ -t 2 ] && sudo -v; }; }; then
      sudo="sudo"
    else
      if have sudo; then as_root="sudo sh -c"; else as_root="su -c"; fi
      fail "Missing:$missing. Installing them needs root. Run this once, then 'make $mode' again:
    $as_root '$command_line'"
    fi
  fi
  apt_log=$(mktemp)
  say "installing Debian packages:$missing"
  known || { say "refreshing the package lists"; apt update || true; }
  # A list that is only a little old points to files that are gone: refresh once and try again.
  apt install --no-install-recommends $missing || { apt update || true; apt install --no-install-recommends $missing; } || {
    tail -n 5 "$apt_log" >&2
    fail "apt-get could not install:$missing (whole log: $apt_log). Run it by hand, then 'make $mode' again:
    $command_line"
  }
  rm -f "$apt_log"
}

# Two rounds: only after the first has the package lists can it be known that python3 itself is too old.
list_missing
for round in 1 2; do
  [ -n "$missing" ] || break
  install_missing
  list_missing
done
[ -z "$missing" ] || fail "Still missing after the installation:$missing"

# --- the virtual environment -----------------------------------------------------------------------------------------

wanted=$(cat requirements.txt requirements-dev.txt | sha256sum | cut -d' ' -f1)
usable() { [ -x .venv/bin/python ] && good_python .venv/bin/python; }
stamped() { [ -f ".venv/installed-$1" ] && [ "$(cat ".venv/installed-$1")" = "$wanted" ]; }

make_environment() {
  if ! usable; then
    python=$(find_python) || fail "No Python 3.11 or newer was found."
    [ ! -e .venv ] || say ".venv does not work here (moved, or its Python is gone): making it anew"
    rm -rf .venv
    say "making .venv with $("$python" --version)"
    "$python" -m venv .venv || fail "$python could not make a virtual environment."
  fi
  say "installing Python packages from $requirements (the first time takes a minute or two)"
  pip_log=.venv/pip.log
  if ! .venv/bin/python -m pip install --disable-pip-version-check -q -r "$requirements" >"$pip_log" 2>&1; then
    grep -v '^WARNING' "$pip_log" | tail -n 5 >&2
    fail "pip could not install the Python packages (whole log: $pip_log). Is a package index reachable? Then run 'make $mode' again."
  fi
  printf '%s\n' "$wanted" >".venv/installed-$requirements"
  say "Python packages are in place"
}

usable && { stamped "$requirements" || stamped requirements-dev.txt; } || make_environment

if [ "$mode" = test ] && ! have_browser && ubuntu && [ ! -e .venv/installed-browser ]; then
  say "fetching Chromium for the browser tests"
  .venv/bin/python -m playwright install --with-deps chromium >&2 ||
    fail "Playwright could not fetch Chromium. Install a chromium or google-chrome by hand, then run 'make test' again."
  touch .venv/installed-browser
fi
