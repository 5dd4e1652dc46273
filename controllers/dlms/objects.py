"""The objects of a meter: which COSEM object a variable is, and what its attributes hold.

Registers are extended registers (their capture time is the value's time stamp) with the OBIS code
that the catalogue names. Their past is a profile, register by register. The load profile that a
meter remembers is one, too. All other variables are data objects in the manufacturer's range,
``0-0:128.x.y.z`` with the catalogue's code as x, y, z, whose value is time stamp and value.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from controllers.dlms.apdu import Attribute, logical_name, obis
from controllers.dlms.axdr import Data, DlmsError, Tag
from controllers.dlms.clock import from_clock, to_clock
from controllers.dlms.values import from_data, is_number, to_data
from controllers.unit.catalogue import Catalogue, Variable

__all__ = [
    "ASSOCIATION",
    "CLOCK",
    "HISTORY",
    "MESSAGES",
    "CosemObject",
    "Objects",
    "Stamped",
    "defined",
    "definition",
    "objects_of",
    "push_setup",
    "pushed",
    "read_stamp",
    "stamp",
    "without_policy",
]

_DATA, _EXTENDED, _PROFILE, _CLOCK, _ASSOCIATION, _PUSH, _MESSAGES = 1, 4, 7, 8, 15, 40, 8192
_VALUE, _SCALER_UNIT, _CAPTURE_TIME = 2, 3, 5
_BUFFER, _CAPTURED, _PERIOD = 2, 3, 4
_KINDS = {
    "register": (_EXTENDED, (_VALUE, _CAPTURE_TIME)),
    "profile": (_PROFILE, (_BUFFER, _PERIOD)),
    "data": (_DATA, (_VALUE,)),
}
_OWN, _DIGITS = 128, re.compile(r"(\d+)-(\d+):(\d+\.\d+\.\d+\.\d+)")
_PUSHES = 64
Stamped = tuple[Any, int]
"""A value and its time stamp [ms], -1 where it has none."""

_POLICY = Data(Tag.UTF8_STRING, "policy")
CLOCK = Attribute(_CLOCK, "0.0.1.0.0.255")
ASSOCIATION = Attribute(_ASSOCIATION, "0.0.40.0.0.255", 1)
"""The method by which a client answers a server's challenge."""
HISTORY = Attribute(_PROFILE, "1.0.99.2.0.255")
"""The past of all registers, each row with its time stamp."""
MESSAGES = Attribute(_MESSAGES, "0.0.129.0.0.255", 1)
"""A method of the manufacturer's that takes and returns a message in the platform's protocol."""


def push_setup(number: int, attribute: int = 2) -> Attribute:
    """Return an attribute of the push set-up of a number from 1 on; -1 has its trigger, too."""
    return Attribute(_PUSH, f"0.{number}.25.9.0.255", attribute)


def pushed(attribute: Attribute) -> int:
    """Return the number of the push set-up that an attribute is of, 0 where it is of none."""
    code = obis(attribute.name)
    is_one = attribute.class_id == _PUSH and code[:1] + code[2:] == b"\x00\x19\x09\x00\xff"
    return code[1] if is_one and code[1] < _PUSHES else 0


def definition(attribute: Attribute) -> Data:
    """Return what stands for an attribute in a list of objects: class, name, attribute, index."""
    return Data(
        Tag.STRUCTURE,
        (
            Data(Tag.LONG_UNSIGNED, attribute.class_id),
            Data(Tag.OCTET_STRING, obis(attribute.name)),
            Data(Tag.INTEGER, attribute.number),
            Data(Tag.LONG_UNSIGNED, 0),
        ),
    )


def defined(data: Data) -> Attribute:
    """Return the attribute that an entry of a list of objects means; raises DlmsError."""
    parts = data.parts
    tags = (Tag.LONG_UNSIGNED, Tag.OCTET_STRING, Tag.INTEGER, Tag.LONG_UNSIGNED)
    if tuple(part.tag for part in parts) != tags:
        raise DlmsError("no definition of an object")
    return Attribute(parts[0].value, logical_name(parts[1].value), parts[2].value)


def stamp(t_ms: int) -> Data:
    """Return a time stamp; null for none."""
    return Data(Tag.NULL) if t_ms == -1 else Data(Tag.OCTET_STRING, to_clock(t_ms))


def read_stamp(data: Data) -> int:
    """Return a time stamp [ms]; raises DlmsError."""
    if data.tag is Tag.NULL:
        return -1
    if data.tag is not Tag.OCTET_STRING:
        raise DlmsError("no time stamp")
    return from_clock(data.value)


