#!/bin/sh
# Sets up the portal on a bare Debian, without network: sh install.sh [--settings FILE]
# Without a file (settings.example shows one) it asks. May be run again: what is there stays.
set -eu
umask 022
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=deploy/lib.sh
. "$here/lib.sh"

# --- what is asked ---------------------------------------------------------------------------------------------------

PORTAL_BASE_URL="" PORTAL_PROFILE="" TLS_CERTIFICATE="" TLS_KEY=""
asked="PORTAL_SMS_URL PORTAL_SMS_TOKEN PORTAL_WECHAT_URL PORTAL_WECHAT_TOKEN PORTAL_METRICS_TOKEN PORTAL_SMS_PROVIDER PORTAL_SMS_KEY_ID PORTAL_SMS_KEY_SECRET PORTAL_SMS_APP_ID PORTAL_SMS_REGION PORTAL_VOICE_PROVIDER PORTAL_VOICE_URL PORTAL_VOICE_TOKEN PORTAL_VOICE_KEY_ID PORTAL_VOICE_KEY_SECRET PORTAL_VOICE_APP_ID PORTAL_VOICE_SHOWN PORTAL_WECHAT_APP_ID PORTAL_WECHAT_SECRET PORTAL_WECHAT_ENDPOINT PORTAL_WECHAT_EVENT_TOKEN PORTAL_WECHAT_AES_KEY PORTAL_RECEIPT_TOKEN PORTAL_RECEIPTS PORTAL_TEMPLATES PORTAL_SMS_RATE PORTAL_SMS_SIDE_BY_SIDE PORTAL_SMS_PRICE PORTAL_VOICE_PRICE"

read_settings() {
  case ${1:-} in
    "") ask ;;
    --settings) [ -r "${2:-}" ] || fail "The file of settings cannot be read: ${2:-none was named}"
      # shellcheck source=/dev/null
      . "$(realpath "$2")" ;;
    *) fail "Usage: sh install.sh [--settings FILE]" ;;
  esac
  site=${PORTAL_BASE_URL#https://}
  PORTAL_PROFILE=${PORTAL_PROFILE:-dapeng}
  check_settings
}
ask() {
  [ -t 0 ] || fail "Nobody can be asked here: name a file, sh install.sh --settings FILE (settings.example shows one)."
  printf 'Host name that residents open (portal.example): ' && read -r answer && PORTAL_BASE_URL=https://$answer
  printf 'Deployment, a folder of portal/profiles (dapeng): ' && read -r PORTAL_PROFILE
  printf 'Certificate with its chain, a PEM file (empty: a self-signed one is made): ' && read -r TLS_CERTIFICATE
  [ -z "$TLS_CERTIFICATE" ] || { printf 'Its key, a PEM file: ' && read -r TLS_KEY; }
}
check_settings() {
  case $PORTAL_BASE_URL in https://*) ;; *) fail "PORTAL_BASE_URL must begin with https:// (is: $PORTAL_BASE_URL)" ;; esac
  case $site in "" | *[!A-Za-z0-9.-]*) fail "PORTAL_BASE_URL: a host name, without port and path (is: $PORTAL_BASE_URL)" ;; esac
  tar -tf "$here/code.tar" | grep -qx "portal/profiles/$PORTAL_PROFILE/profile.toml" ||
    fail "PORTAL_PROFILE: there is no deployment $PORTAL_PROFILE."
  [ -z "$TLS_CERTIFICATE$TLS_KEY" ] || { [ -r "$TLS_CERTIFICATE" ] && [ -r "$TLS_KEY" ]; } ||
    fail "TLS_CERTIFICATE and TLS_KEY: name two files that can be read, or none."
  for name in $asked; do
    eval "value=\${$name:-}"
    # shellcheck disable=SC2154
    case $value in *[!A-Za-z0-9:/?=\&._~%@+-]*) fail "$name holds a character that does not belong into it." ;; esac
  done
}

# --- what is made ----------------------------------------------------------------------------------------------------

make_user() {
  getent passwd portal >/dev/null || useradd --system --home-dir "$data" --shell /usr/sbin/nologin portal
  install -d -o portal -g portal -m 700 "$data" "$backups"
  install -d -o root -g portal -m 750 "$config"
}

# The user portal comes in over the socket as itself, so there is no password that could be lost.
make_database() {
  say "PostgreSQL"
  systemctl enable --quiet --now postgresql
  in_postgres "SELECT 1 FROM pg_roles WHERE rolname = 'portal'" | grep -q 1 ||
    in_postgres "CREATE ROLE portal LOGIN CREATEDB" # CREATEDB: the drill restores into a database of its own
  in_postgres "SELECT 1 FROM pg_database WHERE datname = 'portal'" | grep -q 1 ||
    in_postgres "CREATE DATABASE portal OWNER portal ENCODING 'UTF8' LOCALE 'C.UTF-8' TEMPLATE template0"
}
in_postgres() { (cd / && runuser -u postgres -- psql --no-psqlrc --tuples-only --quiet --command "$1"); }

