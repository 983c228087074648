# shellcheck shell=bash
# What every Postfix here shares, ../postfix-rspamd too. To be sourced in the state directory:
#
#   read_plan PLAN                   sets `role`: relay, or provider for both others
#   configure_postfix FILE...        its configuration; FILE: what a subject's filters add to main.cf
#   start_postsrsd                   sender rewriting
#   keep COMMAND...                  a daemon in the background, which is started again if it dies, as by systemd
#   wait_for PORT...                 until something listens there: without a filter Postfix defers all mail
#   exec_postfix                     runs it in the foreground, in place of this shell
#
# The variable `state` is the state directory; `dated` goes before every daemon (clock).
postfix=$(cd "$SUBJECT/../postfix" && pwd)
state=$PWD
read -ra dated <<<"${DATED:-}"

# field FILTER: from the plan.
field() { jq -er "$1" "$plan"; }

read_plan() {
    plan=$1
    case $(field '.role // "relay"') in
    relay) role=relay ;;
    *) role=provider ;;
    esac
}

configure_postfix() {
    mkdir -p etc data spool
    chown postfix data
    "tables_of_$role"
    # A version, comments and ARC's instance may stand before the name, a version behind it; a comment may not end.
    # Fields of another version are removed, whoever is named.
    jq -r '
        (.hostname | gsub("\\."; "\\.")) as $name
        | "/^Authentication-Results[ \\t]*:([\\s\"<]|\\([^()]*\\)|i\\s*=\\s*\\d+\\s*;)*\($name)([\\s;\"(\\/>]|$)/ IGNORE",
          "/^Authentication-Results[ \\t]*:[\\s\"<]*\\([^()]*\($name)[^()]*$/ IGNORE",
          "/^Authentication-Results[ \\t]*:([\\s\"]|\\([^()]*\\))*[^\\s;()\"]+\"?(\\s|\\([^()]*\\))+(?!1[\\s;(])\\d+(\\s|\\([^()]*\\))*;/ IGNORE"
    ' "$plan" >forged-results
    {
        printf 'directory = %s\ntables = %s\n' "$state" "$postfix/tables"
        parameters
        cat "$postfix/main.cf" "$postfix/main-$role.cf" "$@"
    } >etc/main.cf
    cat "$postfix/master.cf" "$postfix/master-$role.cf" |
        sed -e "s|^PORT |$(field .port) |" -e "s|^PROXY_PORT |$(field .proxy_port) |" \
            -e "s|\$directory|$state|" >etc/master.cf
    local table
    for table in virtual domains mailboxes; do
        [ ! -e "$table" ] || postmap -c etc "hash:$table"
    done
}

# The routes as virtual(5) has them.
tables_of_relay() {
    jq -r '
        .contact as $contact
        | "postmaster \($contact)",
          (.domains[] | "postmaster@\(.) \($contact)"),
          (.aliases[] | "\(.address | ltrimstr("*")) \(.to)")
    ' "$plan" >virtual
    jq -r '.domains[] | "\(.) served"' "$plan" >domains
    jq -r '"/Relay access denied$/ \\c. Refer to \(.refer_to)"' "$plan" >footers
    cat "$postfix/tables/commands" "$postfix/tables/not-offered" >commands
}

# The mailboxes, and who reads the mail of a postmaster that is none of them.
tables_of_provider() {
    jq -r '
        .contact as $contact
        | "postmaster \($contact)",
          ([.mailbox_domains[] | "postmaster@\(.)"] - .mailboxes | .[] | "\(.) \($contact)")
    ' "$plan" >virtual
    jq -r '.mailbox_domains[] | "\(.) served"' "$plan" >domains
    jq -r '.mailboxes[] | "\(.) served"' "$plan" >mailboxes
    cp "$postfix/tables/commands" commands
}

# The plan's values, as parameters of main.cf. What Postfix defers it takes up a second before the time is over.
parameters() {
    jq -r '
        { hostname, ehlo, ipv4, ipv6,
          dnsbl: .dnsbls[0].zone,
          tls_certificate: .tls.certificate,
          tls_key: .tls.key,
          message_size: .limits.message_size,
          header_size: .limits.header_size,
          recipients: .limits.recipients,
          hops: (.limits.received_fields + 1),
          errors: (.limits.bad_commands - 1),
          junk_commands: (1000 - .limits.bad_commands),
          sessions_per_client: .limits.sessions_per_client,
          client_command: "\(.timeouts.client_command)s",
          upstream_connect: "\(.timeouts.upstream_connect)s",
          upstream_command: "\(.timeouts.upstream_command)s",
          upstream_data_end: "\(.timeouts.upstream_data_end)s"
        }
        + if .lmtp then {
          lmtp: "[\(.lmtp.host)]:\(.lmtp.port)",
          queue_retry: "\(.queue.retry + 1)s",
          queue_lifetime: "\(.queue.lifetime)s"
        } else {} end
        | to_entries[] | "plan_\(.key) = \(.value)"
    ' "$plan"
    jq -r '.dnsbls[0].text | gsub("\\{ip\\}"; "$client_address") | "default_rbl_reply = $rbl_code \(.)"' "$plan"
}

# The SRS domain is one for all. Senders at the domains served stay as they are; one argument may not hold too many.
start_postsrsd() {
    (umask 077 && jq -r '.srs.secrets[]' "$plan" >srs.secret)
    jq -r '.domains | _nwise(1000) | "-X" + join(",")' "$plan" >srs.excluded
    # shellcheck disable=SC2046 # one word a line
    keep postsrsd -4 -l 127.0.0.1 -f 10001 -r 10002 -u nobody -s srs.secret \
        -d "$(field '.aliases[0].address | split("@")[1]')" $(cat srs.excluded)
}

keep() {
    (
        set +e
        while true; do
            "${dated[@]}" "$@"
            sleep 0.1
        done
    ) &
}

wait_for() {
    local port
    for port; do
        until (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do sleep 0.05; done
    done
}

# Not `postfix start-fg`, which would give it a session of its own.
exec_postfix() {
    postfix -c "$state/etc" check
    exec "${dated[@]}" "$(postconf -c "$state/etc" -h daemon_directory)/master" -c "$state/etc" -s
}
