"""/help/urgent: the numbers first, then one press; then what becomes of it, every three seconds (SPEC H4)."""

import re
import uuid

from flask import Blueprint, Response, abort, request, url_for

from portal.centres import profile
from portal.centres import queries as centres
from portal.centres.models import Centre
from portal.core import access, clock, pages, scope
from portal.core.errors import DomainError
from portal.core.incoming import whole_number
from portal.help_requests import voice
from portal.help_requests.urgent import filing, queries, rules, telling
from portal.help_requests.urgent.errors import NoSuchAlarm, PhoneNeeded
from portal.help_requests.urgent.filing import Pressed
from portal.help_requests.urgent.models import UrgentCall
from portal.notices.rules import digits
from portal.people import queries as people
from portal.people import viewer as viewers
from portal.people.models import Resident

bp = Blueprint("urgent", __name__, url_prefix="/help/urgent")
NUMBERS = [(number, rules.NUMBERS[number]) for number in ("120", "110", "119")]


def _person() -> Resident | None:
    viewer = access.viewer()
    return people.resident(viewer.id) if viewer is not None and viewer.audience == "resident" else None


@bp.get("")
@access.public
def press() -> Response:
    """120, 110, 119; then hold for two seconds, or tap and confirm."""
    return _press()


def _press(error: DomainError | None = None) -> Response:
    person, brief = _person(), viewers.home_centre()
    home = centres.get(brief.id) if brief else None
    chain = [home, *reversed(centres.ancestors(home))] if home else []
    with scope.system("whether anybody listens"):
        around = queries.around(queries.community(home), clock.now()) if home else None
    places = (around.own, *around.above, *around.neighbours) if around else ()
    answer = pages.page(
        "help_requests/urgent/press.html", person=person, home=home, error=error, numbers=NUMBERS,
        chain=[c for c in chain if c.phone], hotline=profile.current().hotline,
        rings=[p.label for p in (around.own, *around.above[:1])] if around else [],
        nobody=bool(around) and not any(place.listens for place in places),
        key=request.form.get("key", "") or str(uuid.uuid4()), typed=request.form,
        choices=[] if home else people.home_choices(), rules=rules,
    )  # fmt: skip
    answer.headers["Cache-Control"] = "private, no-store"  # each page has its own key
    return answer


@bp.post("")
@access.public
@pages.act(_press)
def send() -> Response:
    """Alarm. One statement of who, one write; nothing is waited for."""
    person = _person()
    phone = (person.phone or "") if person else _phone(request.form.get("phone", ""))
    key = request.form.get("key", "").lower()
    pressed = Pressed(
        key=key if filing.is_key(key) else str(uuid.uuid4()), phone=phone, centre=_centre(person), resident=person,
        words=request.form.get("words", ""), address=request.remote_addr or "",
    )  # fmt: skip
    call = filing.file(pressed, clock.now())
    return pages.see_other(url_for(".status", call_key=call.key))


def _phone(raw: str) -> str:
    """Mobile or not: somebody in need is not taught how to write a number. Raises PhoneNeeded."""
    found = re.sub(r"\D", "", digits(raw))
    if not 7 <= len(found) <= 15:
        raise PhoneNeeded()
    return found


def _centre(person: Resident | None) -> Centre | None:
    chosen = whole_number(request.form.get("centre_id"))
    brief = viewers.home_centre()
    number = (person.home_centre_id if person else None) or chosen or (brief.id if brief else None)
    found = centres.get(number)
    return found if found is not None and found.active else None


def _found(key: str) -> UrgentCall:
    with scope.system("whoever holds the key"):
        return (queries.call_by_key(key) if filing.is_key(key) else None) or abort(404)


@bp.get("/<call_key>")
@access.public
def status(call_key: str) -> Response:
    """On how many screens it rings, who has it, who is on the way; asked again every three seconds while it is looked
    at, without a script every ten."""
    return _status(call_key)


def _status(key: str, error: DomainError | None = None) -> Response:
    now = clock.now()
    answer = pages.page(
        "help_requests/urgent/status.html", "now", told=telling.tell(_found(key), now), numbers=NUMBERS, error=error,
        most=voice.MOST_SECONDS, typed=request.form if error else {},
    )  # fmt: skip
    answer.headers["X-Robots-Tag"] = "noindex, nofollow"
    answer.headers["Cache-Control"] = "private, no-store"
    return answer


def _refused(error: DomainError, call_key: str) -> Response:
    if isinstance(error, NoSuchAlarm):
        abort(404)
    return _status(call_key, error)


def _done(said: str, call_key: str) -> Response:
    return pages.said(said, url_for(".status", call_key=call_key), lambda: _status(call_key))


@bp.post("/<call_key>/place")
@access.public
@pages.act(_refused, _done)
def place(call_key: str) -> str:
    """Where the phone is, in degrees and metres; anything odd is no position."""
    try:
        north, east = float(request.form.get("latitude", "")), float(request.form.get("longitude", ""))
        accuracy = float(request.form.get("accuracy", ""))
    except ValueError:
        return ""
    if -90 <= north <= 90 and -180 <= east <= 180 and accuracy >= 0:  # false for NaN
        filing.locate(call_key, north, east, int(min(accuracy, 100_000)), clock.now())
    return ""


@bp.post("/<call_key>/say")
@access.public
@pages.act(_refused, _done)
def say(call_key: str) -> str:
    """What happened, in words."""
    filing.say(call_key, request.form.get("words", ""), clock.now())
    return "已送到。"


@bp.post("/<call_key>/voice")
@access.public_files
@pages.act(_refused, _done)
def speak(call_key: str) -> str:
    """What happened, as a recording: written anew before anything is locked."""
    _found(call_key)
    data = voice.sent(request.files.get("voice"))
    if not data:
        raise voice.VoiceRefused("还没有录音。", field="voice")
    kept = voice.save(data, "voice")
    filing.say(call_key, "", clock.now(), kept.name, kept.seconds)
    return "录音已送到。" if not kept.cut else "录音已送到，只留了前一分钟。"


@bp.post("/<call_key>/wrong")
@access.public
@pages.act(_refused, _done)
def wrong(call_key: str) -> str:
    """按错了: staff ring back to be sure."""
    filing.by_mistake(call_key, clock.now())
    return "已告诉工作人员。他们会打个电话问一声，请接听。"
