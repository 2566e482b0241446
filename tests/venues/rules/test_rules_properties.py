"""Rules of venues against a slow model that looks at every five minutes of three days (SPEC V1, V2, V5, V7).

The model knows nothing of intervals: a grain of five minutes is open or not, closed or not, taken or not, and a
booking is a walk over grains of Shanghai's clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portal.core import clock
from portal.venues import rules
from portal.venues.rules import Closure, Span, Terms

pytestmark = pytest.mark.once

GRAIN = timedelta(minutes=5)
DAY = timedelta(days=1)
DAYS = [date(2026, 12, 2), date(2027, 1, 1), date(2028, 2, 29)]
quick = settings(derandomize=True, deadline=None, max_examples=120, suppress_health_check=list(HealthCheck))


# The model ------------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=200)
def grains(day: date) -> tuple[tuple[datetime, int], ...]:
    """Every grain of a local day with the wall clock's minute, found by looking at each."""
    at = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=20)
    found = []
    while at < datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(hours=48):
        there = clock.local(at)
        if there.date() == day:
            found.append((at, there.hour * 60 + there.minute))
        at += GRAIN
    return tuple(found)


@lru_cache(maxsize=200)
def walls(day: date) -> dict[datetime, int]:
    """The wall clock's minute of each grain from the day before to the second day after."""
    return {at: wall for offset in (-1, 0, 1, 2) for at, wall in grains(day + offset * DAY)}


def cells(span: Span) -> Iterator[datetime]:
    at = span.start
    while at < span.end:
        yield at
        at += GRAIN


def hours_of(terms: Terms, day: date) -> tuple[tuple[int, int], ...]:
    return terms.exceptions[day] if day in terms.exceptions else terms.weekly.get(day.weekday(), ())


def opened(terms: Terms, day: date) -> set[datetime]:
    """Grains of a day from the first that shows `opens` or later to before the first that shows `closes` or later."""
    result: set[datetime] = set()
    all_of_day = grains(day)
    for opens, closes in hours_of(terms, day):
        first = next((i for i, (_, wall) in enumerate(all_of_day) if wall >= opens), len(all_of_day))
        last = next((i for i, (_, wall) in enumerate(all_of_day) if wall >= closes), len(all_of_day))
        result.update(at for at, _ in all_of_day[first:last])
    return result


@dataclass
class Model:
    terms: Terms
    day: date
    taken: list[Span]
    now: datetime

    def __post_init__(self) -> None:
        around = [self.day - DAY, self.day, self.day + DAY]
        self.open = {at for day in around for at in opened(self.terms, day)}
        for closure in self.terms.closures:
            self.open -= {at for at in self.open if closure.span.start <= at < closure.span.end}
        self.busy = {at for span in self.taken for at in cells(span)}
        self.wall = walls(self.day)

    def on_grid(self, at: datetime) -> bool:
        return at in self.wall and self.wall[at] % self.terms.step == 0

    def may_start(self, at: datetime) -> bool:
        today = clock.local(self.now).date()
        day = clock.local(at).date()
        early_enough = today <= day <= today + self.terms.ahead_days * DAY
        return early_enough and self.on_grid(at) and at >= self.now + timedelta(minutes=self.terms.notice)

    def ends(self, start: datetime) -> list[datetime]:
        """Walk from `start` grain by grain as far as it is open and free, and note where one could stop."""
        found: list[datetime] = []
        at = start
        if not self.may_start(start):
            return []
        while at in self.open and at not in self.busy:
            at += GRAIN
            length = (at - start) // timedelta(minutes=1)
            after = Span(at, at + timedelta(minutes=self.terms.buffer))
            if length > self.terms.longest:
                break
            if length >= self.terms.shortest and self.on_grid(at) and not self.busy.intersection(cells(after)):
                found.append(at)
        return found

    def starts_of(self, day: date) -> list[datetime]:
        return [at for at, _ in grains(day)]

    def free(self) -> list[Span]:
        """Grains of the day that some booking could have, those that follow each other put together."""
        covered: set[datetime] = set()
        for start in self.starts_of(self.day - DAY) + self.starts_of(self.day):
            for end in self.ends(start):
                covered.update(cells(Span(start, end)))
        return together([at for at in self.starts_of(self.day) if at in covered])


def together(ats: list[datetime]) -> list[Span]:
    spans: list[Span] = []
    for at in ats:
        if spans and spans[-1].end == at:
            spans[-1] = Span(spans[-1].start, at + GRAIN)
        else:
            spans.append(Span(at, at + GRAIN))
    return spans


# What is drawn --------------------------------------------------------------------------------------------------------

