"""fairlead zone and fairlead check-zone: the records that the one prints satisfy the other."""

from __future__ import annotations

from pathlib import Path

import dns.zone
import pytest
from vectors import ROOT, resolving, run_fairlead, run_fairlead_json

# The names of a service: a configuration whose keys and secrets this machine does not have.
SERVICE = ("-c", str(ROOT / "relay" / "install" / "email-routing.yaml"))

MINIMAL = """
hostname: mx.example
listen: [{address: 127.0.0.1}]
postmaster: {address: postmaster@elsewhere.example}
srs: {secrets: [0123456789abcdef]}
zones: [{domain: example.com}]
"""


def zone_of(domain: str, *options: str) -> dict[str, dict[str, list[str]]]:
    """The printed records, in the form of the test DNS's zones."""
    done = run_fairlead("zone", *options, "--", domain)
    assert done.returncode == 0, done.stderr
    origin = done.stdout.split()[0].decode()
    parsed = dns.zone.from_text(done.stdout.decode(), origin=origin, check_origin=False)
    records: dict[str, dict[str, list[str]]] = {}
    for name, ttl, rdata in parsed.iterate_rdatas():
        assert ttl == 300
        kind = dns.rdatatype.to_text(rdata.rdtype)
        text = rdata.to_text(origin=parsed.origin, relativize=False)
        records.setdefault(origin, {}).setdefault(kind, []).append(text.strip('"'))
    return records


@pytest.mark.parametrize("domain", ["example.com", "piñata.es", "Example.CO.UK"])
def test_check_zone_finds_the_output_of_zone_in_order(domain: str) -> None:
    zone: dict[str, object] = dict(zone_of(domain, *SERVICE))
    zone["_spf.mx.cloudflare.net"] = {"TXT": "v=spf1 ip4:104.30.0.0/20 ~all"}
    with resolving(zone) as resolver:
        report = run_fairlead_json(
            "check-zone", *SERVICE, "--resolver", resolver, domain
        )
    assert report["in_order"] is True
    assert report["findings"] == []
    assert report["spf_lookups"] == 1


def test_another_service_uses_its_own_names() -> None:
    options = ("--mx", "10:mx.example.net", "--spf-include", "_spf.example.net")
    zone: dict[str, object] = dict(zone_of("example.com", *options))
    zone["_spf.example.net"] = {"TXT": "v=spf1 -all"}
    with resolving(zone) as resolver:
        arguments = ("check-zone", "--resolver", resolver, "example.com")
        assert run_fairlead_json(*arguments, *options)["in_order"] is True
        assert run_fairlead_json(*arguments, *SERVICE)["in_order"] is False


def test_the_resolver_of_the_configuration_is_asked_unless_an_option_names_one(
    tmp_path: Path,
) -> None:
    file = tmp_path / "fairlead.yaml"
    zone = {
        "example.com": {"MX": "1 mx.example", "TXT": "v=spf1 include:spf.example ~all"},
        "spf.example": {"TXT": "v=spf1 -all"},
    }
    names = "mx: [{host: mx.example, preference: 1}], spf_include: spf.example"
    with resolving(zone) as resolver:
        file.write_text(
            MINIMAL + f"provisioning: {{{names}}}\n"
            f'resolver: {{servers: ["{resolver}"]}}\n',
            encoding="utf-8",
        )
        arguments = ("check-zone", "-c", str(file), "example.com")
        assert run_fairlead_json(*arguments)["in_order"] is True
        other = run_fairlead_json(*arguments, "--resolver", "127.0.0.1:1")
    assert {finding["fault"] for finding in other["findings"]} == {"unknown"}


def test_an_option_overrides_a_key_of_the_configuration() -> None:
    records = zone_of("example.com", *SERVICE, "--mx", "10:mx.example.net")
    assert records["example.com."] == {
        "MX": ["10 mx.example.net."],
        "TXT": ["v=spf1 include:_spf.mx.cloudflare.net ~all"],
    }


def test_the_example_has_the_records_of_the_page() -> None:
    page = (ROOT / "fixtures" / "zones" / "email-routing.zone").read_text("utf-8")
    printed = run_fairlead("zone", *SERVICE, "example.com").stdout.decode()
    expected = [line for line in page.splitlines() if line.startswith("example.com. ")]
    assert [line for line in printed.splitlines() if line] == expected


@pytest.mark.parametrize("command", ["zone", "check-zone"])
@pytest.mark.parametrize(
    "options, missing",
    [
        ((), "provisioning.mx: give -c FILE, or --mx"),
        (
            ("--spf-include", "_spf.example.net"),
            "provisioning.mx: give -c FILE, or --mx",
        ),
        (
            ("--mx", "10:mx.example.net"),
            "provisioning.spf_include: give -c FILE, or --spf-include",
        ),
    ],
)
def test_without_a_service_the_missing_key_is_named(
    command: str, options: tuple[str, ...], missing: str
) -> None:
    done = run_fairlead(command, *options, "example.com")
    assert done.returncode == 2
    assert done.stdout == b""
    assert done.stderr.decode() == f"fairlead: {command}: records need {missing}\n"


def test_a_configuration_without_a_name_is_refused_with_the_missing_key(
    tmp_path: Path,
) -> None:
    file = tmp_path / "fairlead.yaml"
    file.write_text(
        MINIMAL + "provisioning: {mx: [{host: mx.example, preference: 1}]}\n",
        encoding="utf-8",
    )
    done = run_fairlead("zone", "-c", str(file), "example.com")
    assert done.returncode == 2
    assert done.stderr.decode() == (
        f"fairlead: zone: records need provisioning.spf_include in {file}, "
        "or --spf-include\n"
    )


def test_each_fault_is_named_with_its_record() -> None:
    zone = {
        "example.com": {
            "MX": ["13 amir.mx.cloudflare.net", "10 linda.mx.cloudflare.net", "0 ."],
            "TXT": ["v=spf1 mx -all", "v=spf1 -all"],
        }
    }
    with resolving(zone) as resolver:
        report = run_fairlead_json(
            "check-zone", *SERVICE, "--resolver", resolver, "example.com"
        )
    assert [(f["fault"], f["record"]) for f in report["findings"]] == [
        ("wrong", "MX"),
        ("missing", "MX"),
        ("conflict", "MX"),
        ("conflict", "TXT"),
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        ("mail.example.com",),
        ("co.uk",),
        ("example",),
        ("ex_ample.com",),
        ("",),
        ("--plan", "gold", "example.com"),
        ("--mx", "mx.example.net", "example.com"),
        ("-c", "/nonexistent/fairlead.yaml", "example.com"),
        (),
        ("example.com", "example.org"),
    ],
)
def test_a_domain_that_is_not_a_zone_and_other_mistakes_are_usage_errors(
    arguments: tuple[str, ...],
) -> None:
    done = run_fairlead("zone", *SERVICE, *arguments)
    assert done.returncode == 2
    assert done.stdout == b""
    assert b"fairlead" in done.stderr


def test_a_subdomain_is_printed_for_the_enterprise_plan() -> None:
    records = zone_of("mail.example.com", *SERVICE, "--plan", "enterprise")
    assert len(records["mail.example.com."]["MX"]) == 3
