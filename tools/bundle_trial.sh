#!/usr/bin/env bash
# From an empty Debian without network to a running portal, by the bundle: tools/bundle_trial.sh [suite …]
# (default: bookworm trixie). Needs root, debootstrap and `make bundle` before it; some ten minutes a suite. Prints one
# table, exit code 1 when a step failed. Each suite: a minimal root with systemd is booted in namespaces of its own with
# no network but its loopback; install.sh; a page over TLS; units and nginx checked; the night's backup and drill;
# 100,000 residents; an upgrade with its downtime; an upgrade whose migration fails after it has destroyed data.
set -euo pipefail

checkout=$(cd "$(dirname "$0")/.." && pwd)
suites=${*:-bookworm trixie}
install_limit=300 # seconds
closed_limit=60

fail() { printf '✗ %s\n' "$*" >&2; exit 1; }
say() { printf '· %s %s\n' "$(date +%H:%M:%S)" "$*" >&2; }

[ "$(id -u)" -eq 0 ] || fail "tools/bundle_trial.sh needs root"
for program in debootstrap unshare nsenter git; do command -v "$program" >/dev/null || fail "missing: $program"; done
bundle=${BUNDLE:-$(find "$checkout/dist" -name 'portal-*.tar' 2>/dev/null | sort | tail -n 1)}
[ -n "$bundle" ] || fail "no bundle: make bundle"
release=$(basename "${bundle%-*.tar}") # without the architecture: the folder inside
work=$(mktemp -d "${TMPDIR:-/tmp}/bundle-trial-XXXXXX")
booted=""

finish() {
  [ -z "$booted" ] || shut_down
  if [ -n "${KEEP:-}" ]; then say "kept: $work"; else rm -rf --one-file-system "$work"; fi
}
trap finish EXIT

lines=()
failed=0
note() { lines+=("$(printf '%-46s %s' "$1" "$2")"); say "$1: $2"; }
try() { # step, command …
  local step="$suite: $1" began=$SECONDS
  shift
  if "$@" >"$work/last" 2>&1; then
    note "$step" "ok, $((SECONDS - began)) s"
  else
    note "$step" "FAILED after $((SECONDS - began)) s"
    failed=1
    tail -n 25 "$work/last" | sed 's/^/    /' >&2
  fi
}

# --- an empty Debian, booted without network ---------------------------------------------------------------------------

