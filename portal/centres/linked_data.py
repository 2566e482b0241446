"""A centre in the words of schema.org, for other platforms (SPEC N1): what its page says, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import time
from typing import Any

from portal.centres import rules
from portal.centres.models import Centre, OpeningException
from portal.core import pages

CONTEXT = "https://schema.org"
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
END_OF_DAY = 24 * 60


def known(said: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is not known: an empty text, an empty list, None. Zero and False are known."""
    return {name: value for name, value in said.items() if value is not None and value not in ("", [])}


def url(centre: Centre) -> str:
    """The address of its page, as outsiders use it; also the id by which it is known."""
    return pages.absolute(f"/c/{centre.code}")


def place(centre: Centre) -> dict[str, Any]:
    """Where it is: name, address, position."""
    geo = None
    if centre.latitude is not None and centre.longitude is not None:
        geo = {"@type": "GeoCoordinates", "latitude": centre.latitude, "longitude": centre.longitude}
    address = {"@type": "PostalAddress", "streetAddress": centre.address, "addressCountry": "CN"}
    return known(
        {
            "@type": "Place",
            "name": centre.name,
            "address": address if centre.address else None,
            "geo": geo,
            "telephone": international(centre.phone),
            "url": url(centre),
        }
    )


def organisation(centre: Centre) -> dict[str, Any]:
    """Who it is, as an organiser or the one above."""
    return {"@type": "GovernmentOffice", "@id": url(centre), "name": centre.name, "url": url(centre)}


def office(
    centre: Centre,
    above: Centre | None,
    week: Mapping[int, Sequence[rules.Hours]],
    days: Iterable[OpeningException],
    photos: Sequence[str],
) -> dict[str, Any]:
    """The centre with its hours. days: those that differ; photos: file names of its pictures."""
    return known(
        {
            "@context": CONTEXT,
            **place(centre),
            **organisation(centre),
            "description": centre.intro,
            "parentOrganization": organisation(above) if above else None,
            "openingHoursSpecification": _hours(week),
            "specialOpeningHoursSpecification": [_special(day) for day in days],
            "image": [pages.absolute(f"/pictures/{name}") for name in photos],
            "hasMap": pages.absolute("/centres"),
        }
    )


def international(phone: str) -> str:
    """'0755-84200001' as it is dialled from anywhere: '+86-755-84200001'; '' for none."""
    return f"+86-{phone.removeprefix('0')}" if phone else ""


def _clock(minutes: int) -> str:
    """Minutes after midnight as a time; the end of a day is its last minute, for schema.org knows no 24:00."""
    hour, minute = divmod(min(minutes, END_OF_DAY - 1), 60)
    return time(hour, minute).isoformat("minutes")


def _hours(week: Mapping[int, Sequence[rules.Hours]]) -> list[dict[str, Any]]:
    """Days of equal hours stand together."""
    days: dict[tuple[int, int], list[str]] = {}
    for weekday in sorted(week):
        for span in week[weekday]:
            days.setdefault((span.opens, span.closes), []).append(f"{CONTEXT}/{WEEKDAYS[weekday]}")
    return [
        {
            "@type": "OpeningHoursSpecification",
            "dayOfWeek": names,
            "opens": _clock(opens),
            "closes": _clock(closes),
        }
        for (opens, closes), names in days.items()
    ]


def _special(day: OpeningException) -> dict[str, Any]:
    """One day that differs; closed all day is from midnight to midnight, as schema.org says it."""
    return {
        "@type": "OpeningHoursSpecification",
        "validFrom": day.day.isoformat(),
        "validThrough": day.day.isoformat(),
        "opens": _clock(day.opens or 0),
        "closes": _clock(day.closes or 0),
    }
