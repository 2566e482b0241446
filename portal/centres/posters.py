"""What the QR poster of a centre says, from the database (SPEC N3, Q7)."""

from collections.abc import Sequence
from datetime import date

from portal.centres import profile, queries, rules
from portal.centres.documents import CentrePoster
from portal.centres.models import Centre
from portal.core import pages


def posters(rows: Sequence[Centre], today: date) -> list[CentrePoster]:
    """One poster a centre, in order. Number and hours are left out or borrowed where they are not known."""
    calls = queries.telephones(rows)
    return [
        CentrePoster(
            name=centre.name, phone=calls[centre.id].number, phone_of=calls[centre.id].whose, address=centre.address,
            hours=tuple(f"{days} {text}" for days, text in rules.week_text(queries.weekly_hours(centre.id))),
            issued_on=today, url=pages.absolute(f"/c/{centre.code}"), short_name=centre.label,
            network=f"{profile.current().name}党群服务阵地",
        )
        for centre in rows
    ]  # fmt: skip
