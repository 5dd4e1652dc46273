"""The last answers that a unit gave: a repeated request is answered again, not executed again."""

from __future__ import annotations

from typing import Any

from controllers.unit.notes import Notebook
from controllers.unit.service import Result
from controllers.unit.wire import Notify

__all__ = ["Answers", "from_plain", "plain"]

_KEPT = 256


class Answers:
    """Answers by the request's identifier, the last 256; noted, so a restart forgets none."""

    __slots__ = ("_answers", "_next", "_notes", "_slots")

    def __init__(self, notes: Notebook) -> None:
        self._notes = notes
        self._answers: dict[str, Notify] = {}
        self._slots: dict[int, str] = {}
        self._next = 0
        found = sorted(notes.items("answers").values(), key=lambda entry: int(entry[0]))
        for number, noted in found:
            self._put(number, from_plain(noted))

    def __contains__(self, request: str) -> bool:
        """Tell whether a request was answered; not if that is long ago."""
        return request in self._answers

    def __getitem__(self, request: str) -> Notify:
        return self._answers[request]

    def keep(self, answer: Notify) -> None:
        """Remember an answer in place of the oldest."""
        number = self._next
        self._put(number, answer)
        self._notes.put("answers", str(number % _KEPT), [number, plain(answer)])

    def _put(self, number: int, answer: Notify) -> None:
        slot = number % _KEPT
        self._answers.pop(self._slots.get(slot, ""), None)
        self._slots[slot] = answer.request
        self._answers[answer.request] = answer
        self._next = number + 1


def plain(answer: Notify) -> list[Any]:
    """Return the JSON form of a notification."""
    return [
        answer.request, int(answer.result), answer.variable, answer.location, answer.owner,
        answer.value, answer.t_ms, answer.number, answer.hop, answer.policy, answer.after,
    ]  # fmt: skip


def from_plain(noted: list[Any]) -> Notify:
    """Return the notification of its JSON form."""
    request, result, *rest = noted
    return Notify(request, Result(result), *rest)
