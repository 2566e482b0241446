# What install.sh and upgrade.sh share. POSIX sh; `here` is the unpacked bundle.
# shellcheck shell=sh disable=SC2034,SC2154  # set here and used there, and the other way round

code=/opt/portal
config=/etc/portal
data=/var/lib/portal
backups=/var/backups/portal
closed=/run/portal-closed # while this file is there nginx answers everybody with "being upgraded"
services="portal-web portal-worker portal-scheduler"
timers="portal-backup.timer portal-drill.timer"
release=$(cat "$here/RELEASE")

say() { printf '· %s %s\n' "$(date +%H:%M:%S)" "$*" >&2; }
fail() {
  printf '\n✗ %s\n' "$*" >&2
  exit 1
}

check_machine() {
  [ "$(id -u)" -eq 0 ] || fail "Run this as root."
  [ -d /run/systemd/system ] || fail "systemd does not run here; this sets up a booted Debian, not a folder."
  suite=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
  [ -d "$here/debs/$suite" ] || fail "This bundle is for: $(cd "$here/debs" && echo *). Here is ${suite:-an unknown system}."
  say "checking the bundle"
  (cd "$here" && sha256sum --quiet --check SHA256SUMS) || fail "The bundle is damaged: copy it here again."
}

# Only what is missing is installed, and only from the bundle: no other source is asked.
install_packages() {
  work=$(mktemp -d)
  mkdir -p "$work/lists/partial"
  printf 'deb [trusted=yes] file:%s ./\n' "$(printf %s "$here/debs/$suite" | sed 's/ /%20/g')" >"$work/sources.list"
  say "installing Debian packages"
  wanted=$(tar -xOf "$here/code.tar" deploy/packages.txt | grep -v '^#')
  # shellcheck disable=SC2086 # one word each
  if ! { bundle_apt update && bundle_apt install --no-install-recommends --no-upgrade $wanted; }; then
    tail -n 8 "$work/log" >&2
    fail "apt-get could not install the packages (above; whole log: $work/log)."
  fi
  rm -rf "$work"
}
bundle_apt() {
  DEBIAN_FRONTEND=noninteractive apt-get -q -y -o APT::Sandbox::User=root -o Dir::Etc::sourcelist="$work/sources.list" \
    -o Dir::Etc::sourceparts=- -o Dir::State::lists="$work/lists" -o APT::Get::List-Cleanup=0 \
    -o Dpkg::Options::=--force-confold "$@" >>"$work/log" 2>&1 </dev/null
}

# The code in a folder of its own with its own Python packages; nothing that runs is touched.
install_release() {
  target=$code/releases/$release
  [ ! -e "$target/.complete" ] || return 0
  say "putting release $release into $target"
  rm -rf "$target"
  (umask 022 && mkdir -p "$target" && tar -xf "$here/code.tar" -C "$target" --no-same-owner && install_wheels)
  touch "$target/.complete"
}
install_wheels() {
  python=$target/.venv/bin/python
  python3 -m venv "$target/.venv"
  pins=$here/requirements-$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])').txt
  PIP_CONFIG_FILE=/dev/null "$python" -m pip install --quiet --disable-pip-version-check --no-index --require-hashes \
    --no-deps --find-links "$here/wheels" --requirement "$pins"
  "$python" -m pip check --disable-pip-version-check >&2
  "$python" -m compileall -q "$target/portal" "$target/jobs" "$target/migrations" "$target/wsgi.py"
}

install_units() { # release folder
  install -m 644 "$1"/deploy/units/* /etc/systemd/system/ &&
    install -m 755 "$1/deploy/portal.sh" /usr/local/bin/portal &&
    systemctl daemon-reload
}

switch_to() { # release folder; in one step, so that there is always a current one
  ln -sfn "$1" "$code/next" && mv -T "$code/next" "$code/current"
}

# The portal itself, past nginx: the database answers, and the list of services is drawn.
answers() {
  "$code/current/.venv/bin/python" - <<'END'
import sys, time, urllib.request
why = ""
for _ in range(60):
    try:
        for page in ("readyz", "services", "staff/login"):
            assert urllib.request.urlopen(f"http://127.0.0.1:8000/{page}", timeout=10).status == 200, page
        sys.exit(0)
    except (OSError, AssertionError) as error:
        why = error
        time.sleep(0.5)
sys.exit(f"✗ The portal does not answer: {why}")
END
}