@dataclass(frozen=True, slots=True)
class _Scale:
    """How a register has its value: integers of ``tag``, times ten to the ``scaler``, in a unit."""

    tag: Tag
    largest: int
    scaler: int
    unit: int

    def encode(self, value: Any) -> Data:
        """Return a number, as a float where the register's steps do not hold it exactly."""
        if type(value) not in (int, float):
            return to_data(value)
        if 0 <= value <= self.largest:
            number = round(value * 10**-self.scaler)
            if number <= self.largest and self._float(number) == value:
                return Data(self.tag, number)
        return to_data(value)

    def decode(self, data: Data) -> Any:
        """Return the number; raises DlmsError."""
        if data.tag is self.tag:
            return self._float(data.value)
        if data.tag is Tag.BOOLEAN or not is_number(data):
            raise DlmsError("no number")
        return data.value

    def _float(self, number: int) -> float:
        steps: int = 10**-self.scaler
        return number / steps

    def described(self) -> Data:
        """Return scaler and unit, as attribute 3 has them."""
        parts = (Data(Tag.INTEGER, self.scaler), Data(Tag.ENUM, self.unit))
        return Data(Tag.STRUCTURE, parts)


_WH = _Scale(Tag.DOUBLE_LONG_UNSIGNED, (1 << 32) - 1, 0, 30)
_SCALES = {"Wh": _WH, "V": _Scale(Tag.LONG_UNSIGNED, (1 << 16) - 1, -1, 35)}
_ROW_WH = _Scale(Tag.DOUBLE_LONG_UNSIGNED, (1 << 32) - 1, -3, 30)
_OTHER_NAMES = {"voltage": "1.0.12.7.0.255"}  # the catalogue has IEC 61850's name of it
_RECORD_PROFILE = ("start_ms", "step_ms", "import_wh", "export_wh")
_INTERVALS = ("1.0.1.29.0.255", "1.0.2.29.0.255")


