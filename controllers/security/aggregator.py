"""Sums that who adds them cannot read, behind one interface: masked, or encrypted.

Three parties take part: members hide their values, a collector adds what is hidden, a reader
reveals the sum. Collector and reader do not conspire. Hidden values are JSON: a masked one is an
integer of 64 bits, an encrypted one base64 of 64 bytes.

Members stand on a ring in the order of a hash of their names, so that those who share a line are
not neighbours; each shares masks with its ``neighbours`` next ones on the ring, half on either
side, and one with the reader alone. That one keeps from the collector what it gets to know of
those who are missing; the others keep from the reader what a single member sent.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Protocol

from controllers.security.elgamal import CIPHERTEXT_BYTES, PublicSum, add_all
from controllers.security.errors import Refusal, RefusedError
from controllers.security.keys import Keys, PublicKeys
from controllers.security.masking import MODULUS, Masker, masks_of

__all__ = [
    "SCHEMES",
    "Aggregator",
    "Encrypting",
    "Group",
    "Masking",
    "Work",
    "as_fields",
    "from_fields",
    "make_aggregator",
]

_VALUES = 2
Work = tuple[str, int]
"""What it costs a processor: a kind of work (``hash``, ``point``) and how often."""


@dataclass(frozen=True, slots=True)
class Group:
    """Who takes part, on the ring; ``neighbours`` 0: everybody is everybody's neighbour.

    No sum is made over fewer than ``minimum``.
    """

    members: tuple[str, ...]
    reader: str
    neighbours: int = 0
    minimum: int = 1
    _place: Mapping[str, int] = field(default_factory=dict, compare=False, repr=False)

    @staticmethod
    def of(names: Iterable[str], reader: str, neighbours: int = 0, minimum: int = 1) -> Group:
        """Return the group of these members."""
        ring = tuple(sorted(set(names), key=lambda name: sha256(name.encode()).digest()))
        place = {name: number for number, name in enumerate(ring)}
        return Group(ring, reader, neighbours, minimum, place)

    def __contains__(self, name: str) -> bool:
        return name in self._place

    def place(self, name: str) -> int:
        """Return where a member stands; raises KeyError."""
        return self._place[name]

    def beside(self, name: str) -> list[str]:
        """Return a member's neighbours."""
        count, place = len(self.members), self._place[name]
        if not 0 < self.neighbours < count - 1:
            return [other for other in self.members if other != name]
        reach = range(1, self._half + 1)
        steps = [step for far in reach for step in (-far, far)]
        return [self.members[(place + step) % count] for step in steps]

    def concerned(self, missing: Collection[str]) -> list[str]:
        """Return the others who are neighbours of somebody missing, in the ring's order."""
        gone = set(missing)
        beside = {other for name in gone for other in self.beside(name)}
        return [name for name in self.members if name in beside and name not in gone]

    def allows(self, missing: Collection[str]) -> bool:
        """Tell whether a sum without these is over enough, and hangs together.

        Two gaps as wide as neighbours reach would leave two sums, each of fewer.
        """
        gone = set(missing)
        if not gone <= self._place.keys() or len(self.members) - len(gone) < self.minimum:
            return False
        return not 0 < self.neighbours < len(self.members) - 1 or self._gaps(gone) < 2

    @property
    def _half(self) -> int:
        return max(1, (self.neighbours + 1) // 2)

    def _gaps(self, gone: set[str]) -> int:
        """Return how many runs of missing ones are as long as neighbours reach."""
        present = [place for place, name in enumerate(self.members) if name not in gone]
        around = [*present[1:], present[0] + len(self.members)]
        steps = [after - before - 1 for before, after in zip(present, around, strict=True)]
        return sum(step >= self._half for step in steps)


class Aggregator(Protocol):
    """One unit's side of a scheme: member, collector and reader alike.

    ``per_wh`` whole numbers make one Wh. Where members are missing and ``resolves`` is true, the
    collector needs what those concerned ``disclose`` of them. A round's name must not come twice.
    """

    per_wh: int
    resolves: bool

    def hide(self, values: Sequence[int], group: Group, round_name: str) -> list[Any]:
        """Return a member's values, hidden; raises RefusedError."""

    def disclose(self, missing: Collection[str], group: Group, round_name: str) -> list[Any]:
        """Return what a member put in for its missing neighbours; raises RefusedError."""

    def add(
        self, hidden: Sequence[Sequence[Any]], disclosed: Sequence[Sequence[Any]], group: Group
    ) -> list[Any]:
        """Return the hidden sums, at least one, less what was disclosed; raises RefusedError."""

    def reveal(
        self, total: Sequence[Any], members: Collection[str], group: Group, round_name: str
    ) -> list[int]:
        """Return the sums over ``members``, at their reader; raises RefusedError."""

    def is_sound(self, hidden: Sequence[Any]) -> bool:
        """Tell whether hidden values can be added."""

    def work(self, group: Group) -> Mapping[str, Work]:
        """Return what hiding, adding one and revealing cost: ``hide``, ``add``, ``reveal``."""


class Masking:
    """Pairwise masks: 8 bytes a value, two values of a round for one hash a neighbour."""

    per_wh = 10**9
    resolves = True

    __slots__ = ("__keys", "_known", "_lanes", "_maskers")

    def __init__(self, keys: Keys, known: PublicKeys, lanes: int = _VALUES) -> None:
        self.__keys, self._known, self._lanes = keys, known, lanes
        self._maskers: dict[Group, Masker] = {}

    def hide(self, values: Sequence[int], group: Group, round_name: str) -> list[int]:
        """Return values masked by those beside and for the reader."""
        name = self.__keys.unit
        masked = self._masker(group).hide(values, group.beside(name), round_name)
        own = self._of_reader(group.reader, round_name, len(values))
        return [_signed(one + mask) for one, mask in zip(masked, own, strict=True)]

    def disclose(self, missing: Collection[str], group: Group, round_name: str) -> list[int]:
        """Return the masks of missing neighbours, summed, if the group allows it."""
        name = self.__keys.unit
        if name in missing or not group.allows(missing):
            raise RefusedError(Refusal.RANGE, "a sum over too few")
        gone = [other for other in group.beside(name) if other in set(missing)]
        masks = self._masker(group).give_up(gone, round_name, self._lanes)
        return [_signed(mask) for mask in masks]

    def add(
        self,
        hidden: Sequence[Sequence[Any]],
        disclosed: Sequence[Sequence[Any]],
        group: Group,  # noqa: ARG002 - the protocol's
    ) -> list[int]:
        """Return sums modulo 2^64."""
        lanes = range(self._lanes)
        rows = [[_whole(row, lane) for lane in lanes] for row in hidden]
        less = [[_whole(row, lane) for lane in lanes] for row in disclosed]
        return [
            _signed(sum(row[lane] for row in rows) - sum(row[lane] for row in less))
            for lane in lanes
        ]

    def reveal(
        self, total: Sequence[Any], members: Collection[str], group: Group, round_name: str
    ) -> list[int]:
        """Take off the masks that members put in for this unit."""
        if self.__keys.unit != group.reader:
            raise RefusedError(Refusal.UNKNOWN_KEY, "not the reader")
        sums = [_whole(total, lane) for lane in range(self._lanes)]
        for member in sorted(members):
            for lane, mask in enumerate(self._of_reader(member, round_name, self._lanes)):
                sums[lane] -= mask
        return [_signed(one) for one in sums]

    def is_sound(self, hidden: Sequence[Any]) -> bool:
        """Tell whether these are as many integers of 64 bits as there are values."""
        return len(hidden) == self._lanes and all(
            type(one) is int and -MODULUS // 2 <= one < MODULUS // 2 for one in hidden
        )

    def work(self, group: Group) -> Mapping[str, Work]:
        """Return hashes: one a neighbour and one for the reader; none to add."""
        beside = len(group.beside(group.members[0])) if group.members else 0
        hashes = len(group.members)
        return {"hide": ("hash", beside + 1), "add": ("hash", 0), "reveal": ("hash", hashes)}

    def _masker(self, group: Group) -> Masker:
        if group not in self._maskers:
            keys, name = self.__keys, self.__keys.unit
            secrets = {
                other: keys.shared(self._known.agreement(other), "masks")
                for other in group.beside(name)
            }
            self._maskers[group] = Masker(name, secrets)
        return self._maskers[group]

    def _of_reader(self, other: str, round_name: str, lanes: int) -> list[int]:
        """Return the masks between a member and its reader; ``other`` is the other one."""
        secret = self.__keys.shared(self._known.agreement(other), "reader's masks")
        return masks_of(secret, round_name, lanes)


class Encrypting:
    """Exponential ElGamal for the reader's key: 64 bytes a value, whoever is missing."""

    per_wh = 10**3
    resolves = False

    __slots__ = ("__keys", "_draw", "_known")

    def __init__(self, keys: Keys, known: PublicKeys, since_ms: int) -> None:
        self.__keys, self._known = keys, known
        self._draw = keys.randomness(f"elgamal/refresh/{since_ms}")

    def hide(self, values: Sequence[int], group: Group, round_name: str) -> list[str]:
        """Return values encrypted for the reader."""
        to = PublicSum(self._known.sums(group.reader))
        draw = self.__keys.randomness(f"elgamal/{round_name}")
        return [_text(to.encrypt(value, draw)) for value in values]

    def disclose(self, missing: Collection[str], group: Group, round_name: str) -> list[str]:
        """Refuse: nothing is to be disclosed."""
        del missing, group, round_name
        raise RefusedError(Refusal.ALGORITHM, "nothing to disclose")

    def add(
        self,
        hidden: Sequence[Sequence[Any]],
        disclosed: Sequence[Sequence[Any]],  # noqa: ARG002 - the protocol's
        group: Group,
    ) -> list[str]:
        """Return the sums of ciphertexts, of which nobody can tell what they were made from."""
        if any(len(row) != len(hidden[0]) for row in hidden):
            raise RefusedError(Refusal.MALFORMED, "not as many values")
        sums = [add_all([_cipher(one) for one in column]) for column in zip(*hidden, strict=True)]
        to = PublicSum(self._known.sums(group.reader))
        return [_text(to.refresh(one, self._draw)) for one in sums]

    def reveal(
        self, total: Sequence[Any], members: Collection[str], group: Group, round_name: str
    ) -> list[int]:
        """Decrypt the sums."""
        del members, round_name
        if self.__keys.unit != group.reader:
            raise RefusedError(Refusal.UNKNOWN_KEY, "not the reader")
        private = self.__keys.sums()
        return [private.decrypt(_cipher(one)) for one in total]

    def is_sound(self, hidden: Sequence[Any]) -> bool:
        """Tell whether these are two ciphertexts."""
        try:
            for one in hidden:
                add_all([_cipher(one)])
        except RefusedError:
            return False
        return len(hidden) == _VALUES

    def work(self, group: Group) -> Mapping[str, Work]:
        """Return multiplications of points: three to hide a value, two to check that it is one."""
        del group
        return {"hide": ("point", 6), "add": ("point", 4), "reveal": ("point", 2)}


SCHEMES = ("masking", "elgamal")


def make_aggregator(scheme: str, keys: Keys, known: PublicKeys, since_ms: int = 0) -> Aggregator:
    """Return a unit's side of a scheme, one of ``SCHEMES``, from ``since_ms`` on.

    Raises ValueError for another.
    """
    if scheme == "masking":
        return Masking(keys, known)
    if scheme == "elgamal":
        return Encrypting(keys, known, since_ms)
    raise ValueError(f"there is no scheme {scheme!r}: one of {', '.join(SCHEMES)}")


def as_fields(hidden: Sequence[Any]) -> dict[str, Any]:
    """Return hidden values as fields of a record: ``v``, or ``v_b64``, which goes as bytes."""
    if all(type(one) is int for one in hidden):
        return {"v": list(hidden)}
    return {"v_b64": _text(b"".join(_cipher(one) for one in hidden))}


def from_fields(record: Mapping[str, Any]) -> list[Any] | None:
    """Return the hidden values of a record, None where there are none."""
    if type(record.get("v")) is list:
        return list(record["v"])
    text = record.get("v_b64")
    try:
        data = base64.b64decode(text, validate=True) if type(text) is str else b""
    except (binascii.Error, ValueError):
        return None
    if not data or len(data) % CIPHERTEXT_BYTES:
        return None
    places = range(0, len(data), CIPHERTEXT_BYTES)
    return [_text(data[place : place + CIPHERTEXT_BYTES]) for place in places]


def _signed(number: int) -> int:
    """Return a number modulo 2^64 as a signed one, which JSON and CBOR can hold."""
    number %= MODULUS
    return number - MODULUS if number >= MODULUS // 2 else number


def _whole(row: Sequence[Any], lane: int) -> int:
    if type(row) is not list or lane >= len(row) or type(row[lane]) is not int:
        raise RefusedError(Refusal.MALFORMED, "not masked values")
    number: int = row[lane]
    return number


def _text(ciphertext: bytes) -> str:
    return base64.b64encode(ciphertext).decode()


def _cipher(text: Any) -> bytes:
    try:
        data = base64.b64decode(text, validate=True) if type(text) is str else b""
    except (binascii.Error, ValueError) as error:
        raise RefusedError(Refusal.MALFORMED, "not base64") from error
    if len(data) != CIPHERTEXT_BYTES:
        raise RefusedError(Refusal.MALFORMED, "length of a ciphertext")
    return data
