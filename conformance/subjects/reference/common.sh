# What the executables share. FAIRLEAD: the relay, build/relay/fairlead if unset (--binary).
# FAIRLEAD_BREAK: the clause that it is to break (--break).
root=$(cd "$SUBJECT/../../.." && pwd)
relay=${FAIRLEAD:-$root/build/relay/fairlead}
[ -z "${FAIRLEAD_BREAK:-}" ] || break="--break $FAIRLEAD_BREAK"

# configure PLAN FILE: the relay's configuration for a plan, unless it was made since the plan was written.
configure() {
    [ -n "$(find . -path "./$2" -newer "$1")" ] || /usr/bin/python3 "$SUBJECT/configuration.py" "$1" "$2"
}
