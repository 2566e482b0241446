"""What is due without anybody asking: silence after something was done; what is no longer needed (SPEC H2, P8)."""

from datetime import datetime, timedelta

from sqlalchemy import select, update

from portal.core import outbox, registry, scope
from portal.core.db import db, hit, writing
from portal.help_requests import actions, help_kinds, queries
from portal.help_requests.models import DONE, HelpAddress, HelpRequest

CHUNK = 500


@registry.due
def settle(now: datetime) -> int:
    """Close what was done and met with silence for the profile's days; returns how many. One transaction each."""
    with scope.system("done, and nobody said anything"):
        ids = queries.silent(now - help_kinds.policy().silence)
        db.session.rollback()
        for number in ids:
            with writing():
                row = db.session.get_one(HelpRequest, number, with_for_update={"of": HelpRequest})
                if row.status == DONE:
                    actions.settle(row, now)
        return len(ids)


def forget_old(now: datetime) -> int:
    """The nightly cleaning (P8): address and position of what was closed 30 days ago are rounded to the community,
    voices go 90 days after closing; what was asked, when and by whom it was done stays. Returns how many rows.
    """
    p = help_kinds.policy()
    with scope.system("what nobody needs any more"):
        old = select(HelpRequest.address_id).where(HelpRequest.closed_at <= now - timedelta(days=p.position_days))
        rows = list(db.session.scalars(
            select(HelpAddress).where(HelpAddress.id.in_(old), HelpAddress.rounded_at.is_(None)).limit(CHUNK)
        ))  # fmt: skip
        for row in rows:
            row.text, row.latitude, row.longitude = "", row.centre.latitude, row.centre.longitude
            row.rounded_at = now
        return len(rows) + _forget_voices(now - timedelta(days=p.voice_days), now)


def _forget_voices(closed_before: datetime, now: datetime) -> int:
    """The rows now, the files after the commit, again until they are gone."""
    wanted = select(HelpRequest.id, HelpRequest.voice_file).where(
        HelpRequest.voice_file != "", HelpRequest.closed_at <= closed_before
    )
    found = list(db.session.execute(wanted.limit(CHUNK)))
    for number, file in found:
        outbox.put("help.voice_gone", f"{number}", {"file": file}, now)
    gone = update(HelpRequest).where(HelpRequest.id.in_([number for number, _ in found]))
    hit(gone.values(voice_file="", voice_seconds=0), synchronize_session=False)
    return len(found)