@dataclass(frozen=True, slots=True)
class CosemObject:
    """A variable as an object; ``kind`` is ``register``, ``profile`` or ``data``.

    ``reads`` are the attributes that tell value and time stamp.
    """

    variable: Variable
    name: str
    kind: str
    reads: tuple[Attribute, ...]

    @classmethod
    def of(cls, variable: Variable, name: str, kind: str) -> CosemObject:
        """Return the object of that logical name."""
        class_id, numbers = _KINDS[kind]
        reads = tuple(Attribute(class_id, name, number) for number in numbers)
        return cls(variable, name, kind, reads)

    @property
    def value(self) -> Attribute:
        """The attribute that is written, and that stands in the columns of a profile."""
        return self.reads[0]

    @property
    def scale(self) -> _Scale:
        """How a register's value is held."""
        return _SCALES[self.variable.measure]

    # -- what attributes hold ----------------------------------------------------------------

    def encode(self, stamped: Stamped, policy: Any = None) -> tuple[Data, ...]:
        """Return what ``reads`` hold; raises DlmsError.

        A policy that is not the variable's usual one stands with the last of them.
        """
        *others, last = self._encode(stamped)
        if policy is not None:
            last = Data(Tag.STRUCTURE, (_POLICY, last, to_data(policy)))
        return (*others, last)

    def _encode(self, stamped: Stamped) -> tuple[Data, ...]:
        value, t_ms = stamped
        if self.kind == "register":
            return self.scale.encode(value), stamp(t_ms)
        if self.kind == "profile":
            rows = _rows(value)
            if rows is not None:
                return rows, Data(Tag.DOUBLE_LONG_UNSIGNED, value["step_ms"] // 1000)
            # what is no profile after all goes as any value, with its time stamp
            return self._plain(value), stamp(t_ms)
        return (Data(Tag.STRUCTURE, (stamp(t_ms), self._plain(value))),)

    def decode(self, outcomes: tuple[Data, ...]) -> Stamped:
        """Return value and time stamp of what ``reads`` hold; raises DlmsError."""
        if len(outcomes) != len(self.reads):
            raise DlmsError("not as many attributes as asked for")
        if self.kind == "register":
            return self.scale.decode(outcomes[0]), read_stamp(outcomes[1])
        if self.kind == "profile":
            if outcomes[1].tag is Tag.DOUBLE_LONG_UNSIGNED:
                return _record(outcomes[0], outcomes[1].value)
            return from_data(outcomes[0], self.variable.fields), read_stamp(outcomes[1])
        parts = outcomes[0].parts
        if len(parts) != 2:
            raise DlmsError("not time stamp and value")
        return from_data(parts[1], self.variable.fields), read_stamp(parts[0])

    def written(self, value: Any) -> Data:
        """Return what is written to ``value``; raises DlmsError."""
        return self.scale.encode(value) if self.kind == "register" else self._plain(value)

    def read_written(self, data: Data) -> Any:
        """Return the value that was written; raises DlmsError."""
        if self.kind == "register":
            return self.scale.decode(data)
        return from_data(data, self.variable.fields)

    def _plain(self, value: Any) -> Data:
        return to_data(value, self.variable.fields)


class Objects:
    """All objects of a meter whose variables are those of a catalogue."""

    __slots__ = ("_catalogue", "_found", "_named", "registers")

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._found: dict[str, CosemObject] = {}
        found = [self.of(variable.name) for variable in catalogue]
        self._named = {one.name: one for one in found if one is not None and one.kind != "data"}
        self.registers = tuple(one for one in self._named.values() if one.kind == "register")

    def of(self, name: str) -> CosemObject | None:
        """Return the object of a variable; None where nobody has declared it."""
        variable = self._catalogue.get(name)
        if variable is None or not 0 < variable.code < 1 << 24:
            return None
        if name not in self._found:
            self._found[name] = self._object(variable)
        return self._found[name]

    @staticmethod
    def _object(variable: Variable) -> CosemObject:
        field = _DIGITS.fullmatch(variable.field)
        known = ".".join(field.groups()) if field else _OTHER_NAMES.get(variable.name, "")
        if known and variable.kind == "number" and variable.measure in _SCALES:
            return CosemObject.of(variable, known, "register")
        if known and variable.fields == _RECORD_PROFILE:
            return CosemObject.of(variable, known, "profile")
        code = bytes([0, 0, _OWN]) + variable.code.to_bytes(3, "big")
        return CosemObject.of(variable, logical_name(code), "data")

    def at(self, attribute: Attribute) -> CosemObject | None:
        """Return the object that an attribute is of; None where there is none."""
        code = obis(attribute.name)
        found = self._named.get(attribute.name)
        if code[:3] == bytes([0, 0, _OWN]):
            variable = self._catalogue.of_code(int.from_bytes(code[3:], "big"))
            found = None if variable is None else self.of(variable.name)
        if found is None or found.value.class_id != attribute.class_id:
            return None
        return found

    def constant(self, attribute: Attribute) -> Data | None:
        """Return what an attribute always holds: names, scales, columns; None where it varies."""
        if attribute.number == 1:
            is_one = self.at(attribute) is not None or attribute.name == HISTORY.name
            return Data(Tag.OCTET_STRING, obis(attribute.name)) if is_one else None
        if attribute == Attribute(_PROFILE, HISTORY.name, _CAPTURED):
            columns = (CLOCK, *(one.value for one in self.registers))
            return Data(Tag.ARRAY, tuple(definition(one) for one in columns))
        found = self.at(attribute)
        if found is None or attribute.number != _SCALER_UNIT:
            return None
        if found.kind == "register":
            return found.scale.described()
        if found.kind == "profile":
            intervals = (Attribute(_EXTENDED, name) for name in _INTERVALS)
            return Data(Tag.ARRAY, tuple(definition(one) for one in (CLOCK, *intervals)))
        return None


def without_policy(outcomes: tuple[Data, ...]) -> tuple[tuple[Data, ...], Any]:
    """Return what ``reads`` hold, and the policy with it, None for the usual; raises DlmsError."""
    if not outcomes or outcomes[-1].parts[:1] != (_POLICY,) or len(outcomes[-1].parts) != 3:
        return outcomes, None
    _, last, policy = outcomes[-1].parts
    plain = from_data(policy)
    if type(plain) not in (str, list):
        raise DlmsError("no policy")
    return (*outcomes[:-1], last), plain


@lru_cache(maxsize=8)
def objects_of(catalogue: Catalogue) -> Objects:
    """Return the objects of a catalogue's variables, the same for all meters."""
    return Objects(catalogue)


def _rows(value: Any) -> Data | None:
    """Return a load profile's rows; None for what is none or does not fit.

    Only the first row tells its time, the others follow at the capture period.
    """
    if type(value) is not dict or set(value) != set(_RECORD_PROFILE):
        return None
    start_ms, step_ms, imports, exports = (value[key] for key in _RECORD_PROFILE)
    if type(start_ms) is not int or type(step_ms) is not int or not 0 < step_ms < 1 << 40:
        return None
    if start_ms % 10 or step_ms % 1000 or type(imports) is not list or type(exports) is not list:
        return None
    if len(imports) != len(exports) or not imports:
        return None
    begin = stamp(start_ms)
    rows = []
    for place, pair in enumerate(zip(imports, exports, strict=True)):
        cells = tuple(_ROW_WH.encode(one) for one in pair)
        if any(cell.tag is not _ROW_WH.tag for cell in cells):
            return None
        rows.append(Data(Tag.STRUCTURE, (Data(Tag.NULL) if place else begin, *cells)))
    return Data(Tag.ARRAY, tuple(rows))


def _record(rows: Data, step_s: int) -> Stamped:
    if rows.tag is not Tag.ARRAY or not rows.value or not step_s:
        raise DlmsError("no profile")
    columns: tuple[list[Any], list[Any]] = ([], [])
    start_ms = -1
    for place, row in enumerate(rows.value):
        if row.tag is not Tag.STRUCTURE or len(row.value) != 3:
            raise DlmsError("no row of a profile")
        if not place:
            start_ms = read_stamp(row.value[0])
        for column, cell in zip(columns, row.value[1:], strict=True):
            column.append(_ROW_WH.decode(cell))
    record = {"start_ms": start_ms, "step_ms": step_s * 1000, "import_wh": columns[0],
              "export_wh": columns[1]}  # fmt: skip
    return record, start_ms + len(columns[0]) * step_s * 1000
