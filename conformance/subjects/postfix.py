"""Debian's Postfix with postsrsd, configured as an operator would for forwarding.

Virtual aliases are the routes, postsrsd rewrites senders, a DNSBL is queried. Mail is queued:
recipients are not probed upstream (reject_unverified_recipient) before they are accepted, since the
reply would be in Postfix's own words and says nothing about the message. SPF, DKIM, DMARC and ARC would
need further daemons and are not declared. postfix.md explains its failures.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import subprocess
from contextlib import AbstractContextManager
from pathlib import Path

from conformance.subjects.base import (
    SHORT_TIMEOUTS,
    Limits,
    Plan,
    Process,
    Subject,
    SubjectUnavailable,
    tail,
)

POSTFIX = "/usr/sbin/postfix"
POSTSRSD = "/usr/sbin/postsrsd"
SRS_PORTS = (10001, 10002)
PAGE = "https://developers.cloudflare.com/email-routing/postmaster"


# No chroots: the lab's directories already belong to this instance alone.
MASTER_CF = """\
{port}    inet  n  -  n  -      -  smtpd
cleanup   unix  n  -  n  -      0  cleanup
qmgr      unix  n  -  n  300    1  qmgr
tlsmgr    unix  -  -  n  1000?  1  tlsmgr
rewrite   unix  -  -  n  -      -  trivial-rewrite
bounce    unix  -  -  n  -      0  bounce
defer     unix  -  -  n  -      0  bounce
trace     unix  -  -  n  -      0  bounce
verify    unix  -  -  n  -      1  verify
flush     unix  n  -  n  1000?  0  flush
proxymap  unix  -  -  n  -      -  proxymap
proxywrite unix -  -  n  -      1  proxymap
smtp      unix  -  -  n  -      -  smtp
relay     unix  -  -  n  -      -  smtp
showq     unix  n  -  n  -      -  showq
error     unix  -  -  n  -      -  error
retry     unix  -  -  n  -      -  error
discard   unix  -  -  n  -      -  discard
local     unix  -  n  n  -      -  local
virtual   unix  -  n  n  -      -  virtual
anvil     unix  -  -  n  -      1  anvil
scache    unix  -  -  n  -      1  scache
postlog   unix-dgram n - n -    1  postlogd
"""

# Answers of a DNSBL that list a client; those in 127.255.255.0/24 are error codes.
LISTINGS = (
    "127.[0..254].[0..255].[0..255]",
    "127.255.[0..254].[0..255]",
)

# Senders and recipients that are judged by their form: local parts are ASCII of at most 64 octets,
# postmaster is never refused for a DNSBL and alone at the relay itself, and nobody but the relay
# writes to a rewritten sender.
SENDERS = """\
/[^ -~].*@/           550 5.6.7 Non-ASCII local part
/^.{65,}@/            550 5.1.7 Local part too long
"""
RECIPIENTS = """\
/[^ -~].*@/           553 5.6.7 Non-ASCII local part
/^.{{65,}}@/          550 5.1.3 Local part too long
/^postmaster(@|$)/    OK
/@(\\[.*\\]|{host})$/  550 5.7.1 Relay access denied
/^SRS[01][-+=]/       550 5.1.1 No mail to rewritten senders
"""

# Where no mail exchanger is: this host, this link, multicast and broadcast.
NO_HOSTS = r"""
/ A (0|127|22[4-9]|23[0-9]|169\.254|255\.255\.255\.255)(\.|$)/  IGNORE
/ AAAA (::1?$|fe[89ab][0-9a-f]:|ff[0-9a-f][0-9a-f]:)/     IGNORE
"""


class Postfix(Subject):
    """A private instance: its own queue, configuration and postsrsd."""

    name = "postfix"
    capabilities = frozenset(
        {"srs", "queue", "starttls", "upstream-starttls", "ipv6", "postmaster"}
        | {"limits", "timeouts", "restart", "dnsbl"}
    )
    timeouts = SHORT_TIMEOUTS
    limits = Limits()
    start_patience = 30.0

    def __init__(self) -> None:
        super().__init__()
        self._directory = Path()
        self._postfix: Process | None = None
        self._postsrsd: Process | None = None

    def version(self) -> str:
        for program in (POSTFIX, POSTSRSD):
            if not os.access(program, os.X_OK):
                raise SubjectUnavailable(
                    f"{program} is not installed; scripts/setup --subject postfix installs it"
                )
        if not _every_uid():
            raise SubjectUnavailable(
                "Postfix runs as several users; start conform as root"
            )
        result = subprocess.run(
            ["/usr/sbin/postconf", "-d", "-h", "mail_version"],
            capture_output=True,
            text=True,
        )
        return f"Postfix {result.stdout.strip()} with postsrsd"

    def configure(self, plan: Plan, directory: Path) -> None:
        self._directory = directory
        for name in ("etc", "data", "spool"):
            (directory / name).mkdir()
        shutil.chown(directory / "data", "postfix")
        etc = directory / "etc"
        (etc / "main.cf").write_text(self._main_cf(plan), encoding="utf-8")
        (etc / "master.cf").write_text(
            MASTER_CF.format(port=plan.port), encoding="utf-8"
        )
        (etc / "virtual").write_text(aliases(plan), encoding="utf-8")
        recipients = RECIPIENTS.format(host=re.escape(plan.hostname))
        (etc / "recipients").write_text(recipients, encoding="utf-8")
        (etc / "senders").write_text(SENDERS, encoding="utf-8")
        (etc / "no-hosts").write_text(NO_HOSTS, encoding="utf-8")
        footer = f"/Relay access denied$/ \\c. Refer to {PAGE}/\n"
        (etc / "footers").write_text(footer, encoding="utf-8")
        served = "".join(f"{domain} served\n" for domain in domains(plan))
        (etc / "domains").write_text(served, encoding="utf-8")
        secret = directory / "srs.secret"
        secret.write_text("the lab's secret\n", encoding="utf-8")
        secret.chmod(0o644)

    def start(self, clock_offset_days: float = 0.0) -> None:
        assert self.plan is not None
        forward, reverse = (str(port) for port in SRS_PORTS)
        secret = str(self._directory / "srs.secret")
        arguments = [POSTSRSD, "-4", "-d", "example.com", "-s", secret, "-u", "nobody"]
        arguments += ["-l", "127.0.0.1", "-f", forward, "-r", reverse]
        # Senders at these stay as they are. One argument may not hold too many.
        own = domains(self.plan)
        for start in range(0, len(own), 1000):
            arguments.append("-X" + ",".join(own[start : start + 1000]))
        self._postsrsd = Process(arguments, self._directory / "postsrsd.log")
        self._postsrsd.start()
        self._postfix = Process(
            [POSTFIX, "-c", str(self._directory / "etc"), "start-fg"],
            self._directory / "postfix.log",
        )
        self._postfix.start()

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def running(self) -> bool:
        daemons = (self._postfix, self._postsrsd)
        return all(daemon is not None and daemon.running for daemon in daemons)

    def held(self) -> AbstractContextManager[None]:
        assert self._postfix is not None
        return self._postfix.held()

    def diagnosis(self) -> str:
        logs = ("maillog", "postfix.log", "postsrsd.log")
        return "\n".join(tail(self._directory / name) for name in logs)

    def _end(self, number: int) -> None:
        for daemon in (self._postfix, self._postsrsd):
            if daemon:
                daemon.stop(number)

    def _main_cf(self, plan: Plan) -> str:
        directory = self._directory
        dnsbl, dnsbl_name = plan.dnsbls[0]
        listed = ", ".join(
            f"reject_rbl_client {dnsbl}={answers}" for answers in LISTINGS
        )
        settings = {
            "compatibility_level": "3.6",
            "queue_directory": f"{directory}/spool",
            "data_directory": f"{directory}/data",
            "maillog_file_prefixes": str(directory),
            "maillog_file": f"{directory}/maillog",
            # Who we are.
            "myhostname": plan.hostname,
            "myorigin": "$myhostname",
            # Where postmaster alone is.
            "mydestination": "$myhostname",
            "mynetworks": "127.0.0.0/8",
            "inet_interfaces": f"{plan.ipv4}, [{plan.ipv6}]",
            "inet_protocols": "all",
            "smtp_bind_address": plan.ipv4,
            "smtp_bind_address6": plan.ipv6,
            "smtp_helo_name": plan.ehlo,
            "smtp_address_preference": "ipv6",
            # Forwarding: aliases, sender rewriting, what is refused.
            "allow_percent_hack": "no",
            "swap_bangpath": "no",
            "alias_maps": "",
            "local_recipient_maps": "",
            "virtual_alias_domains": f"texthash:{directory}/etc/domains",
            "virtual_alias_maps": f"texthash:{directory}/etc/virtual",
            "sender_canonical_maps": f"tcp:127.0.0.1:{SRS_PORTS[0]}",
            "sender_canonical_classes": "envelope_sender",
            # Bounces find their way back.
            "recipient_canonical_maps": f"tcp:127.0.0.1:{SRS_PORTS[1]}",
            "recipient_canonical_classes": "envelope_recipient",
            "smtpd_delay_reject": "no",
            "smtpd_sender_restrictions": f"check_sender_access regexp:{directory}/etc/senders",
            "smtpd_relay_restrictions": "reject_unauth_destination",
            "smtpd_recipient_restrictions": "reject_unauth_destination, check_recipient_access "
            f"regexp:{directory}/etc/recipients, {listed}",
            "smtpd_reject_footer_maps": f"regexp:{directory}/etc/footers",
            "smtp_dns_reply_filter": f"regexp:{directory}/etc/no-hosts",
            "relay_domains_reject_code": "550",
            "default_rbl_reply": f"$rbl_code $client_address found on one or more DNSBLs "
            f"({dnsbl_name}). Refer to {PAGE}/#spam-and-abusive-traffic/",
            # The service's limits.
            "message_size_limit": str(self.limits.message_size),
            "smtpd_recipient_limit": str(self.limits.recipients),
            "smtpd_hard_error_limit": str(self.limits.bad_commands - 1),
            # Each command beyond this counts as a bad one.
            "smtpd_junk_command_limit": str(1000 - self.limits.bad_commands),
            "smtpd_error_sleep_time": "0s",
            # Postfix counts the field that it adds itself.
            "hopcount_limit": str(self.limits.received_fields + 1),
            "header_size_limit": str(self.limits.header_size),
            "smtpd_client_connection_count_limit": "0",
            # Nothing of the original changes.
            "message_drop_headers": "",
            "smtp_line_length_limit": "0",
            # What the Postmaster page says is not offered, and what Debian 12 leaves open to smuggling.
            "smtputf8_enable": "no",
            "smtpd_discard_ehlo_keywords": "dsn, etrn, chunking, enhancedstatuscodes",
            "smtpd_forbid_bare_newline": "reject",
            "message_reject_characters": "\\0",
            "smtpd_helo_required": "yes",
            "strict_rfc821_envelopes": "yes",
            # TLS where the other side can.
            "smtpd_tls_security_level": "may",
            "smtpd_tls_protocols": "!SSLv2, !SSLv3, !TLSv1, !TLSv1.1",
            "smtpd_tls_cert_file": str(plan.tls_certificate),
            "smtpd_tls_key_file": str(plan.tls_key),
            "smtp_tls_security_level": "may",
            # Short waits, as Timeouts says.
            "smtpd_timeout": f"{SHORT_TIMEOUTS.client_command:.0f}s",
            "smtpd_per_request_deadline": "yes",
            "queue_run_delay": "1s",
            "minimal_backoff_time": "1s",
            "smtp_connect_timeout": f"{SHORT_TIMEOUTS.upstream_connect:.0f}s",
            "smtp_data_done_timeout": f"{SHORT_TIMEOUTS.upstream_data_end:.0f}s",
            **{
                f"smtp_{step}_timeout": f"{SHORT_TIMEOUTS.upstream_command:.0f}s"
                for step in "helo mail rcpt data_init data_xfer quit rset starttls".split()
            },
        }
        return "".join(f"{key} = {value}\n" for key, value in settings.items())


def aliases(plan: Plan) -> str:
    """The routes as virtual(5) has them, postmaster included."""
    lines = [f"postmaster {plan.contact}"]
    lines += [f"postmaster@{domain} {plan.contact}" for domain in domains(plan)]
    for zone in plan.zones:
        for route in zone.routes:
            local, _, domain = route.address.rpartition("@")
            target, _, target_domain = route.to.rpartition("@")
            pattern = f"{'' if local == '*' else local.lower()}@{_a_label(domain)}"
            lines.append(f"{pattern} {target}@{_a_label(target_domain)}")
    return "\n".join(lines) + "\n"


def domains(plan: Plan) -> list[str]:
    """Every domain that routes something, in A-labels."""
    addresses = (route.address for zone in plan.zones for route in zone.routes)
    return sorted({_a_label(address.rpartition("@")[2]) for address in addresses})


def _a_label(domain: str) -> str:
    return domain.encode("idna").decode("ascii")


def _every_uid() -> bool:
    """Whether the users that Postfix runs as exist in this user namespace."""
    wanted = pwd.getpwnam("postfix").pw_uid
    for line in Path("/proc/self/uid_map").read_text().splitlines():
        inside, _, count = (int(word) for word in line.split())
        if inside <= wanted < inside + count:
            return True
    return False
