"""What makes the demo look lived in: covers, an activity for some only, follows and likes, words of the place."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import selectinload

from portal.catalogue import pictures, synonyms
from portal.catalogue.actions import following
from portal.catalogue.models import DRAFT, PUBLISHED, Entry
from portal.core import scope, uploads
from portal.core.db import db, writing
from portal.demo import covers
from portal.demo.stage import Stage
from portal.people.models import Resident

COVERS = 12
WORDS = "放学托管 四点半课堂 三点半\n量血压 测血压 血压血糖\n扭秧歌 广场舞 健身操\n赶海 净滩 海滩清洁"


def build(stage: Stage) -> int:
    """Play it; returns how many covers were drawn."""
    with scope.system("demo"):
        ahead = select(Entry).where(Entry.status == PUBLISHED, Entry.last_end > stage.now)
        rows = db.session.scalars(
            ahead.options(selectinload(Entry.sessions)).order_by(Entry.first_start, Entry.id)
        ).all()
        chosen = _of_each_kind(rows)
        names = {row.id: pictures.of(row.title, row.groups) for row in chosen}
        db.session.rollback()
    drawn = {number: uploads.save_picture(covers.draw(kind, number)) for number, kind in names.items()}
    with writing(), scope.system("demo"):
        for number, name in drawn.items():
            entry = db.session.get_one(Entry, number)
            entry.cover, entry.version = name, entry.version + 1
        _for_some_only(stage)
    with writing(), scope.system("demo"):
        _followers(stage, list(drawn))
        synonyms.set_list(stage.staff["dapeng"], WORDS, 0, stage.now)
    return len(drawn)


def _of_each_kind(rows: Sequence[Entry]) -> list[Entry]:
    """In turn one of each kind, so that no two neighbours look alike."""
    piles: dict[str, list[Entry]] = {}
    for row in rows:
        piles.setdefault(pictures.of(row.title, row.groups), []).append(row)
    found: list[Entry] = []
    while any(piles.values()) and len(found) < COVERS:
        found += [pile.pop(0) for pile in piles.values() if pile]
    return found[:COVERS]


def _for_some_only(stage: Stage) -> None:
    """One activity for elders alone: of what can still be signed up for, else of next month's drafts."""
    wanted = (
        select(Entry).where(Entry.walk_in.is_(False), Entry.waiting == 0)
        .options(selectinload(Entry.sessions)).order_by(Entry.first_start, Entry.id)
    )  # fmt: skip
    ahead = wanted.where(Entry.status == PUBLISHED, Entry.first_start > stage.now)
    drafts = wanted.where(Entry.status == DRAFT, Entry.month == stage.following)
    for row in (*db.session.scalars(ahead), *db.session.scalars(drafts)):
        if row.groups == ["elder"]:
            row.groups_only, row.version = True, row.version + 1
            return


def _followers(stage: Stage, liked: list[int]) -> None:
    """The demo's first resident and some others follow their community; some like what has a picture."""
    people = db.session.scalars(select(Resident).order_by(Resident.id).limit(40)).all()
    home = {number: code for code, number in stage.centres.items()}
    for place, person in enumerate(people):
        if place % 3 == 0 and person.home_centre_id is not None:
            following.follow_centre(person.id, home[person.home_centre_id], True, stage.now)
        if place % 5 == 0:
            following.follow_category(person.id, "party" if place % 2 else "welfare", True, stage.now)
        for number in liked[place % 4 :: 7]:
            following.like(person.id, number, True, stage.now)
