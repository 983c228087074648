# What the executables share. The configuration files are in this folder (of the plan, see configure.py).

# role PLAN: which side of the service it is to be
role() {
    /usr/bin/python3 -c 'import json, sys; print(json.load(open(sys.argv[1])).get("role", "relay"))' "$1"
}

# prepare PLAN FILE...: in exim/, all that Exim needs for a plan; FILEs are the main configurations.
prepare() {
    /usr/bin/python3 "$shared/configure.py" "$1" exim
    shift
    for table in domains routes; do
        exim_dbmbuild -nolc "$PWD/exim/$table" "$PWD/exim/$table.dbm" >&2
    done
    for part in common listener relay front acl srs mx remote; do
        cp "$shared/$part.conf" exim/
    done
    mkdir -p exim/spool exim/spool-sending exim/log
    for file in "$@"; do
        cat exim/plan.conf "$file" >"exim/${file##*/}"
    done
    chown -R Debian-exim:Debian-exim exim
    # Exim believes no main configuration that another than root may write.
    for file in "$@"; do
        chown root "exim/${file##*/}"
    done
    rm -f exim/*.pid
}
