#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The shim's tests; `make -C Shim check` runs them. Needs root (engines run as their own users) or skips the engines.
#   check.sh OUT [test ...]
set -u
out=$1
shift
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d /tmp/shim-check.XXXXXX)
chmod 755 "$work"
shim=$out/libborealis_shim.so
pg_bin=${PG_BIN:-/usr/lib/postgresql/15/bin}
pg_local='postmaster.pid:postmaster.opts:pgsql_tmp*:pg_internal.init*:.s.PGSQL*'
maria_local='*.err:*.pid:ib_buffer_pool*:ibtmp1'
failed=0
trap 'rm -rf "$work"' EXIT

mirror() { # user name-of-directory arguments ...
    local user=$1 dir=$2
    shift 2
    timeout 120 "$out/mirror" --shim "$shim" --root "$work/$dir" --user "$user" "$@"
}
fresh() { # user directory ...
    local user=$1
    shift
    for dir; do
        rm -rf "${work:?}/$dir"
        mkdir -p "$work/$dir"
        chown "$user" "$work/$dir"
        chmod 700 "$work/$dir"
    done
}
run() {
    local name=$1 from=$SECONDS
    if "test_$name" >"$work/$name.log" 2>&1; then
        echo "ok   $name ($((SECONDS - from)) s)  $(grep -h '^mirror: status' "$work/$name.log" | tail -1 | cut -d';' -f1-2)"
    else
        echo "FAIL $name ($((SECONDS - from)) s)"
        tail -40 "$work/$name.log" | sed 's/^/     /'
        failed=1
    fi
}

test_unit() { "$out/unit"; }

test_symbols() {
    nm -D --defined-only "$shim" | awk '$2 ~ /[A-Z]/ {print $3}' | sort >"$work/exported"
    diff "$out/symbols.txt" "$work/exported" || return 1
    # Nothing but libc, the loader and the kernel's page.
    if ldd "$shim" | grep -vE 'linux-vdso|libc\.so|ld-linux'; then return 1; fi
    # Without a ring every call passes through.
    LD_PRELOAD=$shim ls / >/dev/null || return 1
    # A ring that is none is refused.
    head -c 100000 /dev/zero >"$work/noring"
    BOREALIS_RING=$work/noring BOREALIS_ROOT=$work BOREALIS_DOORBELL_FD=1 LD_PRELOAD=$shim /bin/true 2>/dev/null
    [ $? = 71 ]
}

# Every name that an engine imports from libc, libaio or liburing is intercepted, or on the list with a reason.
test_imports() {
    sed -nE 's/^    //p' "$here/../passed.def" | tr ' ' '\n' | sort -u >"$work/passed"
    comm -12 "$out/symbols.txt" "$work/passed" | grep . && echo "intercepted and passed at once" && return 1
    sort -u "$out/symbols.txt" "$work/passed" >"$work/known"
    local engine unknown found=0
    for engine in "$pg_bin/postgres" "$pg_bin/initdb" "$(PATH=$PATH:/usr/sbin command -v mariadbd)"; do
        [ -x "$engine" ] || continue
        found=$((found + 1))
        unknown=$(nm -D --undefined-only "$engine" | grep -E '@(GLIBC|LIBAIO|LIBURING)_' | awk '{print $2}' |
            sed 's/@.*//' | sort -u | comm -23 - "$work/known" | xargs)
        [ -z "$unknown" ] || { echo "$engine: neither intercepted nor on the list: $unknown" && return 1; }
        raw_calls_are_known "$engine" || return 1
    done
    [ "$found" -gt 0 ] || echo "no engine is installed"
    # The check can fail.
    [ "$(echo mmap_and_run | comm -23 - "$work/known")" = mmap_and_run ]
}

# syscall(2) names no file: only gettid, futex and io_getevents are asked for, by their numbers on x86-64.
raw_calls_are_known() { # program
    [ "$(uname -m)" = x86_64 ] && nm -D --undefined-only "$1" | grep -q ' syscall@' || return 0
    local numbers
    numbers=$(objdump -d --no-show-raw-insn -j .text "$1" | grep -B14 'call.*<syscall@plt>' |
        sed -nE 's/.*mov +\$(0x[0-9a-f]+),%edi/\1/p' | sort -u | xargs)
    for number in $numbers; do
        case $number in
        0xba | 0xca | 0xd0) ;;
        *) echo "$1: system call $number" && return 1 ;;
        esac
    done
}

test_calls() {
    for options in "" "--log-bytes 1048576" "--local-mode" "--latency 300"; do
        fresh nobody calls
        rm -rf "$work/calls.mirror"
        (cd "$work/calls" && mirror nobody calls $options --mirror "$work/calls.mirror" --local '*.tmp' -- "$out/calls") || return 1
    done
    # The same calls while every block may vanish at any time.
    fresh nobody calls
    rm -rf "$work/calls.mirror"
    (cd "$work/calls" && mirror nobody calls --evict --mirror "$work/calls.mirror" --local '*.tmp' -- "$out/calls")
}

