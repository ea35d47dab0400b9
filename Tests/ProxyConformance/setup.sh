#!/usr/bin/env bash
# Makes the virtualenv with the drivers the conformance tests use.
set -euo pipefail
venv="${1:-${TMPDIR:-/tmp}/borealis-proxy-venv}"
[ -x "$venv/bin/pytest" ] || python3 -m venv "$venv"
"$venv/bin/pip" install -q pytest 'psycopg[binary]' asyncpg SQLAlchemy psycopg2-binary Django PyMySQL mysql-connector-python cryptography
echo "$venv"
