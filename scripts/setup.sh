#!/usr/bin/env bash
# Checks what a build and the tests need beyond this repository, and installs what is missing where that can be done
# without asking: through apt-get, as root or with a sudo that wants no password. Otherwise it says once what to install.
# Says nothing and takes a moment when all is there. `setup.sh tests` wants what only the tests need, too.
set -euo pipefail

readonly RUST_MIN=1.89
readonly purpose=${1:-build}
export PATH="$PATH:$HOME/.cargo/bin"

system=$(uname -s)
missing=() # what is missing, in words
packages=() # its Debian packages
rust=""    # what is wrong with Rust, if anything

have() { command -v "$1" >/dev/null 2>&1; }

# need WORDS PACKAGE...: records something that is missing.
need() {
    missing+=("$1")
    shift
    packages+=("$@")
}

any_file() { # any_file GLOB...: whether one of the patterns has a file
    local pattern
    for pattern in "$@"; do
        compgen -G "$pattern" >/dev/null && return 0
    done
    return 1
}

check_rust() {
    rust=""
    if ! have cargo || ! have rustc; then
        rust="Rust (cargo) is not installed"
        return
    fi
    local version
    # A rustup without a default toolchain has a cargo that only fails.
    if ! version=$(rustc --version 2>/dev/null | cut -d' ' -f2) || [[ -z $version ]]; then
        rust="rustup has no toolchain"
    elif [[ $(printf '%s\n' "$RUST_MIN" "$version" | sort -V | head -n1) != "$RUST_MIN" ]]; then
        rust="Rust is $version, and $RUST_MIN or newer is needed"
    fi
}

check_compilers() {
    # .cargo/config.toml names clang and clang++ for RocksDB; a CC or CXX of the user's own goes before it.
    local cc=${CC:-clang} cxx=${CXX:-clang++}
    if ! have "$cxx" || ! have "$cc"; then
        need "$cc and $cxx (to compile RocksDB)" clang g++
    elif ! "$cxx" -x c++ -fsyntax-only - <<<'#include <string>' 2>/dev/null; then
        need "the C++ standard library's headers" g++
    fi
    have cc || need "a C compiler named cc (Rust links with it)" gcc
    have make || need "make" make
    [[ $system == Darwin ]] || have ip || have /usr/sbin/ip || need "ip (for the tests with several machines)" iproute2
}

check_libraries() {
    local directory=${LIBCLANG_PATH:-}
    if [[ $system == Darwin ]]; then
        return # Apple's command line tools bring libclang; Metal needs no driver
    fi
    any_file "${directory:-/nowhere}"/libclang*.so* /usr/lib/llvm*/lib*/libclang*.so* \
        /usr/lib/*-linux-gnu/libclang*.so* /usr/lib{,64}/libclang*.so* /usr/local/lib/libclang*.so* ||
        need "libclang (to read RocksDB's headers)" libclang-dev
    any_file /usr/lib/*-linux-gnu/libvulkan.so.1 /usr/lib{,64}/libvulkan.so.1 /usr/local/lib/libvulkan.so.1 ||
        need "the Vulkan loader" libvulkan1
    any_file /usr/share/vulkan/icd.d/lvp_icd*.json /usr/local/share/vulkan/icd.d/lvp_icd*.json \
        /etc/vulkan/icd.d/lvp_icd*.json ||
        need "lavapipe (Mesa's Vulkan on the CPU, for the shader tests)" mesa-vulkan-drivers
}

# For the tests of reports. CHROME names one that is elsewhere.
check_browser() {
    local name
    for name in "${CHROME:-chromium}" chromium-browser google-chrome google-chrome-stable chrome \
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"; do
        have "$name" && return
    done
    need "a browser (for the tests of reports: Chromium or Chrome, or CHROME names one)" chromium
}

check_all() {
    missing=()
    packages=()
    check_rust
    check_compilers
    check_libraries
    [[ $purpose != tests ]] || check_browser
}

# Sets `apt` to how packages are installed here; fails where that would ask, or cannot be.
find_apt() {
    have apt-get || return 1
    if [[ $(id -u) == 0 ]]; then
        apt=(env DEBIAN_FRONTEND=noninteractive apt-get)
    elif have sudo && sudo -n true 2>/dev/null; then
        apt=(sudo -n env DEBIAN_FRONTEND=noninteractive apt-get)
    else
        return 1
    fi
}

install_missing() {
    local status=0
    echo "setup: missing: $(join ', ' "${missing[@]}" ${rust:+"$rust"})" >&2
    "${apt[@]}" -qq update >&2 || true # a list that is not reached now may not be needed
    if ((${#packages[@]})); then
        echo "setup: apt-get install ${packages[*]}" >&2
        "${apt[@]}" -qq install -y --no-install-recommends "${packages[@]}" >&2 || status=$?
    fi
    # Distributions' own cargo is seldom new enough; their rustup, where they have it, always is.
    if [[ -n $rust ]]; then
        if ! have rustup && apt-cache show rustup >/dev/null 2>&1; then
            echo "setup: apt-get install rustup" >&2
            "${apt[@]}" -qq install -y --no-install-recommends rustup >&2 || status=$?
        fi
        if have rustup && ! rustc --version >/dev/null 2>&1; then
            rustup default stable >&2 || status=$?
        fi
    fi
    hash -r
    return "$status"
}

join() { # join SEPARATOR WORD...
    local separator=$1 out=${2-}
    shift
    (($#)) && shift
    local word
    for word in "$@"; do out+="$separator$word"; done
    printf '%s' "$out"
}

# The one message: what is missing, and the commands that install it on this system.
explain() {
    echo "setup: this machine lacks what the build needs:"
    printf '  - %s\n' "${missing[@]}" ${rust:+"$rust"}
    echo "Install it, then run the same command again:"
    if ((${#packages[@]})); then
        [[ $purpose != tests ]] || echo "  (Chromium or Chrome is for the tests alone)"
        if have apt-get; then
            echo "  sudo apt-get update && sudo apt-get install -y ${packages[*]}"
        elif have dnf; then
            echo "  sudo dnf install -y make gcc gcc-c++ clang clang-devel vulkan-loader mesa-vulkan-drivers"
        elif have pacman; then
            echo "  sudo pacman -S --needed make gcc clang vulkan-icd-loader vulkan-swrast"
        elif [[ $system == Darwin ]]; then
            echo "  xcode-select --install        (or: brew install llvm)"
        else
            echo "  with this system's package manager: make, gcc, g++, clang, libclang, a Vulkan loader, Mesa's lavapipe"
        fi
    fi
    if [[ -n $rust ]]; then
        if have rustup; then
            echo "  rustup update stable && rustup default stable"
        else
            echo "  Rust $RUST_MIN or newer: see https://rustup.rs"
        fi
    fi
}

check_all
if ((${#missing[@]} == 0)) && [[ -z $rust ]]; then
    exit 0
fi
if find_apt; then
    install_missing || echo "setup: apt-get did not install everything" >&2
    check_all
fi
if ((${#missing[@]})) || [[ -n $rust ]]; then
    explain >&2
    exit 1
fi
echo "setup: all that the build needs is there now" >&2
