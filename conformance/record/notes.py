"""What a run says beside its verdict: each note is a text, and knows what kind of note it is."""

from __future__ import annotations

from enum import Enum


class NoteKind(Enum):
    """What a note is about; the value is what a record says."""

    INFERRED = "inferred_claims"
    REDUCTION = "reduction"
    UNFITTED = "unfitted_reduction"
    DECLINED = "declined"
    INCONCLUSIVE = "inconclusive"
    CONVENTION = "convention"
    EXACTNESS = "exactness"
    CONSTANT = "constant_loss"
    TWICE = "activation_twice"
    ANSWERS = "answers"
    CUT_SHORT = "cut_short"
    PAST_CASES = "past_cases"
    INVALID = "invalid"
    DIVERGENCE = "oracle_divergence"
    SHARD = "shard"
    ALONE = "layers_alone"
    LOST = "record_lost"
    OTHER = "other"


class Note(str):
    """The text of a note; `kind` is for whoever decides something by it, the text for people."""

    __slots__ = ("kind",)
    kind: NoteKind

    def __new__(cls, text: str, kind: NoteKind = NoteKind.OTHER) -> Note:
        note = super().__new__(cls, text)
        note.kind = kind
        return note

    def to_json(self) -> dict[str, str]:
        """Kind and text."""
        return {"kind": self.kind.value, "text": str(self)}


# How the notes of schema 1 began, which were texts alone.
BEGINNINGS = {
    "reduction of": NoteKind.REDUCTION, "declined:": NoteKind.DECLINED,
    "inconclusive:": NoteKind.INCONCLUSIVE, "convention:": NoteKind.CONVENTION,
    "answers:": NoteKind.ANSWERS, "time limit:": NoteKind.CUT_SHORT,
    "stopped after": NoteKind.CUT_SHORT, "asked first:": NoteKind.PAST_CASES,
    "left out:": NoteKind.PAST_CASES, "oracle divergence:": NoteKind.DIVERGENCE,
}


def of_schema_1(text: str) -> Note:
    """The note of a record that did not say its kind."""
    found = (kind for start, kind in BEGINNINGS.items() if text.startswith(start))
    return Note(text, next(found, NoteKind.OTHER))


def note_of(kind: str, text: str) -> Note:
    """The note of a record; a kind that this version does not know is another one."""
    known = {each.value: each for each in NoteKind}
    return Note(text, known.get(kind, NoteKind.OTHER))
