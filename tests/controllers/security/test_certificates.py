"""Who may be a member: certificates that hold, and every kind that does not."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from controllers.security import certificates
from controllers.security.certificates import Authority, Member, Role, dns_name, verify_member
from controllers.security.errors import Refusal, RefusedError
from controllers.security.keys import Keys

SECRET = bytes(range(32))
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
AT = BEGIN + timedelta(days=10)
DECADE, YEAR = (BEGIN, BEGIN + timedelta(days=3650)), (BEGIN, BEGIN + timedelta(days=365))
UNIT = "meter/lv4.101/load-7"


class Operator:
    """A root, an operator's and a substation's authority."""

    def __init__(self, secret: bytes = SECRET) -> None:
        self.root = Authority("root", secret, None, DECADE, depth=2)
        self.operator = Authority("operator", secret, self.root, DECADE, depth=1)
        self.station = Authority(
            "substation lv4.101", secret, self.operator, DECADE, subtree="lv4.101", depth=0
        )
        self.all = (self.root, self.operator, self.station)

    def issue(
        self, unit: str = UNIT, role: Role = Role.OPERATOR, by: Authority | None = None
    ) -> x509.Certificate:
        keys, key = Keys(unit, SECRET), certificates.unit_key(SECRET, unit)
        return (by or self.station).issue(
            unit,
            role,
            key.public_key(),
            YEAR,
            signing=keys.public_signing(),
            agreement=keys.public_agreement(),
        )

    def lists(self, at: datetime = AT) -> dict[x509.Name, x509.CertificateRevocationList]:
        day = timedelta(days=1)
        return {one.certificate.subject: one.revocation_list(at, day) for one in self.all}

    def verify(self, leaf: x509.Certificate, at: datetime = AT, **more: object) -> Member:
        settings = {"lists": self.lists(at), "at": at, **more}
        chain = [self.station.certificate, self.operator.certificate]
        return verify_member(leaf, chain, [self.root.certificate], **settings)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def operator() -> Operator:
    return Operator()


def refusal(operator: Operator, leaf: x509.Certificate, **more: object) -> Refusal:
    with pytest.raises(RefusedError) as refused:
        operator.verify(leaf, **more)  # type: ignore[arg-type]
    return refused.value.why


def test_a_member_is_who_its_certificate_says(operator: Operator) -> None:
    member, keys = operator.verify(operator.issue()), Keys(UNIT, SECRET)
    assert (member.name, member.role) == (UNIT, Role.OPERATOR)
    assert member.signing == keys.public_signing()
    assert member.agreement == keys.public_agreement()


def test_certificates_are_the_same_bytes_in_every_run(operator: Operator) -> None:
    first, again = (certificates.to_der(Operator().issue()) for _ in range(2))
    assert first == again == certificates.to_der(Operator().issue())
    assert first != certificates.to_der(Operator(bytes(32)).issue())


def test_another_operators_certificate_is_forged(operator: Operator) -> None:
    assert refusal(operator, Operator(bytes(32)).issue()) is Refusal.FORGED


def test_a_changed_certificate_is_forged(operator: Operator) -> None:
    good = certificates.to_der(operator.issue())
    at = good.index(b"load-7")
    bad = x509.load_der_x509_certificate(good[:at] + b"load-8" + good[at + 6 :])
    assert refusal(operator, bad) is Refusal.FORGED


def test_a_substation_may_not_issue_for_another_ones_area(operator: Operator) -> None:
    assert refusal(operator, operator.issue("meter/lv4.102/load-7")) is Refusal.FORGED
    assert refusal(operator, operator.issue("lvgmu/lv4.1011")) is Refusal.FORGED
    assert operator.verify(operator.issue("lvgmu/lv4.101")).name == "lvgmu/lv4.101"


def test_a_substation_may_make_no_further_authority(operator: Operator) -> None:
    below = Authority("below", SECRET, operator.station, DECADE, subtree="lv4.101", depth=0)
    leaf = operator.issue(by=below)
    chain = [one.certificate for one in (below, operator.station, operator.operator)]
    with pytest.raises(RefusedError) as refused:
        verify_member(leaf, chain, [operator.root.certificate], lists=operator.lists(), at=AT)
    assert refused.value.why is Refusal.FORGED


def test_a_unit_may_issue_nothing(operator: Operator) -> None:
    leaf, key = operator.issue(), certificates.unit_key(SECRET, UNIT)
    fake = object.__new__(Authority)
    fake.name, fake._secret, fake._issued, fake._revoked = UNIT, SECRET, Counter(), {}
    fake._Authority__key, fake.certificate = key, leaf  # type: ignore[attr-defined]
    forged = operator.issue("meter/lv4.101/load-9", by=fake)
    chain = [leaf, operator.station.certificate, operator.operator.certificate]
    with pytest.raises(RefusedError):
        verify_member(forged, chain, [operator.root.certificate], lists=operator.lists(), at=AT)


@pytest.mark.parametrize("days", [-1, 366])
def test_before_its_time_and_after_it_does_not_hold(operator: Operator, days: int) -> None:
    at = BEGIN + timedelta(days=days)
    assert refusal(operator, operator.issue(), at=at) is Refusal.EXPIRED


def test_a_revoked_one_is_refused_from_then_on(operator: Operator) -> None:
    operator = Operator()
    leaf = operator.issue()
    operator.station.revoke(leaf, AT)
    before = AT - timedelta(hours=1)
    assert operator.verify(leaf, before).name == UNIT
    assert refusal(operator, leaf) is Refusal.REVOKED
    assert operator.verify(operator.issue()).name == UNIT  # its successor holds


def test_a_revoked_substation_takes_its_members_with_it(operator: Operator) -> None:
    operator = Operator()
    leaf = operator.issue()
    operator.operator.revoke(operator.station.certificate, AT)
    assert refusal(operator, leaf) is Refusal.REVOKED


def test_without_a_current_and_genuine_list_nothing_is_believed(operator: Operator) -> None:
    leaf = operator.issue()
    stale = operator.lists(AT - timedelta(days=3))
    assert refusal(operator, leaf, lists=stale) is Refusal.NO_CRL
    assert refusal(operator, leaf, lists={}) is Refusal.NO_CRL
    name = operator.station.certificate.subject
    forged = {**operator.lists(), name: Operator(bytes(32)).lists()[name]}
    assert refusal(operator, leaf, lists=forged) is Refusal.FORGED


def test_the_wrong_role_is_refused(operator: Operator) -> None:
    leaf = operator.issue(role=Role.VIEWER)
    assert refusal(operator, leaf, role=Role.OPERATOR) is Refusal.ROLE
    assert operator.verify(leaf, role=Role.VIEWER).role is Role.VIEWER


@pytest.mark.parametrize("name", ["", "meter/LV4/x", "a/b/c d", "a/../b", "-a/b", "a/b\u0301/c"])
def test_names_that_could_be_mistaken_are_no_names(name: str) -> None:
    with pytest.raises(ValueError, match="no name of a unit"):
        dns_name(name)
    assert dns_name("dmu/lv4.101/load-7/ev") == "load-7.ev.dmu.lv4--101.fernwatt.invalid"
