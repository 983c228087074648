#!/bin/sh
# The example configuration: as it is installed, and with every commented example in force, the only
# things wrong with it are the files that it names and that do not exist here.
# usage: check-example.sh FAIRLEAD EXAMPLE
set -eu

check() {
    errors=$("$1" check-config "$2" 2>&1 >/dev/null | grep -v ': No such file or directory$') || return 0
    echo "$errors" >&2
    exit 1
}

directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
# "# Words" are prose, "#key: value" is an example.
sed '/^# [^ ]/d; s/^#//' "$2" >"$directory/everything.yaml"
check "$1" "$2"
check "$1" "$directory/everything.yaml"