# Whoever writes into Redis can have the worker run anything: this machine only, and a password.
make_redis() {
  say "Redis"
  if [ ! -e /etc/redis/portal.conf ]; then
    (umask 077 && printf 'bind 127.0.0.1\nprotected-mode yes\nrequirepass %s\n' "$(openssl rand -hex 24)" >/etc/redis/portal.conf)
    chown root:redis /etc/redis/portal.conf && chmod 640 /etc/redis/portal.conf
  fi
  grep -qx 'include /etc/redis/portal.conf' /etc/redis/redis.conf || echo 'include /etc/redis/portal.conf' >>/etc/redis/redis.conf
  systemctl enable --quiet redis-server
  systemctl restart redis-server
}

write_settings() {
  [ -e "$config/audit_key" ] || (umask 077 && openssl rand -hex 32 >"$config/audit_key")
  if [ -e "$config/portal.env" ]; then
    say "$config/portal.env is there and stays as it is"
  else
    say "writing $config/portal.env"
    (umask 077 && settings >"$config/portal.env.new" && mv "$config/portal.env.new" "$config/portal.env")
  fi
  chown root:portal "$config/portal.env" "$config/audit_key"
  chmod 640 "$config/portal.env" "$config/audit_key"
}
settings() {
  cat <<END
# Read by systemd and by a shell; after a change: systemctl restart $services
DATABASE_URL=postgresql://portal@/portal?host=/run/postgresql
REDIS_URL=redis://:$(sed -n 's/^requirepass //p' /etc/redis/portal.conf)@127.0.0.1:6379/0
SECRET_KEY=$(openssl rand -hex 32)
PORTAL_AUDIT_KEY_FILE=$config/audit_key
PORTAL_PROFILE=$PORTAL_PROFILE
PORTAL_BASE_URL=$PORTAL_BASE_URL
PORTAL_TRUSTED_HOSTS=$site,127.0.0.1
PORTAL_PROXY=1
PORTAL_HTTPS=1
PORTAL_DATA_DIR=$data
PORTAL_BACKUP_DIR=$backups
END
  for name in $asked; do
    eval "value=\${$name:-}"
    [ -z "$value" ] || echo "$name=$value"
  done
}

make_certificate() {
  install -d -m 700 "$config/tls"
  if [ -n "$TLS_CERTIFICATE" ]; then
    install -m 600 "$TLS_CERTIFICATE" "$config/tls/portal.pem"
    install -m 600 "$TLS_KEY" "$config/tls/portal.key"
  elif [ ! -e "$config/tls/portal.pem" ]; then
    say "making a self-signed certificate for $site"
    case $site in *[!0-9.]*) kind=DNS ;; *) kind=IP ;; esac
    (umask 077 && openssl req -x509 -newkey rsa:2048 -nodes -days 825 -subj "/CN=$site" -addext "subjectAltName=$kind:$site" \
      -keyout "$config/tls/portal.key" -out "$config/tls/portal.pem" 2>/dev/null)
  fi
}

make_nginx() {
  say "nginx"
  if [ ! -e /etc/nginx/sites-available/portal ]; then
    sed "s/@SITE@/$site/g" "$code/current/deploy/nginx.conf" | for_this_nginx >/etc/nginx/sites-available/portal
    ln -sfn /etc/nginx/sites-available/portal /etc/nginx/sites-enabled/portal
    rm -f /etc/nginx/sites-enabled/default
  fi
  nginx -t -q || fail "nginx refuses its configuration (above)."
  systemctl enable --quiet nginx
  systemctl restart nginx
}
# Before 1.25.1 HTTP/2 is a word of `listen`; since then it is a line of its own, and that word brings a warning.
for_this_nginx() {
  version=$(nginx -v 2>&1 | sed 's|.*/||; s| .*||')
  if dpkg --compare-versions "$version" ge 1.25.1; then cat; else sed '/^ *http2 on;$/d; s/^\( *listen .*443 ssl\);/\1 http2;/'; fi
}

start() {
  say "starting"
  # shellcheck disable=SC2086 # one word each
  systemctl enable --quiet --now $services $timers
  answers || fail "The portal was set up but does not answer: journalctl -u portal-web"
}

read_settings "$@"
check_machine
[ ! -e "$code/current" ] || [ "$(readlink "$code/current")" = "$code/releases/$release" ] ||
  fail "Another release is installed here ($(readlink "$code/current")): use upgrade.sh."
install_packages
make_user
make_database
make_redis
install_release
switch_to "$code/releases/$release"
install_units "$code/current"
write_settings
say "making the tables"
portal db upgrade >&2
portal init
make_certificate
start
make_nginx
say "The portal answers at https://$site/ , staff at https://$site/staff/login"
