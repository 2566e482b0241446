#!/bin/sh
# Brings an installed portal to the release of this bundle, without network: sh upgrade.sh
# When the new one does not migrate or does not answer, the old code and the data of before come back by themselves.
set -eu
umask 022
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=deploy/lib.sh
. "$here/lib.sh"

# Called as the nights' backups are, so that it goes with them: whoever closed the account must not stay in it for ever.
spare=$backups/portal-$(TZ=Asia/Shanghai date +%Y%m%d-%H%M)-before-$release.tar
made=""

check_upgrade() {
  [ -e "$code/current/.complete" ] || fail "No portal is installed here: use install.sh."
  old=$(readlink "$code/current")
  new=$code/releases/$release
  [ "$old" != "$new" ] || fail "Release $release is installed already."
}

open_doors() {
  # shellcheck disable=SC2086 # one word each
  systemctl enable --quiet --now $services $timers
  rm -f "$closed"
}
close_doors() {
  began=$(date +%s)
  : >"$closed"
  # shellcheck disable=SC2086 # one word each
  systemctl stop $timers $services portal-backup portal-drill
}

# Nobody has come in since the backup was made, so sessions go on as they were.
go_back() {
  trap '' INT TERM HUP
  say "going back to $old: $1"
  systemctl stop portal-web
  switch_to "$old"
  install_units "$old"
  [ -z "$made" ] || portal restore --yes --keep-sessions "$spare" >&2 ||
    fail "The backup could not be put back: nothing was opened. By hand: portal restore $spare"
  systemctl start portal-web
  answers || fail "The old release does not answer either; nothing was opened: journalctl -u portal-web"
  open_doors
  fail "The upgrade failed ($1). Everything is as before, release $old; the backup made meanwhile: $spare"
}

step() { # words, command …
  words=$1
  shift
  say "$words"
  "$@" >&2 || go_back "$words"
}
back_up() { portal backup "$spare" && made=yes; }
migrate() { PORTAL_RELEASE=$new portal db upgrade && PORTAL_RELEASE=$new portal db check; }
start_new() { switch_to "$new" && install_units "$new" && systemctl start portal-web && answers; }

# The release before stays, to look back at; older ones go.
forget_old() {
  for folder in "$code"/releases/*; do
    [ "$folder" = "$old" ] || [ "$folder" = "$new" ] || rm -rf "$folder"
  done
}

check_machine
check_upgrade
install_packages
install_release
# Started once while the old one still works: it can be, and what it makes at its first start is made.
PORTAL_RELEASE=$new portal db heads >/dev/null || fail "Release $release does not start here (above). Nothing was touched."
trap 'go_back "interrupted"' INT TERM HUP
step "closing the portal" close_doors
step "backing up" back_up
step "migrating" migrate
step "starting release $release" start_new
open_doors
trap - INT TERM HUP
forget_old
say "The portal runs release $release; it was closed for $(($(date +%s) - began)) s. The backup of before: $spare"
