# SPDX-FileCopyrightText: the cohort authors
# SPDX-License-Identifier: MIT
#
# Sourced by tests/run, examples/run, benchmarks/run and .ci/run: finds out what the machine lacks,
# installs it where it can, and sets build folders up.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
jobs=${COHORT_JOBS:-$(nproc)}
missing=()       # Debian packages
missing_names=() # what to look for elsewhere
apt_is_fresh=

fail()
{
  echo "${0##*/}: $*" >&2
  exit 1
}

compiles() { ${CXX:-c++} -x c++ -std=c++20 "$@" - >/dev/null 2>&1; }

# need program|header|library NAME PACKAGE: notes what is missing.
need()
{
  case $1 in
    program) command -v "$2" >/dev/null && return ;;
    header) echo "#include <version>
#if !__has_include(<$2>)
#error
#endif" | compiles -fsyntax-only && return ;;
    library) echo 'int main() {}' | compiles -o /dev/null "-l$2" && return ;;
  esac
  missing+=("$3")
  missing_names+=("$1 $2")
}

as_root()
{
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    fail "needs root to install: ${missing[*]} (there is no sudo)"
  fi
}

# Installs what need() found missing, or names it.
install_missing()
{
  [ ${#missing[@]} != 0 ] || return 0
  if ! command -v apt-get >/dev/null ||
    ! grep -qsE '^ID(_LIKE)?=.*(debian|ubuntu)' /etc/os-release; then
    printf 'missing: %s\n' "${missing_names[@]}" >&2
    fail "install these first"
  fi
  case " ${missing[*]} " in
    *boost*)
      if dpkg-query -W -f '${Status}' libboost1.74-dev 2>/dev/null | grep -q ' installed'; then
        fail "libboost1.74-dev is installed and conflicts with the Boost 1.81 that cohort needs;" \
          "remove it first: apt-get remove libboost1.74-dev"
      fi ;;
  esac
  local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -q -y)
  echo "installing: ${missing[*]}"
  if [ -z "$apt_is_fresh" ]; then
    as_root "${apt[@]}" update >/dev/null || fail "apt-get update failed"
    apt_is_fresh=yes
  fi
  local package packages=()
  for package in "${missing[@]}"; do
    # Ubuntu 24.04 has a later Boost.
    if [ "$package" = libboost-json1.81-dev ] && ! apt-cache show "$package" >/dev/null 2>&1; then
      package=libboost-json1.83-dev
    fi
    packages+=("$package")
  done
  as_root "${apt[@]}" install --no-install-recommends --no-remove "${packages[@]}" >/dev/null ||
    fail "could not install: ${packages[*]}"
  missing=()
  missing_names=()
}

need_build_tools()
{
  need program meson meson
  need program ninja ninja-build
  local compiler=${CXX:-c++}
  need program "${compiler%% *}" g++
  need header asio.hpp libasio-dev
  need library boost_json libboost-json1.81-dev
}

# configure FOLDER [MESON OPTION...]: sets a build folder up, anew when files came or went, or
# headers begin with others.
# COHORT_MESON_OPTIONS adds to the options.
configure()
{
  local folder=$1 state
  shift
  # shellcheck disable=SC2086
  set -- "$@" ${COHORT_MESON_OPTIONS:-}
  state=$(
    echo "$root" "${CXX:-}" "$@"
    cd "$root" && find include tests examples benchmarks -name '*.[ch]pp' | sort
    python3 tests/headers/chains.py
  )
  mkdir -p "$folder"
  if [ -f "$folder/build.ninja" ] && [ "$state" = "$(cat "$folder/configured" 2>/dev/null)" ]; then
    return
  fi
  local how=()
  # With other options than before only a new folder is sure to have exactly these.
  if [ -f "$folder/build.ninja" ] &&
    [ "${state%%$'\n'*}" = "$(head -n 1 "$folder/configured" 2>/dev/null)" ]; then
    how=(--reconfigure)
  else
    rm -rf "$folder"
    mkdir -p "$folder"
  fi
  if ! meson setup "${how[@]}" "$folder" "$root" "$@" >"$folder/configure.log" 2>&1; then
    cat "$folder/configure.log" >&2
    fail "meson could not set $folder up"
  fi
  echo "$state" >"$folder/configured"
}