mirror() { # the Debian mirror of this machine
  cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2>/dev/null |
    grep -Eo '^(deb |URIs: *).*' | grep -Eo 'https?://[^ ]+/debian/?( |$)' | head -n 1 | tr -d ' '
}
empty_root() {
  debootstrap --variant=minbase --include=systemd-sysv,dbus "$suite" "$root" "${MIRROR:-$(mirror)}" &&
    : >"$root/etc/resolv.conf" && : >"$root/etc/apt/sources.list" && rm -rf "$root"/var/lib/apt/lists/*
}
boot() { # systemd as the first process of its own namespaces
  root=$root unshare --mount --propagation private --pid --fork --kill-child --net --uts --ipc --cgroup bash -c '
    set -e
    mount --bind "$root" "$root"
    mount -t proc proc "$root/proc"
    mount -t sysfs sys "$root/sys"
    mount -t cgroup2 cgroup "$root/sys/fs/cgroup"
    mount -t tmpfs run "$root/run"
    mount -t tmpfs dev "$root/dev"
    for name in null zero full random urandom tty; do touch "$root/dev/$name"; mount --bind "/dev/$name" "$root/dev/$name"; done
    mkdir "$root/dev/pts" "$root/dev/shm"
    mount -t devpts -o newinstance,ptmxmode=666 pts "$root/dev/pts"
    mount -t tmpfs shm "$root/dev/shm"
    ln -s pts/ptmx "$root/dev/ptmx"; ln -s /proc/self/fd "$root/dev/fd"
    cd "$root"; pivot_root . mnt; umount -l /mnt # no chroot: in one no unit could have users of its own (Redis has)
    container=trial exec /lib/systemd/systemd --log-target=journal --show-status=no' >"$work/boot" 2>&1 </dev/null &
  outside=$!
  local end=$((SECONDS + 60))
  while ((SECONDS < end)); do
    booted=$(pgrep -P "$outside" || true)
    [ -n "$booted" ] && [[ $(inside "systemctl is-system-running" 2>/dev/null) =~ ^(running|degraded)$ ]] && return 0
    sleep 0.5
  done
  cat "$work/boot"
  return 1
}
shut_down() {
  kill -KILL "$booted" 2>/dev/null || true
  wait "$outside" 2>/dev/null || true
  booted=""
}
inside() {
  nsenter --target "$booted" --mount --pid --net --uts --ipc --cgroup --root \
    env -i HOME=/root LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin sh -ec "cd /
$1"
}
no_network() { [ "$(inside "sed -n 's/^ *\([a-z0-9]*\):.*/\1/p' /proc/net/dev")" = lo ] && ! inside "cat /etc/apt/sources.list" | grep -q .; }

# --- what is tried -----------------------------------------------------------------------------------------------------

set_up() {
  cp "$bundle" "$root/root/bundle.tar"
  printf 'PORTAL_BASE_URL=https://portal.example\nPORTAL_PROFILE=dapeng\nTLS_CERTIFICATE=\nTLS_KEY=\n' >"$root/root/answers"
  local began=$SECONDS
  inside "cd /root && tar -xf bundle.tar && sh $release/install.sh --settings answers" && page || return 1
  echo "$((SECONDS - began)) s; allowed $install_limit"
  ((SECONDS - began <= install_limit))
}
fetch() { # path, status, words: through nginx over TLS, the certificate checked, on the loopback; for half a minute
  inside "/opt/portal/current/.venv/bin/python - '$1' '$2' '$3' <<'END'
import http.client, socket, ssl, sys, time
path, status, words = sys.argv[1:]
context = ssl.create_default_context(cafile='/etc/portal/tls/portal.pem')
for _ in range(30):
    client = http.client.HTTPSConnection('portal.example', context=context, timeout=30)
    client.sock = context.wrap_socket(socket.create_connection(('127.0.0.1', 443)), server_hostname='portal.example')
    client.request('GET', path)
    answer = client.getresponse()
    body = answer.read()
    client.close()
    if (answer.status, words.encode() in body) == (int(status), True):
        sys.exit(0)
    time.sleep(1)
sys.exit(f'{path}: {answer.status} {body[:300]}')
END"
}
page() { fetch /services 200 '</html>' && fetch /staff/login 200 '</html>' && fetch /metrics 403 ''; }
paper() { fetch "/print/venues/$(sql 'SELECT min(id) FROM venue').pdf" 200 '%PDF'; }
closed_page() {
  inside "touch /run/portal-closed"
  fetch /services 503 正在维护 && inside "rm /run/portal-closed" && page
}
again() { inside "sh /root/$release/install.sh --settings /root/answers" && page; }
units() {
  inside "systemd-analyze verify /etc/systemd/system/portal-* 2>&1" | tee "$work/verify"
  ! grep -q portal "$work/verify" &&
    inside "systemctl is-active portal-web portal-worker portal-scheduler portal-backup.timer portal-drill.timer nginx redis-server"
}
nginx_config() { inside "nginx -t 2>&1" | tee "$work/nginx" && ! grep -q warn "$work/nginx"; }
night() { inside "systemctl start portal-backup && systemctl start portal-drill && journalctl -q --no-pager -u portal-drill | tail -n 3"; }
no_restarts() { # a service that systemd had to start again would be one that its unit's bounds hinder
  inside "systemctl show -p NRestarts --value portal-web portal-worker portal-scheduler | sort -u | tr -d '\n'" | grep -qx 0
}
modes() { # nobody else reads the settings, keys and data
  inside "stat -c '%a %U:%G %n' /etc/portal/portal.env /etc/portal/audit_key /etc/portal/tls/portal.key /var/lib/portal /var/backups/portal" |
    tee "$work/modes"
  [ "$(cut -d' ' -f1,2 "$work/modes" | tr '\n' ' ')" = "640 root:portal 640 root:portal 600 root:root 700 portal:portal 700 portal:portal " ]
}
sql() { inside "cd / && runuser -u postgres -- psql --no-psqlrc -qtA -v ON_ERROR_STOP=1 portal -c \"$1\""; }
fill() {
  sql "INSERT INTO resident (phone, name, address, home_centre_id, groups, consent_version, elder_mode, quiet, created_at)
    SELECT '100' || lpad(n::text, 8, '0'), '居民' || n, '测试路' || n || '号', (SELECT max(id) FROM centre), '[]', '', false, '{}', now()
    FROM generate_series(1, 100000) n"
  sql "INSERT INTO web_session (id, audience, person_id, created_at, last_seen_at, expires_at, ended_why, address, agent)
    SELECT encode(sha256(id::text::bytea), 'hex'), 'resident', id, now(), now(), now() + interval '90 days', '', '', '' FROM resident"
  [ "$(residents)" = 100000 ]
}
residents() { sql "SELECT count(*) FROM resident"; }
marks() { # residents, the schema's version, who is signed in
  sql "SELECT count(*), md5(string_agg(phone || name, ',' ORDER BY id)) FROM resident"
  sql "SELECT version_num FROM alembic_version"
  sql "SELECT count(*) FROM web_session WHERE ended_at IS NULL"
}

later() { # name, body of its migration: a bundle as the next one would be, with the same packages
  local name=$1 folder=$root/root/$1
  cp -al "$root/root/$release" "$folder"
  rm "$folder/code.tar" "$folder/RELEASE" "$folder/SHA256SUMS"
  [ -d "$work/code-$suite" ] || git clone -q --no-hardlinks "$checkout" "$work/code-$suite"
  (
    cd "$work/code-$suite" || exit 1
    head=$(sed -n 's/^revision = "\(.*\)"/\1/p' migrations/versions/*.py | sort | tail -n 1)
    printf 'from alembic import op\nrevision = "9%s"\ndown_revision = "%s"\n\n\ndef upgrade() -> None:\n    %s\n' \
      "$head" "$head" "$2" >"migrations/versions/9${head}_trial.py"
    git add -A && git -c user.name=trial -c user.email=trial@portal.example commit -qm trial
    git archive --format=tar --output "$folder/code.tar" HEAD
  )
  echo "$name" >"$folder/RELEASE"
  (cd "$folder" && find . -type f ! -name SHA256SUMS -printf '%P\0' | sort -z | xargs -0 sha256sum >SHA256SUMS)
}
upgraded() {
  later next-good 'op.execute("UPDATE resident SET address = address")'
  inside "sh /root/next-good/upgrade.sh" 2>&1 | tee "$work/$suite.upgrade" && page &&
    [ "$(inside "readlink /opt/portal/current")" = /opt/portal/releases/next-good ] && [ "$(residents)" = 100000 ] || return 1
  closed=$(sed -n 's/.*closed for \([0-9]*\) s.*/\1/p' "$work/$suite.upgrade")
  ((closed <= closed_limit))
}
gone_back() {
  later next-bad 'with op.get_context().autocommit_block():
        op.execute("DELETE FROM resident")
    raise RuntimeError("made to fail")'
  marks >"$work/before"
  ! inside "sh /root/next-bad/upgrade.sh" || return 1
  marks >"$work/after"
  diff "$work/before" "$work/after" && page &&
    [ "$(inside "readlink /opt/portal/current")" = /opt/portal/releases/next-good ] &&
    inside "portal audit-check && systemctl is-active portal-web portal-worker portal-scheduler && [ ! -e /run/portal-closed ]"
}

for suite in $suites; do
  root=$work/$suite
  try "empty root (debootstrap)" empty_root
  try "booted" boot
  [ -n "$booted" ] || continue
  try "no network but the loopback" no_network
  try "bundle to a page that answers" set_up
  try "install.sh again changes nothing" again
  try "units: systemd-analyze verify, all active" units
  try "nginx -t without a warning" nginx_config
  try "a PDF by the worker's press, in its unit" paper
  try "the page while it is closed" closed_page
  try "modes of settings, keys, data" modes
  try "night's backup and drill by their units" night
  try "100,000 residents, all signed in" fill
  try "upgrade, page answers" upgraded
  note "$suite: closed for the upgrade" "${closed:-?} s"
  try "failing migration: old version, all data" gone_back
  try "no service was started again by itself" no_restarts
  [ -z "${SHELL_AFTER:-}" ] || { say "booted as $booted; Enter ends it"; read -r _; }
  shut_down
done
printf '\n%s\n' "${lines[@]}"
exit "$failed"
