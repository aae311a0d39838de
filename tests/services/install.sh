# shellcheck shell=bash
# What the tests need and a machine with Rust, Node and make may lack. Sourced by with-services.sh.

# Prints the newest folder that holds initdb: Debian keeps the server's binaries out of PATH.
postgres_bin() {
    local found
    found=$(find /usr/lib/postgresql -mindepth 3 -maxdepth 3 -path '*/bin/initdb' 2>/dev/null | sort -V | tail -n 1)
    [ -n "$found" ] || found=$(command -v initdb) || return 1
    dirname "$found"
}

python_can_make_venvs() { python3 -c 'import ensurepip, venv' 2>/dev/null; }

find_chromium() {
    local name
    for name in "${CHROMIUM:-}" chromium chromium-browser google-chrome; do
        [ -z "$name" ] || ! command -v "$name" || return 0
    done
    return 1
}

# Installs what is missing, and exports CHROMIUM.
install_packages() {
    local missing=()
    { postgres_bin && command -v psql; } >/dev/null || missing+=(postgresql)
    command -v redis-server >/dev/null || missing+=(redis-server)
    # For the test of the load balancer's configuration. Debian keeps it out of users' PATH.
    { command -v nginx || [ -x /usr/sbin/nginx ]; } >/dev/null || missing+=(nginx)
    # For nodes whose clock is wrong.
    compgen -G '/usr/lib/*/faketime/libfaketimeMT.so.1' >/dev/null || missing+=(libfaketime)
    find_chromium >/dev/null || missing+=(chromium)
    python_can_make_venvs || missing+=(python3-venv)
    if [ ${#missing[@]} -gt 0 ]; then
        apt_install "${missing[@]}"
    fi
    CHROMIUM=$(find_chromium) || {
        echo "with-services: no Chromium found after the installation; set CHROMIUM to one" >&2
        exit 69
    }
    export CHROMIUM
}

apt_install() {
    local as_root=()
    if ! command -v apt-get >/dev/null; then
        echo "with-services: please install these by hand, there is no apt-get here: $*" >&2
        exit 69
    fi
    if [ "$(id -u)" -ne 0 ]; then
        if ! sudo -n true 2>/dev/null; then
            echo "with-services: missing: $*" >&2
            echo "with-services: install them as root: apt-get install --no-install-recommends $*" >&2
            exit 69
        fi
        as_root=(sudo -n)
    fi
    echo "with-services: installing $*" >&2
    # The packages may start services of their own; the tests leave those alone.
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -q >&2
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -q -y --no-install-recommends "$@" >&2
}

# A virtual environment with the Python Socket.IO client, made again when its list changes.
prepare_python() { # TOP
    local wanted=$1/tests/clients/py/requirements.txt venv=$1/.test/venv
    if ! cmp -s "$wanted" "$venv/installed.txt"; then
        rm -rf "$venv"
        mkdir -p "$(dirname "$venv")"
        python3 -m venv "$venv"
        "$venv/bin/pip" install --quiet --requirement "$wanted" >&2
        cp "$wanted" "$venv/installed.txt"
    fi
    export BATON_TEST_PYTHON=$venv/bin/python
}

# The JavaScript client's packages, installed again when their lock file changes.
prepare_javascript() { # TOP
    local clients=$1/tests/clients/js
    if ! cmp -s "$clients/package-lock.json" "$clients/node_modules/.installed-lock.json"; then
        (cd "$clients" && npm ci --no-audit --no-fund >&2)
        cp "$clients/package-lock.json" "$clients/node_modules/.installed-lock.json"
    fi
}
