#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Runs under the shim: starts PostgreSQL on $1 with its sockets in $2, does the work named by the remaining
# arguments, and stops it cleanly. Clients run without the shim, as they do in a deployment.
set -e
data=$1 sock=$2
shift 2
bin=${PG_BIN:-/usr/lib/postgresql/15/bin}
client() { env -u LD_PRELOAD -u BOREALIS_RING PGHOST="$sock" PGUSER=postgres "$@"; }
"$bin/postgres" -D "$data" -k "$sock" -c listen_addresses= -c full_page_writes=off -c wal_recycle=off \
    -c wal_init_zero=off -c dynamic_shared_memory_type=posix -c restart_after_crash=off -c max_wal_size=256MB \
    -c checkpoint_timeout=30s -c allow_in_place_tablespaces=on -c shared_buffers="${PG_BUFFERS:-32MB}" \
    -c log_min_messages=warning -c autovacuum_naptime=5s -c max_prepared_transactions=4 $PG_OPTIONS >"$sock/server.log" 2>&1 &
server=$!
trap 'kill -QUIT $server 2>/dev/null || true' EXIT
tries=0
until client "$bin/pg_isready" -q; do
    tries=$((tries + 1))
    if [ $tries -gt 200 ] || ! kill -0 $server 2>/dev/null; then
        cat "$sock/server.log" >&2
        exit 1
    fi
    sleep 0.1
done
for work in "$@"; do
    case $work in
    pgbench-init) client "$bin/pgbench" -q -i -s 3 postgres >/dev/null 2>&1 ;;
    pgbench) client "$bin/pgbench" -n -c 4 -j 1 -T ${PG_SECONDS:-4} postgres >"$sock/pgbench.log" 2>&1 || { cat "$sock/pgbench.log" >&2; exit 1; } ;;
    forever) client "$bin/pgbench" -n -c 4 -j 1 -T ${PG_SECONDS:-4}0 postgres >/dev/null 2>&1 || true ;;
    sums)
        client psql -qAt postgres -c "select 'sums ' || case when a = t and t = b and b = h then 'equal' else 'DIFFER' end from
            (select sum(abalance) a from pgbench_accounts) a, (select sum(tbalance) t from pgbench_tellers) t,
            (select sum(bbalance) b from pgbench_branches) b, (select coalesce(sum(delta), 0) h from pgbench_history) h" >"$sock/sums"
        grep -q equal "$sock/sums" || { cat "$sock/sums" >&2; exit 1; } ;;
    ddl)
        client psql -qAt -v ON_ERROR_STOP=1 postgres >"$sock/ddl.log" 2>&1 <<'SQL' || { cat "$sock/ddl.log" >&2; exit 1; }
create tablespace inside location '';
create database other tablespace inside;
create database second;
create table t (id int primary key, v text) tablespace inside;
insert into t select g, repeat('x', g % 500) from generate_series(1, 20000) g;
create index on t (v);
create index on t using gin (to_tsvector('simple', v));
delete from t where id % 3 = 0;
vacuum t;
vacuum full t;
alter table t set tablespace pg_default;
create unlogged table u as select generate_series(1, 5000) g;
create temporary table tt as select generate_series(1, 100) g;
truncate t;
insert into t select g, md5(g::text) from generate_series(1, 5000) g;
delete from t where id > 100;
vacuum (truncate) t;
cluster t using t_pkey;
select lo_from_bytea(0, decode(repeat('ab', 100000), 'hex'));
begin; insert into t values (1000001, 'p'); prepare transaction 'p'; commit prepared 'p';
create materialized view m as select count(*) from t;
drop database second;
alter database other rename to third;
create database other;
alter system set work_mem = '5MB';
checkpoint;
drop table u;
select pg_switch_wal();
checkpoint;
SQL
        ;;
    ddl2) # on a volume that has seen ddl
        client psql -qAt -v ON_ERROR_STOP=1 postgres >"$sock/ddl.log" 2>&1 <<'SQL' || { cat "$sock/ddl.log" >&2; exit 1; }
truncate pgbench_history; update pgbench_accounts set abalance = 0; update pgbench_tellers set tbalance = 0;
update pgbench_branches set bbalance = 0;
vacuum full pgbench_accounts;
alter table t set tablespace inside;
delete from t; vacuum (truncate) t; insert into t select g, 'again' from generate_series(1, 3000) g;
drop table t cascade;
drop database third; drop database other;
drop tablespace inside;
drop database if exists copy; create database copy template postgres strategy file_copy;
drop database copy;
SQL
        ;;
    amcheck) client "$bin/pg_amcheck" --install-missing --heapallindexed -a -j 1 >"$sock/amcheck.log" 2>&1 || { cat "$sock/amcheck.log" >&2; exit 1; } ;;
    *) echo "unknown work $work" >&2; exit 1 ;;
    esac
done
kill -INT $server
wait $server || { cat "$sock/server.log" >&2; exit 1; }
