"""Documents of OpenADR are read as openleadr means them, and nothing else is read."""

from __future__ import annotations

import random
import re
from datetime import timedelta

import pytest

from controllers.openadr import DocumentError, parse_document


def test_a_document_is_read_as_it_was_meant(make):
    signals = [("SIMPLE", "level", [1.0, 2.0], None),
               ("LOAD_CONTROL", "x-loadControlCapacity", [0.75, 0.25], None)]  # fmt: skip
    first = make.event(signals=signals, version=3, answer="never")
    text = make.distribute(first, make.event("other", hours=1.5, targets=("a", "b")))
    found = parse_document(text.encode())
    assert (found.request, found.vtn) == ("r1", "vtn-1")
    one, two = found.events
    assert (one.id, one.modification, one.status, one.answer) == ("shed-1", 3, "far", False)
    assert one.begins == make.T0
    assert one.lasts == timedelta(hours=2)
    assert [(s.name, s.type) for s in one.signals] == [s[:2] for s in signals]
    assert [[i.value for i in s.intervals] for s in one.signals] == [s[2] for s in signals]
    assert {i.lasts for s in one.signals for i in s.intervals} == {timedelta(hours=1)}
    assert two.vens == ("a", "b")
    assert two.lasts == timedelta(minutes=90)


def test_prices_have_their_currency_and_what_they_are_per(make):
    signal = ("ELECTRICITY_PRICE", "price", [0.31], make.EUR_PER_KWH)
    (event,) = parse_document(make.distribute(make.event(signals=[signal])).encode()).events
    assert event.signals[0].per.lower() == "kwh"
    assert event.signals[0].scale == "none"


EVIL = {
    "entities": '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
    "laughs": '<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;">]><a>&c;</a>',
    "external": '<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
    "instruction": '<?xml version="1.0"?><?run me?><a/>',
    "deep": "<a>" * 100 + "</a>" * 100,
    "many": "<a>" + "<b/>" * 6000 + "</a>",
    "long": "<a>" + "x" * 5000 + "</a>",
    "huge": "<a>" + " " * 70_000 + "</a>",
    "cut": "<a>",
    "empty": "",
    "prose": "hello",
    "other": "<a/>",
    "encoding": '<?xml version="1.0" encoding="no-such"?><a/>',
    "bytes": "\x00\x01",
}


@pytest.mark.parametrize("name", sorted(EVIL))
def test_what_no_document_of_openadr_is_is_refused(name):
    with pytest.raises(DocumentError):
        parse_document(EVIL[name].encode())


WRONG = [
    (r'schemaVersion="2.0b"', 'schemaVersion="1.0"', "schemaVersion"),
    (r"<ei:eventID>shed-1</ei:eventID>", "", "eventID"),
    (r"<ei:eventID>shed-1<", "<ei:eventID><", "empty"),
    (r"<ei:modificationNumber>0<", "<ei:modificationNumber>-1<", "no number"),
    (r"<ei:eventStatus>far<", "<ei:eventStatus>soon<", "eventStatus"),
    (r"<duration>PT2H<", "<duration>two hours<", "no duration"),
    (r"<duration>PT2H<", "<duration>PT0S<", "above zero"),
    (r"<duration>PT2H<", "<duration>PT3H<", "intervals last"),
    (r"<date-time>[^<]*<", "<date-time>yesterday<", "no time"),
    (r"(<date-time>[^<]*)Z<", r"\1<", "no time zone"),
    (r"<ei:value>2.0<", "<ei:value>nan<", "no number"),
    (r"<ei:value>2.0<", "<ei:value>two<", "no number"),
    (r"<oadr:oadrResponseRequired>always<", "<oadr:oadrResponseRequired>maybe<", "Required"),
    (r"<ei:eiEventSignals>.*</ei:eiEventSignals>", "<ei:eiEventSignals/>", "without a signal"),
    (r"<ei:vtnID>", "<ei:surprise/><ei:vtnID>", "unknown"),
]


@pytest.mark.parametrize(("old", "new", "why"), WRONG)
def test_faults_are_named_with_their_line(make, old, new, why):
    text = make.distribute(make.event())
    wrong = re.sub(old, new, text, flags=re.DOTALL)
    assert wrong != text
    with pytest.raises(DocumentError, match=f"line [0-9]+: .*{why}"):
        parse_document(wrong.encode())


def test_an_event_that_is_there_twice_is_refused(make):
    with pytest.raises(DocumentError, match="twice"):
        parse_document(make.distribute(make.event(), make.event()).encode())


def test_damaged_documents_are_refused_or_read_but_never_raise_anything_else(make):
    rng = random.Random(1)
    text = bytearray(make.distribute(make.event()).encode())
    read = 0
    for _ in range(2000):
        wrong = bytearray(text)
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(wrong))
            if rng.random() < 0.5:
                wrong[at] = rng.randrange(256)
            else:
                del wrong[at : at + rng.randint(1, 60)]
        try:
            parse_document(bytes(wrong))
            read += 1
        except DocumentError:
            pass
    assert 0 < read < 1500