test_mapped() { # what the run before left, laid out without a block of it
    fresh nobody calls
    rm -rf "$work/calls.mirror"
    (cd "$work/calls" && mirror nobody calls --mirror "$work/calls.mirror" --local '*.tmp' -- "$out/calls") || return 1
    for options in "" "--evict"; do
        fresh nobody mapped
        (cd "$work/mapped" && mirror nobody mapped --attach holes $options --mirror "$work/calls.mirror" --local '*.tmp' -- "$out/calls" --mapped) || return 1
    done
    fresh nobody mapped
    (cd "$work/mapped" && mirror nobody mapped --attach holes --mirror "$work/calls.mirror" --local '*.tmp' -- "$out/calls" --hinted) || return 1
    grep -q 'fetches 1, hints 4,' "$work/mapped.log"
}

test_postgres() {
    fresh postgres pg pg.sock
    mirror postgres pg --mirror "$work/pg.mirror" --local "$pg_local" -- "$pg_bin/initdb" -D "$work/pg" -A trust -U postgres --locale=C &&
        mirror postgres pg --attach full --mirror "$work/pg.mirror" --local "$pg_local" -- \
            "$here/pg.sh" "$work/pg" "$work/pg.sock" pgbench-init ddl pgbench sums
}

# These start from the volume that test_postgres left.
test_postgres_holes() {
    fresh postgres pg2 pg.sock
    mirror postgres pg2 --attach holes --mirror "$work/pg.mirror" --local "$pg_local" -- \
        "$here/pg.sh" "$work/pg2" "$work/pg.sock" pgbench ddl2 sums amcheck
}
test_postgres_evict() {
    fresh postgres pg2 pg.sock
    PG_BUFFERS=4MB mirror postgres pg2 --attach holes --evict --mirror "$work/pg.mirror" --local "$pg_local" -- \
        "$here/pg.sh" "$work/pg2" "$work/pg.sock" pgbench sums
}
test_postgres_reader() { # copy-on-write: nothing is shipped
    fresh postgres pg2 pg.sock
    mirror postgres pg2 --attach holes --local-mode --mirror "$work/pg.mirror" --local "$pg_local" -- \
        "$here/pg.sh" "$work/pg2" "$work/pg.sock" pgbench sums
}
copy_mirror() {
    rm -rf "$work/copy.mirror"
    cp -a --sparse=always "$work/$1.mirror" "$work/copy.mirror"
}
# The mirror holds some prefix of the log; a server without the shim must recover it.
prefix_is_sound() {
    chown -R postgres "$work/copy.mirror/tree" && chmod 700 "$work/copy.mirror/tree"
    fresh postgres pg.sock
    timeout 60 su postgres -s /bin/sh -c "$here/pg.sh $work/copy.mirror/tree $work/pg.sock sums amcheck" &&
        grep -q 'was interrupted' "$work/pg.sock/server.log"
}
test_postgres_killed() {
    fresh postgres pg2 pg.sock
    copy_mirror pg
    mirror postgres pg2 --attach holes --latency 200 --kill-after 4 --mirror "$work/copy.mirror" --local "$pg_local" -- \
        "$here/pg.sh" "$work/pg2" "$work/pg.sock" forever && prefix_is_sound
}
test_postgres_failed() { # the volume fails under a running server: it must stop by itself
    fresh postgres pg2 pg.sock
    copy_mirror pg
    mirror postgres pg2 --attach holes --fail-after 4 --mirror "$work/copy.mirror" --local "$pg_local" -- \
        "$here/pg.sh" "$work/pg2" "$work/pg.sock" forever
    grep -q 'Input/output error' "$work/pg.sock/server.log" && prefix_is_sound
}

test_mariadb() {
    fresh mysql my my.sock
    mirror mysql my --mirror "$work/my.mirror" --local "$maria_local" -- "$here/maria.sh" "$work/my" "$work/my.sock" install start-binlog sql check stop
}
test_mariadb_holes() {
    fresh mysql my2 my.sock
    mirror mysql my2 --attach holes --evict --mirror "$work/my.mirror" --local "$maria_local" -- \
        "$here/maria.sh" "$work/my2" "$work/my.sock" start check sql stop
}
test_mariadb_killed() {
    fresh mysql my2 my.sock
    copy_mirror my
    mirror mysql my2 --attach holes --kill-after 3 --mirror "$work/copy.mirror" --local "$maria_local" -- \
        "$here/maria.sh" "$work/my2" "$work/my.sock" start forever || return 1
    chown -R mysql "$work/copy.mirror"
    timeout 60 su mysql -s /bin/sh -c "$here/maria.sh $work/copy.mirror/tree $work/my.sock start check money stop"
}

tests="$*"
if [ -z "$tests" ]; then
    tests="unit symbols imports calls mapped"
    if [ "$(id -u)" = 0 ] && [ -x "$pg_bin/postgres" ]; then
        tests="$tests postgres postgres_holes postgres_evict postgres_reader postgres_killed postgres_failed"
    else
        echo "skip postgres"
    fi
    if [ "$(id -u)" = 0 ] && command -v mariadbd >/dev/null; then
        tests="$tests mariadb mariadb_holes mariadb_killed"
    else
        echo "skip mariadb"
    fi
fi
for name in $tests; do run "$name"; done
exit $failed