SHAPES: list[tuple[tuple[int, int], ...]] = [
    ((0, 1440),), ((510, 1260),), ((0, 1440),), ((0, 60), (1320, 1440)), ((0, 30), (1410, 1440)), ((510, 720), (840, 1080)),
    ((480, 720), (720, 900)), ((0, 180),), ((1200, 1440),), ((125, 155),), ((90, 150), (150, 305)), ((0, 1435),),
]  # fmt: skip


@st.composite
def shapes(draw: st.DrawFn) -> tuple[tuple[int, int], ...]:
    if draw(st.integers(0, 3)):
        return draw(st.sampled_from(SHAPES))
    cuts = sorted(draw(st.sets(st.integers(0, 288), max_size=6)))  # none: closed
    return tuple((opens * 5, closes * 5) for opens, closes in zip(cuts[::2], cuts[1::2], strict=False))


@st.composite
def spans_near(draw: st.DrawFn, begin: datetime, longest: int = 60) -> Span:
    """Somewhere from a day before `begin` to three days after it, up to `longest` grains long."""
    start = begin + draw(st.integers(-288, 3 * 288)) * GRAIN
    return Span(start, start + draw(st.integers(1, longest)) * GRAIN)


@st.composite
def scenes(draw: st.DrawFn) -> Model:
    day = draw(st.sampled_from(DAYS))
    begin = grains(day)[0][0]
    step = draw(st.sampled_from([5, 15, 30, 60]))
    shortest = draw(st.integers(1, 24)) * 5
    longest = -(-shortest // step) * step + draw(st.integers(0, 40)) * 10
    near = [day + offset * DAY for offset in range(-1, 9)]
    usual, unusual = draw(shapes()), draw(st.dictionaries(st.integers(0, 6), shapes(), max_size=2))
    closures = draw(st.lists(spans_near(begin, 120), max_size=2))
    ahead = draw(st.sampled_from([14, 7, 3, 1, 0]))
    terms = Terms(
        weekly=dict.fromkeys(range(7), usual) | unusual,
        exceptions=draw(st.dictionaries(st.sampled_from(near), shapes(), max_size=2)),
        closures=tuple(Closure(span, "检修") for span in closures),
        buffer=draw(st.sampled_from([0, 15, 5, 30, 60])),
        shortest=shortest,
        longest=longest,
        step=step,
        ahead_days=ahead,
        notice=draw(st.sampled_from([60, 0, 120, 1440])),
    )
    buffer = timedelta(minutes=draw(st.sampled_from([terms.buffer, 0])))
    used = draw(st.lists(spans_near(begin), max_size=8))
    back = timedelta(days=draw(st.integers(0, ahead)), hours=draw(st.sampled_from([0, 6, 12])))
    now = begin - back + timedelta(minutes=draw(st.integers(0, 200)) * 5, seconds=draw(st.sampled_from([0, 37])))
    return Model(terms, day, [Span(span.start, span.end + buffer) for span in used], now)


# What must hold -------------------------------------------------------------------------------------------------------


@settings(quick, max_examples=80)
@given(scenes())
def test_open_spans_are_the_open_grains(model: Model) -> None:
    terms, day = model.terms, model.day
    expected = together([at for at, _ in grains(day) if at in model.open])
    assert rules.open_spans(terms, day) == expected
    assert (rules.closed_why(terms, day) is None) == bool(expected)


@quick
@given(scenes())
def test_free_spans_are_what_some_booking_could_have(model: Model) -> None:
    assert rules.free_spans(model.terms, model.day, model.taken, model.now) == model.free()


@quick
@given(scenes(), st.integers(1, 60))
def test_starts(model: Model, grains_long: int) -> None:
    length = grains_long * GRAIN
    expected = [at for at in model.starts_of(model.day) if at + length in model.ends(at)]
    assert rules.starts(model.terms, model.day, model.taken, model.now, grains_long * 5) == expected


@quick
@given(scenes(), st.data())
def test_ends(model: Model, data: st.DataObject) -> None:
    likely = [at for at in model.starts_of(model.day) if model.ends(at)]
    start = data.draw(st.sampled_from(likely or model.starts_of(model.day)))
    start += data.draw(st.sampled_from([timedelta(), timedelta(), GRAIN, timedelta(seconds=1)]))
    assert rules.ends(model.terms, start, model.taken, model.now) == model.ends(start)


@quick
@given(scenes())
def test_every_start_has_an_end_and_every_end_is_a_start_of_that_length(model: Model) -> None:
    """What the page offers in two steps is the same from either side, and passes the rules that decide at the end."""
    terms, taken, now = model.terms, model.taken, model.now
    for start in rules.starts(terms, model.day, taken, now, terms.longest):
        assert start + timedelta(minutes=terms.longest) in rules.ends(terms, start, taken, now)
    for free in rules.free_spans(terms, model.day, taken, now):
        for end in rules.ends(terms, free.start, taken, now):
            booked = Span(free.start, end)
            assert rules.refusal(terms, booked, None, now) is None
            assert not any(rules.collides(rules.held(booked, terms.buffer), other) for other in taken)


def expected_code(model: Model, span: Span, people: int) -> str | None:
    """The first rule in the agreed order that the model finds broken."""
    terms, now = model.terms, model.now
    first, last = clock.local(span.start).date(), clock.local(span.end - timedelta(seconds=1)).date()
    length = (span.end - span.start) / timedelta(minutes=1)
    broken = {
        "reversed": span.end <= span.start,
        "past": span.start < now,
        "too_soon": span.start < now + timedelta(minutes=terms.notice),
        "too_far": first > clock.local(now).date() + terms.ahead_days * DAY,
        "bad_people": people < 1,
        "too_many_people": terms.capacity is not None and people > terms.capacity,
        "too_short": length < terms.shortest,
        "too_long": length > terms.longest,
        "off_step": not (model.on_grid(span.start) and model.on_grid(span.end)),
        "closed": not (hours_of(terms, first) and hours_of(terms, last))
        or any(c.span.start < span.end and span.start < c.span.end for c in terms.closures),
        "outside_hours": not all(at in model.open for at in cells(span)),
    }
    return next((code for code, is_so in broken.items() if is_so), None)


@settings(quick, max_examples=200)
@given(scenes(), st.data(), st.integers(-1, 40))
def test_refusals_in_their_order(model: Model, data: st.DataObject, people: int) -> None:
    model.terms = terms = replace(model.terms, capacity=30)
    starts = [at for at in model.starts_of(model.day) if model.on_grid(at)]
    starts = [at for at in starts if at in model.open] * 4 + starts
    shift = data.draw(st.sampled_from([timedelta()] * 6 + [GRAIN, timedelta(seconds=1)]))
    start = data.draw(st.sampled_from(starts)) + shift
    usual = range(-(-terms.shortest // terms.step), terms.longest // terms.step + 1)
    odd = [-1, 0, 1, usual[-1] + 1, usual[-1] + 2]
    steps = data.draw(st.sampled_from(usual) | st.sampled_from(usual) | st.sampled_from(odd))
    span = Span(start, start + timedelta(minutes=steps * terms.step))
    people = data.draw(st.sampled_from([5, 5, 5, people]))
    found = rules.refusal(terms, span, people, model.now)
    assert (found.code if found else None) == expected_code(model, span, people)
    if found:
        assert found.message.endswith("。") and found.advice.endswith("。") and found.field


@quick
@given(scenes(), st.data())
def test_alternatives(model: Model, data: st.DataObject) -> None:
    terms, taken, now = model.terms, model.taken, model.now
    starts = [at for at in model.starts_of(model.day) if model.on_grid(at)]
    start = data.draw(st.sampled_from(starts))
    steps = data.draw(st.integers(1, terms.longest // terms.step))
    wanted = Span(start, start + timedelta(minutes=steps * terms.step))
    most = data.draw(st.integers(0, 12))
    found = rules.alternatives(terms, wanted, taken, now, most)
    assert len(found) <= most and len(set(found)) == len(found) and wanted not in found
    for other in found:
        assert rules.refusal(terms, other, 1, now) is None
        assert not any(rules.collides(rules.held(other, terms.buffer), busy) for busy in taken)
    assert rules.alternatives(terms, wanted, reversed(taken), now, most) == found
    _nearest_are_there(model, wanted, rules.alternatives(terms, wanted, taken, now, 10))


def _nearest_are_there(model: Model, wanted: Span, found: list[Span]) -> None:
    length = wanted.end - wanted.start
    shifts = [at for at in model.starts_of(model.day) if at != wanted.start and at + length in model.ends(at)]
    before, after = [s for s in shifts if s < wanted.start], [s for s in shifts if s > wanted.start]
    expected = sorted(before[-1:] + after[:1], key=lambda s: (abs(s - wanted.start), s))
    assert [s.start for s in found][: len(expected)] == expected
    parts = [Span(s, e) for s in cells(wanted) for e in model.ends(s) if e <= wanted.end and Span(s, e) != wanted]
    parts = [part for part in parts if not (wanted.start in model.wall and wanted.end in model.ends(wanted.start))]
    if parts:
        longest = max(parts, key=lambda p: (p.end - p.start, -p.start.timestamp()))
        assert longest in found
    later = [s for s in found if clock.local(s.start).date() > model.day and s not in parts]
    clocks = {(clock.local(s.start).time(), clock.local(s.end).time()) for s in later}
    assert clocks <= {(clock.local(wanted.start).time(), clock.local(wanted.end).time())}
    assert [s.start for s in later] == sorted(s.start for s in later)


@quick
@given(scenes())
def test_the_same_hours_on_later_days(model: Model) -> None:
    """With the wished day taken wholly, exactly the days remain on which the same hours may be booked."""
    terms, now = model.terms, model.now
    opens = 600 // terms.step * terms.step
    closes = opens - -terms.shortest // terms.step * terms.step
    wanted = Span(rules.moment(model.day, opens), rules.moment(model.day, closes))
    all_day = Span(grains(model.day)[0][0], grains(model.day)[-1][0] + GRAIN)
    expected = []
    for offset in range(1, 8):
        other = Model(terms, model.day + offset * DAY, [*model.taken, all_day], now)
        start, end = (next(at for at, wall in grains(other.day) if wall == m) for m in (opens, closes))
        if end in other.ends(start):
            expected.append(Span(start, end))
    found = rules.alternatives(terms, wanted, [*model.taken, all_day], now, 20)
    assert found == expected


def borders(day: date) -> list[datetime]:
    """Where weeks and months around `day` begin by the calendar."""
    month = [day.replace(day=1), (day.replace(day=28) + 4 * DAY).replace(day=1)]
    week = [day - day.weekday() * DAY, day + (7 - day.weekday()) * DAY]
    return [grains(first)[0][0] for first in [*week, *month, day]]


@settings(quick, max_examples=250)
@given(
    st.sampled_from(DAYS),
    st.lists(st.tuples(st.integers(0, 4), st.integers(-4, 4), st.integers(1, 6)), min_size=5, max_size=9),
    st.none() | st.integers(-1, 1),
    st.none() | st.integers(-1, 1),
)
def test_limits(
    day: date, booked: list[tuple[int, int, int]], hours_spare: int | None, times_spare: int | None
) -> None:
    """Weeks and months by the calendar, counted one booking at a time, close to where they begin."""
    half = timedelta(minutes=30)
    begins = [(borders(day)[border] + shift * half, length * half) for border, shift, length in booked]
    wanted, *own = (Span(begin, begin + length) for begin, length in begins)

    def there(span: Span) -> date:
        return clock.local(span.start).date()

    same_week = [s for s in own if there(s).isocalendar()[:2] == there(wanted).isocalendar()[:2]]
    same_month = [s for s in own if (there(s).year, there(s).month) == (there(wanted).year, there(wanted).month)]
    spent = sum((s.end - s.start).total_seconds() for s in [*same_week, wanted])
    hours = None if hours_spare is None else max(0, int(spent // 3600) + hours_spare)
    times = None if times_spare is None else max(0, len(same_month) + 1 + times_spare)  # just enough, or not quite
    expected = None
    if hours is not None and spent > hours * 3600:
        expected = "week_limit"
    elif times is not None and len(same_month) + 1 > times:
        expected = "month_limit"
    found = rules.over_limits(Terms({}, hours_per_week=hours, bookings_per_month=times), own, wanted)
    assert (found.code if found else None) == expected


@quick
@given(
    st.sampled_from(DAYS),
    st.integers(-3, 30),
    st.frozensets(st.integers(0, 6)),
    st.integers(0, 23),
    st.integers(1, 24),
)
def test_series_hold_the_wall_clock(
    day: date,
    length: int,
    weekdays: frozenset[int],
    opens: int,
    closes: int,
) -> None:
    first, until = day - 3 * DAY, day - 3 * DAY + length * DAY
    found = rules.series_refusal(first, until, weekdays, opens * 60, closes * 60)
    if length < 0 or closes <= opens:
        assert found and found.code == "reversed"
        return
    terms = Terms(dict.fromkeys(weekdays, ((opens * 60, closes * 60),)))
    days = [first + offset * DAY for offset in range(length + 1)]
    kept = [d for d in days if d.weekday() in weekdays]
    assert (found.code if found else None) == (None if kept else "empty")
    expected = [together(sorted(opened(terms, d))) for d in kept]
    assert rules.series_spans(first, until, weekdays, opens * 60, closes * 60) == [
        span for spans in expected for span in spans
    ]


@settings(quick, max_examples=80)
@given(scenes(), st.data())
def test_two_bookings_collide_when_they_share_a_grain(model: Model, data: st.DataObject) -> None:
    begin, buffer = grains(model.day)[0][0], model.terms.buffer
    a, b = (rules.held(data.draw(spans_near(begin)), buffer) for _ in range(2))
    assert rules.collides(a, b) == bool(set(cells(a)) & set(cells(b))) == rules.collides(b, a)
    after = Span(a.end, a.end + GRAIN)
    assert not rules.collides(a, after) and not rules.collides(after, a)
