#!/bin/sh
# Every engine that the tools can name is accepted; one that the build lacks exits 3, with an error
# that says so and no output. The program depends on an oracle's library only if it was asked for.
# usage: check-engines.sh FAIRLEAD true|false
set -u
fairlead=$1
case $2 in
    true) status=0 libraries=2 ;;
    *) status=3 libraries=0 ;;
esac
failed=0

# expect STATUS COMMAND...: output only with status 0, errors only without.
expect() {
    wanted=$1
    shift
    output=$(printf 'From: me@example.com\n\nhello\n' | "$fairlead" "$@" 2>"$errors")
    got=$?
    [ "$got" -eq "$wanted" ] && case $got in
        0) [ -n "$output" ] && [ ! -s "$errors" ] ;;
        *) [ -z "$output" ] && [ -s "$errors" ] ;;
    esac && return
    echo "fairlead $*: exit $got instead of $wanted, output '$output', errors '$(cat "$errors")'" >&2
    failed=1
}

errors=$(mktemp)
trap 'rm -f "$errors"' EXIT
# A name of one label is never looked up, and neither is anything for a message without signatures.
spf='spf --ip 192.0.2.1 --helo localhost --mail-from me@localhost'
expect 0 $spf --engine native
expect "$status" $spf --engine libspf2
expect 2 $spf --engine other
expect 0 dkim verify --engine native -
expect "$status" dkim verify --engine libopendkim -
expect 2 dkim verify --engine other -

linked=$(ldd "$fairlead" | grep -cE 'lib(spf2|opendkim)\.')
[ "$linked" -eq "$libraries" ] || {
    echo "$linked of the oracles' libraries are linked, not $libraries" >&2
    failed=1
}
exit "$failed"
