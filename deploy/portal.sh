#!/bin/sh
# portal COMMAND …: a command of the portal with the settings and as the user of its services.
set -eu
set -a
# shellcheck source=/dev/null
. /etc/portal/portal.env
set +a
release=${PORTAL_RELEASE:-/opt/portal/current}
umask 077
cd "$release" && exec runuser -u portal -- .venv/bin/python -m flask --app wsgi "$@"
