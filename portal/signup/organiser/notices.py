"""The wording of what an organiser writes to everybody of an activity (SPEC M3)."""

from portal.catalogue.models import Entry
from portal.core.words import Words
from portal.signup.notices import call


def to_all(entry: Entry, words: str) -> Words:
    """The message as everybody reads it."""
    return Words("change.message", f"《{entry.title}》的通知", f"{words.strip()} {call(entry)}".strip())
