#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Runs under the shim: creates (with "install") or starts MariaDB on $1 with its socket in $2, does some work, stops it.
set -e
data=$1 sock=$2
shift 2
options="--no-defaults --datadir=$data --innodb-use-native-aio=0 --innodb-doublewrite=0 --innodb-flush-method=fsync
    --innodb-log-file-size=24M --innodb-buffer-pool-size=32M --tmpdir=$sock --innodb-fast-shutdown=1"
for work in "$@"; do
    case $work in
    install)
        mariadb-install-db --no-defaults --datadir="$data" --innodb-use-native-aio=0 --innodb-doublewrite=0 \
            --innodb-log-file-size=24M --auth-root-authentication-method=normal --skip-test-db >"$sock/install.log" 2>&1 ||
            { cat "$sock/install.log" >&2; exit 1; } ;;
    start | start-binlog)
        [ "$work" = start ] || options="$options --log-bin=$data/binlog --sync-binlog=1 --server-id=1 --innodb-flush-log-at-trx-commit=2"
        mariadbd $options --socket="$sock/maria.sock" --pid-file="$sock/maria.pid" --skip-networking \
            --log-error="$sock/maria.log" &
        server=$!
        trap 'kill -KILL $server 2>/dev/null || true' EXIT
        client() { env -u LD_PRELOAD -u BOREALIS_RING mariadb --no-defaults -uroot -S "$sock/maria.sock" "$@"; }
        tries=0
        until client -e 'select 1' >/dev/null 2>&1; do
            tries=$((tries + 1))
            if [ $tries -gt 200 ] || ! kill -0 $server 2>/dev/null; then
                cat "$sock/maria.log" >&2
                exit 1
            fi
            sleep 0.1
        done ;;
    sql)
        client >"$sock/sql.log" 2>&1 <<'SQL' || { cat "$sock/sql.log" >&2; exit 1; }
create database if not exists shop;
use shop;
drop table if exists a, b, c, p, d;
create table a (id int primary key auto_increment, v varchar(200), key (v)) engine=innodb;
create table b (id int primary key, v text) engine=aria;
create table c (id int primary key, v text) engine=myisam;
create table p (id int primary key, v text) engine=innodb page_compressed=1;
insert into a (v) select repeat(char(97 + seq % 26), seq % 200) from seq_1_to_20000;
insert into b select seq, repeat('y', seq % 100) from seq_1_to_5000;
insert into c select seq, repeat('z', seq % 100) from seq_1_to_5000;
insert into p select seq, repeat('w', 500) from seq_1_to_5000;
update a set v = concat('u', id) where id % 7 = 0;
delete from a where id % 3 = 0;
create table d like a;
insert into d select * from a;
alter table a add column w int default 4, add index (w);
optimize table a;
rename table d to e, e to d;
truncate table d;
drop table c;
create table c (id int) engine=innodb partition by hash (id) partitions 4;
insert into c select seq from seq_1_to_1000;
flush tables;
SQL
        ;;
    forever)
        client -e 'create database if not exists bank; use bank;
            create table if not exists m (id int primary key, v bigint) engine=innodb;
            insert ignore into m select seq, 0 from seq_0_to_999'
        i=0
        while [ $i -lt 4000 ]; do
            echo "begin; update bank.m set v = v + $i where id = $((i * 7 % 1000)); update bank.m set v = v - $i where id = $((i * 13 % 1000)); commit;"
            i=$((i + 1))
        done | client >/dev/null 2>&1 || true
        sleep 30 ;;
    money) test "$(client -BNe 'select sum(v) from bank.m')" = 0 || { echo "money invariant broken" >&2; exit 1; } ;;
    check)
        env -u LD_PRELOAD -u BOREALIS_RING mariadb-check --no-defaults -uroot -S "$sock/maria.sock" -A --check >"$sock/check.log" 2>&1
        if grep -iE 'error|corrupt' "$sock/check.log" >&2; then exit 1; fi ;;
    stop)
        kill -TERM $server
        wait $server || { cat "$sock/maria.log" >&2; exit 1; }
        trap - EXIT ;;
    *) echo "unknown work $work" >&2; exit 1 ;;
    esac
done
