#!/usr/bin/env bash
# Runs a command beside a private Postgres and a private Redis, and stops both when it ends.
#
#   tests/services/with-services.sh cargo test --workspace
#
# The command sees
#   BATON_TEST_POSTGRES_URL  a superuser's URL to a maintenance database; a test creates its own database
#   BATON_TEST_REDIS_URL     a Redis that nobody else uses
#   BATON_TEST_PYTHON        a Python that has the Socket.IO client
#   CHROMIUM                 a Chromium, for what needs a browser
# and its exit code is passed on. What is missing is installed from the distribution's packages
# (Debian or Ubuntu), once. Nothing outlives the command but those packages and `.test/venv`.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)

if [ $# -eq 0 ]; then
    echo "usage: $0 COMMAND [ARGUMENT...]" >&2
    exit 64
fi

# shellcheck source=tests/services/install.sh
. "$here/install.sh"
install_packages
prepare_python "$top"
prepare_javascript "$top"

# Postgres refuses to run as root, and Redis has no reason to.
as_service=()
if [ "$(id -u)" -eq 0 ]; then
    as_service=(setpriv --reuid=postgres --regid=postgres --init-groups --)
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/baton-services.XXXXXX")
postgres_pid='' redis_pid='' command_pid=''

stop() { # PID SIGNAL: ends a process that this script started, and waits until it has ended
    [ -n "$1" ] || return 0
    kill "-$2" "$1" 2>/dev/null || true
    wait "$1" 2>/dev/null || true
}
# shellcheck disable=SC2317 # called by the trap
finish() {
    local code=$?
    trap '' INT TERM HUP
    stop "$command_pid" TERM
    stop "$postgres_pid" INT # Postgres: "fast" shutdown, open sessions are cut
    stop "$redis_pid" TERM
    rm -rf "$work"
    exit "$code"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

fail() { # MESSAGE LOGFILE
    echo "with-services: $1" >&2
    [ ! -f "$2" ] || tail -n 30 "$2" >&2
    exit 70
}

random_port() { # a port nobody listens on just now; who loses the race for it tries another one
    local port
    while :; do
        port=$((20000 + RANDOM % 12000))
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
    done
    echo "$port"
}

# Waits until PROBE succeeds; fails at once when the process has ended, else after 30 s.
await() { # PID PROBE...
    local pid=$1 deadline=$((SECONDS + 30))
    shift
    until "$@" >/dev/null 2>&1; do
        kill -0 "$pid" 2>/dev/null || return 1
        [ "$SECONDS" -lt "$deadline" ] || return 1
        sleep 0.1
    done
}

start_postgres() {
    local bin password port
    bin=$(postgres_bin)
    password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
    printf '%s\n' "$password" >"$work/password"
    mkdir "$work/postgres"
    [ ${#as_service[@]} -eq 0 ] || chown postgres: "$work" "$work/postgres" "$work/password"
    (cd "$work" && "${as_service[@]}" "$bin/initdb" --pgdata "$work/postgres" --username baton \
        --pwfile "$work/password" --auth scram-sha-256 --encoding UTF8 --locale C.UTF-8) \
        >"$work/initdb.log" 2>&1 || fail "initdb failed" "$work/initdb.log"
    # Durability stays on, as in production; the rest keeps many small databases cheap.
    cat >>"$work/postgres/postgresql.conf" <<'CONF'
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 400
shared_buffers = 256MB
fsync = on
synchronous_commit = on
max_wal_size = 2GB
autovacuum_naptime = 10s
CONF
    export PGPASSWORD=$password
    for _ in 1 2 3 4 5; do
        port=$(random_port)
        (cd "$work" && exec "${as_service[@]}" "$bin/postgres" -D "$work/postgres" -p "$port") \
            >"$work/postgres.log" 2>&1 &
        postgres_pid=$!
        if await "$postgres_pid" "$bin/psql" -h 127.0.0.1 -p "$port" -U baton -d postgres -c 'select 1'; then
            unset PGPASSWORD
            export BATON_TEST_POSTGRES_URL="postgres://baton:$password@127.0.0.1:$port/postgres"
            # Where psql, createdb and pg_dump are, whether or not the distribution links them.
            export PATH="$PATH:$bin"
            return
        fi
        stop "$postgres_pid" INT
        postgres_pid=''
    done
    fail "Postgres did not start" "$work/postgres.log"
}

start_redis() {
    local port
    mkdir "$work/redis"
    [ ${#as_service[@]} -eq 0 ] || chown postgres: "$work/redis"
    for _ in 1 2 3 4 5; do
        port=$(random_port)
        (cd "$work/redis" && exec "${as_service[@]}" redis-server --port "$port" --bind 127.0.0.1 \
            --save '' --appendonly no --dir "$work/redis") >"$work/redis.log" 2>&1 &
        redis_pid=$!
        if await "$redis_pid" redis-cli -h 127.0.0.1 -p "$port" ping; then
            export BATON_TEST_REDIS_URL="redis://127.0.0.1:$port"
            return
        fi
        stop "$redis_pid" TERM
        redis_pid=''
    done
    fail "Redis did not start" "$work/redis.log"
}

start_postgres
start_redis

# In the background and waited for, so that a signal to this script is handled at once.
code=0
"$@" <&0 &
command_pid=$!
wait "$command_pid" || code=$?
command_pid=''
exit "$code"
