# Where smtpd and smtpctl find the queue and the control socket: below the state directory, in mounts of their own.

# enter NAME ARGUMENT...: runs NAME --inside ARGUMENT... with them; called in there, it goes on.
enter() {
    if [ "${2-}" != --inside ]; then
        name=$1
        shift
        exec unshare --mount --uts -- "$name" --inside "$@"
    fi
    # The queue survives a restart.
    mkdir -p spool run
    for directory in spool/smtpd:/var/spool/smtpd run:/run; do
        mkdir -p "${directory%%:*}" "${directory#*:}"
        mount --bind "${directory%%:*}" "${directory#*:}"
    done
    chmod 711 spool
    chown root:root /var/spool/smtpd
    chmod 711 /var/spool/smtpd
}
