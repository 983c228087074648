"""The vectors as tests of the suite: none is left out silently, and none gets in the way of the lab."""

from __future__ import annotations

import ipaddress
import pickle
from collections import Counter

import dns.message
import dns.name
import dns.rdatatype
import pytest

from conformance.clauses import load_catalogue
from conformance.lab.loop import LoopThread
from conformance.lab.namespace import FOREIGN_PREFIXES
from conformance.lab.nameserver.server import Nameserver
from conformance.lab.world import CLIENTS, NOTORIOUS_MAX
from conformance.run import work_of
from conformance.settings import ROOT
from conformance.vectors.clauses import SECTIONS, clause_of, clauses_of_vectors
from conformance.vectors.load import load_cases
from conformance.vectors.play import client_address, moment
from conformance.vectors.stage import form_of, off_wire

FOLDERS = list(SECTIONS)

# Of those that cannot be seen on the wire; fixtures/vectors/README.md says the same.
OFF_WIRE = {"spf": 20, "dkim": 22, "arc": 19, "arc-seal": 21, "dmarc": 47}


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_case_is_played_or_has_a_reason_not_to_be(folder: str) -> None:
    reasons = off_wire(folder)
    assert len(reasons) == OFF_WIRE[folder], Counter(reasons.values())
    assert all(reasons.values())


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_readme_says_how_many_are_played(folder: str) -> None:
    readme = (ROOT / "fixtures" / "vectors" / "README.md").read_text("utf-8")
    assert f"| {folder} | {len(load_cases(folder))} | {OFF_WIRE[folder]} |" in readme


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_case_that_is_played_has_a_clause_of_the_catalogue(folder: str) -> None:
    catalogue = load_catalogue()
    left = off_wire(folder)
    found = {clause_of(case) for case in load_cases(folder) if case.id not in left}
    assert found <= catalogue.keys()
    assert found == set(clauses_of_vectors(folder)), "a clause without a case"


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_case_named_as_open_exists(folder: str) -> None:
    names = {case.id for case in load_cases(folder)}
    assert names >= set(getattr(form_of(folder), "open", {}))


def test_every_client_has_an_address_of_the_lab() -> None:
    networks = [ipaddress.ip_network(prefix) for prefix in FOREIGN_PREFIXES]
    left = off_wire("spf")
    for case in load_cases("spf"):
        address = ipaddress.ip_address(client_address(case.test["ip"]))
        assert case.id in left or any(address in network for network in networks)
        prefix, _, last = str(address).rpartition(".")
        listed = prefix == "203.0.113" and int(last) > CLIENTS - NOTORIOUS_MAX
        assert not listed, "a DNSBL may list it"


def test_no_scenario_has_a_domain_of_the_lab() -> None:
    own = ("cloudflare.net", "mailbox.example", "gmail.com", "dnsbl.example")
    for folder in FOLDERS:
        for case in load_cases(folder):
            names = (dns.name.from_text(f"x.{domain}") for domain in own)
            assert not any(map(case.zone.has_domain_of, names)), case.scenario.key


def test_the_cases_of_a_file_are_given_to_one_worker() -> None:
    one = "conformance/suite/test_rfc7208.py::test_it[macros:a-b]"
    same = "conformance/suite/test_rfc7208.py::test_it[macros:c]"
    other = "conformance/suite/test_rfc7208.py::test_it[limits:c]"
    single = "conformance/suite/test_smuggling.py::test_it[\\r:\\n]"
    assert work_of(one) == work_of(same) != work_of(other)
    assert work_of(single) == single


# The nameserver while a scenario is played


@pytest.fixture
def server(loop: LoopThread) -> Nameserver:
    server = Nameserver(loop)
    server.add("example.com", "MX", "10 mx.example.com.")
    server.add("www.example.com", "A", "192.0.2.1")
    server.add("mx.lab-0001.example", "A", "192.0.2.2")
    return server


def answer(server: Nameserver, name: str, rdtype: str) -> list[tuple[str, int]]:
    """The type and TTL of each record set of the answer, or of what says that there is none."""
    wire = server.respond(dns.message.make_query(name, rdtype).to_wire(), "udp").wire
    assert wire is not None
    response = dns.message.from_wire(wire)
    return [
        (dns.rdatatype.to_text(rrset.rdtype), rrset.ttl)
        for rrset in response.answer or response.authority
    ]


SCENARIO = {
    "example.com": {"TXT": "v=spf1 -all"},
    "a.other.example": {"A": "192.0.2.3"},
}


def test_a_scenario_has_its_domains_for_itself(server: Nameserver) -> None:
    server.play(moment(SCENARIO))
    assert answer(server, "example.com", "TXT") == [("TXT", 0)]
    assert answer(server, "example.com", "MX") == [("SOA", 0)]
    assert answer(server, "www.example.com", "A") == [("SOA", 0)]
    assert answer(server, "a.other.example", "A") == [("A", 0)]


def test_the_lab_s_names_are_there_meanwhile(server: Nameserver) -> None:
    server.play(moment(SCENARIO))
    assert answer(server, "mx.lab-0001.example", "A") == [("A", 300)]
    assert answer(server, "nowhere.lab-0001.example", "A") == [("SOA", 0)]


def test_after_it_everything_is_as_before(server: Nameserver) -> None:
    server.play(moment(SCENARIO))
    server.play(None)
    assert answer(server, "example.com", "MX") == [("MX", 300)]
    assert answer(server, "a.other.example", "A") == [("SOA", 1)]


def test_a_scenario_can_be_sent_to_the_nameserver_of_another_process() -> None:
    zone = pickle.loads(pickle.dumps(moment({**SCENARIO, "slow.example": "DROP"})))
    assert zone.texts("example.com") == ["v=spf1 -all"]
