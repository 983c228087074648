"""fairlead zone and fairlead check-zone: the records that the one prints satisfy the other."""

from __future__ import annotations

import dns.zone
import pytest
from vectors import resolving, run_fairlead, run_fairlead_json


def zone_of(domain: str, *options: str) -> dict[str, dict[str, list[str]]]:
    """The printed records, in the form that the test DNS takes."""
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
def test_what_zone_prints_is_in_order_for_check_zone(domain: str) -> None:
    zone: dict[str, object] = dict(zone_of(domain))
    zone["_spf.mx.cloudflare.net"] = {"TXT": "v=spf1 ip4:104.30.0.0/20 ~all"}
    with resolving(zone) as resolver:
        report = run_fairlead_json("check-zone", "--resolver", resolver, domain)
    assert report["in_order"] is True
    assert report["findings"] == []
    assert report["spf_lookups"] == 1


def test_another_service_sets_its_own_names() -> None:
    options = ("--mx", "10:mx.example.net", "--spf-include", "_spf.example.net")
    zone: dict[str, object] = dict(zone_of("example.com", *options))
    zone["_spf.example.net"] = {"TXT": "v=spf1 -all"}
    with resolving(zone) as resolver:
        arguments = ("check-zone", "--resolver", resolver, "example.com")
        assert run_fairlead_json(*arguments, *options)["in_order"] is True
        assert run_fairlead_json(*arguments)["in_order"] is False


def test_each_fault_is_named_with_its_record() -> None:
    zone = {
        "example.com": {
            "MX": ["13 amir.mx.cloudflare.net", "10 linda.mx.cloudflare.net", "0 ."],
            "TXT": ["v=spf1 mx -all", "v=spf1 -all"],
        }
    }
    with resolving(zone) as resolver:
        report = run_fairlead_json("check-zone", "--resolver", resolver, "example.com")
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
        (),
        ("example.com", "example.org"),
    ],
)
def test_a_domain_that_is_no_zone_and_other_mistakes_are_usage_errors(
    arguments: tuple[str, ...],
) -> None:
    done = run_fairlead("zone", *arguments)
    assert done.returncode == 2
    assert done.stdout == b""
    assert done.stderr.startswith(b"fairlead: ")


def test_a_subdomain_is_printed_for_the_enterprise_plan() -> None:
    records = zone_of("mail.example.com", "--plan", "enterprise")
    assert len(records["mail.example.com."]["MX"]) == 3
