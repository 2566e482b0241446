"""Atom feeds of what is published: of a centre with all below it, of a category, of the whole deployment."""

from __future__ import annotations

from datetime import datetime, time
from math import ceil
from typing import Any
from urllib.parse import urlencode, urlsplit

from flask import Blueprint, Response, abort, current_app, request

from portal.catalogue.models import CANCELLED, Entry
from portal.catalogue.open_data import atom, queries
from portal.catalogue.public import month_snapshot
from portal.catalogue.public import queries as public_queries
from portal.centres import profile
from portal.centres import queries as centres
from portal.core import access, clock, pages

bp = Blueprint("catalogue_feeds", __name__)
SINCE = "2026"  # of our names in tag addresses (RFC 4151): a year in which the host was surely ours


@bp.get("/c/<code>/feed.atom")
@access.public
def of_centre(code: str) -> Response:
    """What a centre and all below it publish, the newest first."""
    centre = centres.by_code(code)
    if centre is None or not centre.active:
        abort(404)
    return _answer(
        f"{centre.label} 服务清单", centre.label, f"/c/{centre.code}", f"/c/{centre.code}/feed.atom", centre.path
    )


@bp.get("/services/feed.atom")
@access.public
def of_category() -> Response:
    """What is published in a category, or in all of them."""
    code = request.args.get("category", "")[:32]
    found = queries.category(code) if code else None
    if code and found is None:
        abort(404)
    name = profile.current().name
    title = f"{name} {found.name if found else '服务清单'}"
    asked = f"?{urlencode({'category': code})}" if code else ""
    return _answer(title, name, f"/services{asked}", f"/services/feed.atom{asked}", category=code)


def _answer(title: str, author: str, page_url: str, feed_url: str, path: str = "", category: str = "") -> Response:
    """Made once as long as nothing in the list has changed; an unchanged feed is then answered by 304."""
    now, page = clock.now(), pages.page_number()
    stamps = month_snapshot.read_stamps(month_snapshot.first_ahead(now))
    key = ("feed", page_url, page, tuple(stamps.items()), centres.stamp(), clock.today(now))

    def made() -> bytes | None:
        found = queries.newest(path, category, now, page)
        if page > max(1, ceil(found.count / queries.PAGE)):
            return None
        links = {"alternate": pages.absolute(page_url)} | _links(feed_url, page, found.count)
        feed = atom.Feed(
            _name(page_url), title, _updated(found.entries, now), author, links, _items(found.entries, now)
        )
        return atom.text(feed)

    body = pages.kept(key, made)
    if body is None:
        abort(404)
    return Response(body, mimetype=atom.MIMETYPE)


def _links(feed_url: str, page: int, count: int) -> dict[str, str]:
    """The pages of a feed as RFC 5005 names them. The first page has no number: it is what one subscribes to."""
    last = max(1, ceil(count / queries.PAGE))
    numbers = {"self": page, "first": 1, "last": last}
    numbers |= {"previous": page - 1} if page > 1 else {}
    numbers |= {"next": page + 1} if page < last else {}
    joint = "&" if "?" in feed_url else "?"
    return {
        relation: pages.absolute(feed_url + (f"{joint}page={number}" if number > 1 else ""))
        for relation, number in numbers.items()
    }


def _name(path: str) -> str:
    """A name for ever (RFC 4151): whatever becomes of the address at which it is read."""
    host = urlsplit(current_app.config["BASE_URL"]).hostname
    return f"tag:{host},{SINCE}:{path}"


def _updated(entries: list[Entry], now: datetime) -> datetime:
    """Of the feed; one in which nothing stands is as old as its day."""
    return max((queries.updated(entry) for entry in entries), default=clock.at(clock.today(now), time()))


def _items(entries: list[Entry], now: datetime) -> list[atom.Item]:
    return [_item(entry, now) for entry in entries]


def _item(entry: Entry, now: datetime) -> atom.Item:
    when = public_queries.sessions_view(entry, now).headline
    place = entry.place or entry.centre.label
    own: dict[str, Any] = {"key": _name(f"/services/{entry.id}"), "url": pages.absolute(f"/services/{entry.id}")}
    dates = [clock.span(s.starts_at, s.ends_at) for s in entry.sessions]
    lines = [f"时间：{'；'.join(dates) or when}", f"地点：{place}（{entry.centre.label}）", f"对象：{entry.audience}"]
    lines += [entry.change_note] if entry.change_note else []
    lines += [entry.content] if entry.content else []
    return atom.Item(
        **own,
        title=f"{'已取消：' if entry.status == CANCELLED else ''}{entry.title}",
        updated=queries.updated(entry),
        published=entry.published_at or entry.updated_at,
        author=entry.organiser or entry.centre.label,
        category=(entry.category.code, entry.category.name),
        summary=f"{when} · {place} · {entry.audience}",
        content="\n".join(lines),
    )
