# What Postfix needs whatever filters it has. The plan is the file that $plan names; all is written below
# the working directory.

# plan FILTER: what jq finds in it.
plan() {
    jq -r "$1" "$plan"
}

# write_postfix FOLDER: etc/, with main.cf and master.cf from ours and what FOLDER adds to them.
write_postfix() {
    mkdir -p etc data spool
    chown postfix data
    common=$(dirname "$SUBJECT")/postfix
    {
        plan '"plan_hostname = \(.hostname)\nplan_ehlo = \(.ehlo)\nplan_ipv4 = \(.ipv4)\nplan_ipv6 = \(.ipv6)
plan_certificate = \(.tls.certificate)\nplan_refer_to = \(.refer_to)\nplan_dnsbl = \(.dnsbls[0].zone)
plan_message_size = \(.limits.message_size)\nplan_recipients = \(.limits.recipients)
plan_header_size = \(.limits.header_size)\nplan_bad_commands = \(.limits.bad_commands - 1)
plan_junk_commands = \(1000 - .limits.bad_commands)\nplan_hops = \(.limits.received_fields + 1)
plan_client_timeout = \(.timeouts.client_command)s\nplan_connect_timeout = \(.timeouts.upstream_connect)s
plan_upstream_timeout = \(.timeouts.upstream_command)s\nplan_final_timeout = \(.timeouts.upstream_data_end)s
plan_dnsbl_reply = $rbl_code \(.dnsbls[0].text | sub("\\{ip\\}"; "$client_address"))"'
        echo "plan_directory = $PWD"
        cat "$common/main.cf"
        [ "$1" = "$common" ] || echo
        cat "$1/filters.cf"
    } >etc/main.cf
    { cat "$common/master.cf"; cat "$1/filters-master.cf" 2>/dev/null || true; } |
        sed "s#@PORT@#$(plan .port)#; s#@ETC@#$PWD/etc#" >etc/master.cf
    install -m 600 "$(plan .tls.key)" etc/tls.pem
    cp "$common/senders" "$common/no-hosts" etc/
    sed "s#@HOSTNAME@#$(plan '.hostname | gsub("\\."; "\\.")')#" "$common/recipients" >etc/recipients
    plan '"/Relay access denied$/ \\c. Refer to \(.refer_to | rtrimstr("/"))/"' >etc/footers
    plan '.domains[] | "\(.) served"' >etc/domains
    plan '"postmaster \(.contact)", (.contact as $contact | .domains[] | "postmaster@\(.) \($contact)"),
        (.aliases[] | "\(.address | ltrimstr("*") | ascii_downcase) \(.to)")' >etc/virtual
}

# It rewrites to one domain for the whole system. Senders at served domains stay as they are; one
# argument may not hold too many of them.
start_postsrsd() {
    plan '.srs.secrets[]' >etc/srs.secret
    chmod 644 etc/srs.secret
    own=$(plan '.domains | to_entries | group_by(.key / 1000 | floor)[] | "-X" + (map(.value) | join(","))')
    # shellcheck disable=SC2086 # an argument each
    postsrsd -4 -d example.com -s "$PWD/etc/srs.secret" -u nobody -l 127.0.0.1 -f 10001 -r 10002 $own &
}

# wait_for_port PORT: until the daemon started last listens there.
wait_for_port() {
    until (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; do
        kill -0 $! || exit 3
        sleep 0.05
    done
}
