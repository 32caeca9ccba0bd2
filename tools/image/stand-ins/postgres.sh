#!/bin/sh
# Entry point of the stand-in for `postgres`: makes a cluster at the first start, then is the server.
set -eu
data=/var/lib/postgresql/18/docker
as_postgres() { setpriv --reuid=postgres --regid=postgres --init-groups "$@"; }
mkdir -p "$data" /var/run/postgresql
chown -R postgres:postgres /var/lib/postgresql /var/run/postgresql
chmod 700 "$data"
if [ ! -s "$data/PG_VERSION" ]; then
  if [ -n "${POSTGRES_PASSWORD:-}" ]; then
    POSTGRES_PASSWORD_FILE=$(mktemp)
    printf %s "$POSTGRES_PASSWORD" > "$POSTGRES_PASSWORD_FILE"
    chown postgres "$POSTGRES_PASSWORD_FILE"
  fi
  as_postgres initdb -D "$data" -U "$POSTGRES_USER" --pwfile="$POSTGRES_PASSWORD_FILE" --auth-host=scram-sha-256 \
    --auth-local=trust --encoding=UTF8 --locale=C.UTF-8
  [ -z "${POSTGRES_PASSWORD:-}" ] || rm "$POSTGRES_PASSWORD_FILE"
  echo 'host all all all scram-sha-256' >> "$data/pg_hba.conf"
  as_postgres pg_ctl -D "$data" -w -o "-c listen_addresses='' -c unix_socket_directories=/tmp" start
  [ "${POSTGRES_DB:=$POSTGRES_USER}" = postgres ] || as_postgres createdb -h /tmp -U "$POSTGRES_USER" "$POSTGRES_DB"
  as_postgres pg_ctl -D "$data" -m fast -w stop
fi
exec setpriv --reuid=postgres --regid=postgres --init-groups postgres -D "$data" -c listen_addresses='*' \
  -c unix_socket_directories=/var/run/postgresql,/tmp "$@"
