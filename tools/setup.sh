#!/usr/bin/env bash
# Make this checkout runnable: system packages, virtual environment, C extensions. Idempotent; the second run does
# nothing and says nothing. Run it as `make setup`.
#
#   tools/setup.sh            set up
#   tools/setup.sh --check    only say what is missing (exit status 1 if anything is)
#   tools/setup.sh --tests    set up, and what only tests need; where that cannot be had, they skip and say so
set -euo pipefail
cd "$(dirname "$0")/.."

venv=.venv
stamp=$venv/.stamp

say() { printf '\033[1m==>\033[0m %s\n' "$*" >&2; }
die() { printf 'setup: %s\n' "$*" >&2; exit 1; }

# What the set-up depends on: when none of it changed since the last run, there is nothing to do.
fingerprint() {
    { cat pyproject.toml constraints.txt CMakeLists.txt tools/setup.sh
      find probes skb multikernel \( -name '*.c' -o -name '*.h' -o -name CMakeLists.txt \) -print0 | sort -z | xargs -0 cat
      find probes skb multikernel -name '*.py' | sort       # the installed checkout maps modules to files
      pwd
    } | sha256sum | cut -d' ' -f1
}

find_python() {
    local candidate
    for candidate in ${PYTHON:-} python3 /usr/bin/python3 python3.13 python3.12 python3.11; do
        if "$candidate" - <<'PY' >/dev/null 2>&1
import ensurepip, os, sys, sysconfig, venv
ok = sys.version_info >= (3, 11) and os.path.exists(os.path.join(sysconfig.get_paths()["include"], "Python.h"))
sys.exit(not ok)
PY
        then command -v "$candidate"; return 0; fi
    done
    return 1
}

have_header() { echo "#include <$1>" | cc -E ${2:+-I"$2"} - >/dev/null 2>&1; }

# Prints the Debian packages that are missing, each only if what it provides cannot be found.
missing_packages() {
    find_python >/dev/null || echo python3 python3-venv python3-dev
    { command -v cc && have_header stdatomic.h && have_header stdio.h; } >/dev/null 2>&1 || echo gcc libc6-dev
    command -v swipl >/dev/null && [ -e "$(swipl --dump-runtime-variables | sed -n 's/^PLBASE="\(.*\)";$/\1/p')/include/SWI-Prolog.h" ] \
        || echo swi-prolog-nox
    command -v acpiexec >/dev/null || echo acpica-tools
    command -v lspci >/dev/null || echo pciutils          # the peers that tests hold our readings against
    command -v lstopo-no-graphics >/dev/null || echo hwloc-nox
    command -v spin >/dev/null || echo spin               # models of the message path are checked with it
}

# Those that only tests need: the C library is compiled for AArch64, too, and run there in an emulator.
missing_for_tests() {
    [ "$(uname -m)" = aarch64 ] && return
    command -v aarch64-linux-gnu-gcc >/dev/null || echo gcc-aarch64-linux-gnu libc6-dev-arm64-cross
    command -v qemu-aarch64 >/dev/null || echo qemu-user
}

apt_install() { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"; }

install_for_tests() {
    local missing
    missing=$(missing_for_tests | tr '\n' ' ')
    [ -n "${missing// /}" ] || return 0
    if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
        say "installing $missing"
        # shellcheck disable=SC2086
        apt_install $missing >/dev/null 2>&1 && return 0
    fi
    say "tests for AArch64 will be skipped; they need $missing"
}

[ "${1:-}" != --tests ] || install_for_tests

packages=$(missing_packages | tr '\n' ' ')
if [ "${1:-}" = --check ]; then
    [ -z "${packages// /}" ] || die "missing packages: $packages"
    exit 0
fi

now=$(fingerprint)
if [ -z "${packages// /}" ] && [ -x $venv/bin/python ] && [ "$(cat $stamp 2>/dev/null)" = "$now" ]; then
    exit 0
fi

if [ -n "${packages// /}" ]; then
    command -v apt-get >/dev/null || die "these are missing, and there is no apt-get to install them with: $packages
  Install them the way your system does (names are Debian's), then run again."
    [ "$(id -u)" = 0 ] || die "these packages are missing, and installing them needs root:
  sudo apt-get install --no-install-recommends $packages
  Run that, then run again."
    say "installing $packages"
    log=$(mktemp); trap 'rm -f "$log"' EXIT
    # shellcheck disable=SC2086
    apt_install $packages >"$log" 2>&1 || {
        tail -n 20 "$log" >&2
        die "apt-get could not install: $packages
  Its last words are above. Mend that (network, sources), then run again."
    }
fi

python=$(find_python) || die "no Python 3.11 or newer with venv and headers found; set PYTHON=/path/to/python3"
if ! { [ -x $venv/bin/python ] && $venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11))'; } 2>/dev/null; then
    say "making the virtual environment $venv with $("$python" --version)"
    rm -rf $venv
    "$python" -m venv $venv
fi
rm -f $stamp

pip() { $venv/bin/python -m pip --disable-pip-version-check -q "$@" || die "pip failed (its words are above)"; }
say "installing Python packages"
pip install -c constraints.txt "scikit-build-core>=0.11" "cmake>=3.25" "ninja>=1.11"
say "building the C core and installing this checkout"
pip install -c constraints.txt --no-build-isolation -e '.[dev]'
echo "$now" >$stamp
say "set up"
