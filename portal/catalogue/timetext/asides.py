"""Takes out of a time cell what is not the time of the service: signing up, gathering, numbers of sessions (SPEC C7).

The rules work on one way of writing (`tokens.simplify`). What is taken out is kept and shown; a time of which it
cannot be told whether it is a session is a doubt, never a session.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from portal.catalogue.timetext.lunar import without_lunar
from portal.catalogue.timetext.tidy import NUMERAL, chinese_number, plain
from portal.catalogue.timetext.tokens import PART, simplify


@dataclass(frozen=True)
class Count:
    """How many there are, as a cell says: weeks (`kind` 周), days (天), or sessions (节, 次课 …)."""

    number: int
    kind: str
    text: str


@dataclass
class Told:
    """A cell: what is left to be read, what was put aside, how many sessions it names, what cannot be told."""

    text: str
    asides: list[str] = field(default_factory=list)
    count: Count | None = None
    doubts: list[str] = field(default_factory=list)
    only_lunar: bool = False


# --- how times look once simplified -------------------------------------------------------

_PART = rf"(?:{PART}|早|晚)"
_WEEKDAY = r"(?:\s*\(?\s*周[一二三四五六日天]\s*\)?)"
_CLOCK = (
    rf"(?:{_PART}\s*)?(?<!\d)\d{{1,2}}(?:\s*:\s*\d{{2}}(?!\d)|;[0-5]\d(?![\d:点时;]|\s*月)"
    r"|[点时](?!间|长|段)(?:半|整|钟|[13一三]刻|\d{1,2}分?)?)"
)
_CLOCKS = rf"{_CLOCK}(?:\s*-\s*(?:次日)?\s*{_CLOCK})?"
_DATE = (
    r"(?<![\d.])(?<!\d:)(?:\d{4}\s*[-./年]\s*)?(?:\d{1,2}\s*[-./月]\s*\d{1,2}(?![\d:.]|\s*[点时])\s*[日号]?"
    rf"|\d{{1,2}}\s*[日号](?![楼会厅馆室院门线教])){_WEEKDAY}?"
)
# Possessive, as all repetitions of alternatives here: a long cell must not be tried in all ways.
_MORE_DATES = rf"(?>\s*(?:-|、|和|及)\s*(?:{_DATE}|\d{{1,2}}(?![\d:.]|\s*[点时分人名组月])[日号]?{_WEEKDAY}?))*+"
_DATED = rf"{_DATE}{_MORE_DATES}\s*(?:{_CLOCKS}|{_PART})?(?:\s*-\s*{_DATE}\s*(?:{_CLOCK})?)?"
_WHEN = rf"(?:{_DATED}|每?逢?周[一二三四五六日天]\s*(?:{_CLOCKS}|{_PART})?|{_CLOCKS})"
_EDGE = r"(?:\s*(?:[之以]?前|起|开始|截?止|为止|[之以]?内|期间|左右))"
_HAS_CLOCK = re.compile(_CLOCK)
_HAS_DATE = re.compile(rf"{_DATE}|周[一二三四五六日天末\d]|工作日|每[天日晚早]|天天|全月|整月|长期|常年")

# --- signing up, announcing: another day than the service ------------------------------------

_SIGN_UP = r"(?:报名|抽签|摇号|公布|公示|领票|取票|抢票|放票|售票|缴费|交费|招募|截稿|投稿|征稿|递交|提交)"
_SIGN_UP_LABEL = rf"(?:{_SIGN_UP}|预约|咨询|登记|审核|截止|截至|发布|通知|领取|办公|接听|联系|回复|反馈|结果|名单)"
_MAY = (
    r"(?:请|可|均可|接受|启动|开放|开始|线上|网上|网络|现场|电话|扫码|微信|统一|完成|进行|截止|居民|市民|在线|集中|停止"
    r"|结束|受理)"
)
_MUST = r"(?:需|须|要|务必|必须|先|提前|自行|于)"
_NOT_A_LABEL = r"(?!\s*(?:截止|截至|开始|起止)?(?:时间|日期|期限|时段)|\s*[:]|\s*(?:电话|方式|热线|地点|链接|二维码))"
_SIGN_UP_AFTER = re.compile(
    rf"(?:请?于|自|从)?\s*{_WHEN}(?:{_EDGE}++(?:{_MAY}|{_MUST})*+|{_MAY}*+)\s*(?<![需须要免凭]){_SIGN_UP}{_NOT_A_LABEL}"
    r"(?:结果|名单|完毕|截止|结束|为止)*"
)
_SIGN_UP_BEFORE = re.compile(
    rf"(?<![需须要免请前凭]){_SIGN_UP}(?:工作|通道|入口)?"
    rf"(?:\s*(?:截止|截至|开始|开放|结束|从|自|于|起止|期|为|至|:|-))*\s*{_WHEN}{_EDGE}*"
)
_DEADLINE = re.compile(
    rf"(?:请?于|截止到?|截至|最[晚迟]|务必)?\s*(?:{_DATE}\s*)?{_CLOCK}\s*(?:[之以]前|前(?!\s*(?:往|台|厅|排))|截止)"
    rf"|(?:截止|截至)(?:时间|日期)?\s*[:为]?\s*{_DATE}\s*{_CLOCK}"
)

# --- gathering: the same day, only the clock is not the service's --------------------------------

_GATHER = (
    r"(?:签到|签名|到场|到位|到达|抵达|入场|进场|集合|集结|报到|检票|验票|候场|候车|出发|发车|登车|乘车|上车|开门|安检|入座"
    r"|就座|就坐|热身|暖场|化妆|返程|返回|散场|离场|清场)"
)
_GATHER_AFTER = re.compile(
    rf"(?:{_CLOCK}\s*-\s*{_CLOCK}{_EDGE}?\s*(?:为|观众|学员|居民|嘉宾|家长|参赛者|现场|统一|请)*"
    rf"|{_CLOCK}{_EDGE}?[^\d,;、()\n]{{0,10}}?)(?<!直接){_GATHER}(?:[、和及并]?{_GATHER}|完毕|结束)*(?!\s*(?:时间|:))"
)
_GATHER_BEFORE = re.compile(
    rf"(?<!免费)(?<!自由)(?<!凭票)(?<!直接)(?<!有序){_GATHER}(?:时间)?\s*[:为于在]?\s*(?P<day>{_DATE}\s*)?{_CLOCKS}{_EDGE}?"
)
_GATHER_DAY = re.compile(rf"{_DATE}\s*{_PART}?\s*{_GATHER}(?!时间)")
_ASIDE_IN_BRACKETS = re.compile(r"\([^()]*(?:报名|电话|咨询|联系|集合|签到|入场|到场|检票|报到|候场)[^()]*\)")

# --- rehearsals and the like: who knows ------------------------------------------------------------

_PREPARING = (
    r"(?:彩排|排练|预演|布展|撤展|布置|布场|筹备|踩点|走台|装台|试讲"
    r"|预备会|动员会|筹备会|说明会|评审|初选|海选|决赛|颁奖)"
)
_PREPARATION = re.compile(
    rf"{_PREPARING}(?:时间|日期)?\s*[:为于]?\s*{_WHEN}|{_WHEN}\s*(?:进行|开始|为)?\s*{_PREPARING}"
)

_LABEL = re.compile(rf"(?P<name>[一-龥]{{0,8}})(?:时间|日期|时段|期限)\s*(?:[:为是]|\s)?\s*(?P<when>{_WHEN}{_EDGE}*)")
_OWN_LABEL = re.compile(
    r"^$|活动|服务|开展|举办|举行|上课|授课|开放|讲座|培训|演出|比赛|课程|实施|具体|放映|展出|展览|会议|主题|计划|观影|开馆|营业|接待"
    r"|开课|首课|首期|首场|开班|开营|开讲|结课|结业|闭馆|休息|两天|当天|开始|起止|[日号)]$"
)

# --- how many ----------------------------------------------------------------------------------------

_NUMBER = rf"(?P<n>\d{{1,3}}|[{NUMERAL}]{{1,3}})"
_TIMES = r"(?:节|次|堂|期|课时|场|讲|回|课)"
_OFTEN = re.compile(
    rf"(?<![\d月])(?:每|一)(?:个?(?:周|天|日|月|季度?|年|期|人|班|组))(?:\s*(?:开展|举办|上|安排))?\s*(?:\d{{1,2}}|[{NUMERAL}]+)\s*"
    rf"(?:-\s*(?:\d|[{NUMERAL}])\s*)?{_TIMES}(?:次|课程?)?(?!日)"
)
_ALTERNATE = re.compile(r"(?:每?隔[一1]?周|每?[两2]周)\s*[一1]\s*(?:次|节|场|期|堂)")
_RUNNING = re.compile(rf"(?:连续|连|前)\s*{_NUMBER}\s*个?(?:周的?)?\s*(?=周[一二三四五六日天末])")
_COUNTS = (
    re.compile(
        rf"(?:[×xX*]|一共|总共|共计|总计|合计|共|计|全|限|连办|连开|连上|为期|历时|持续|连续|分)\s*(?:举办|开展|开设|安排|授课|上课|办|开|上|有|计|为|分)?\s*"
        rf"{_NUMBER}\s*个?\s*(?P<kind>周|天|{_TIMES}(?:次|课程?|活动|讲座|培训)?)(?![一二三四五六日天末])"
    ),
    re.compile(rf"\(\s*(?:全部?|共)?{_NUMBER}\s*个?\s*(?P<kind>周|天|{_TIMES}(?:次|课程?|活动|讲座|培训)?)\s*\)"),
    re.compile(
        rf"(?:(?<=[,;、\s\n])|(?<=\d\d)(?=[{NUMERAL}])|^){_NUMBER}(?P<kind>(?:节|次|堂|期|课时|讲|场)(?:次|课程?|活动|讲座)?)"
        r"(?=$|[,;、\s\n)])"
    ),
)

# --- a course's first and last day -------------------------------------------------------------------

_RULE = re.compile(r"每|逢周|隔周|[单双]周|工作日|周末|双休")
_FIRST = (
    r"(?:首(?:次|节|堂|期|场|讲|周)?(?:课|活动|上课|开课|日)?|第一(?:次|节|堂|期|场|讲)?(?:课|活动)?"
    r"|开课|开班|开营|开讲|起始|始于|启动)"
)
_LAST = r"(?:结课|结业|结营|结班|收官|末次|最后一(?:次|节|堂|期|场|讲)(?:课|活动)?)"
_ENDS = tuple(
    (re.compile(pattern), sign)
    for words, sign in ((_FIRST, "起"), (_LAST, "止"))
    for pattern in (
        rf"(?<!第){words}(?:时间|日期)?\s*[:为于在是]?\s*(?P<day>{_DATE})(?![、-])(?P<clock>\s*{_CLOCKS})?(?:起|开始)?",
        rf"(?P<day>{_DATE})(?P<clock>\s*{_CLOCKS})?\s*(?:正式|开始)?\s*{words}(?:上课)?",
    )
)
_CLOSED = re.compile(
    r"(?:闭馆|休馆|休息|闭园|停开|不开放)(?:日|时间)?\s*[:为是]?\s*(?P<days>每?逢?周[一二三四五六日天](?:[、和及-]周?[一二三四五六日天])*)"
)
_CLOSED_ALL_DAY = re.compile(r"(?<=周[一二三四五六日天])(?:全天|整天)(?=闭馆|休馆|休息|闭园|停开|不开放)")
_UNTIL = re.compile(rf"(?:截止|截至?)\s*-?\s*(?P<day>{_DATE})(?!\s*{_CLOCK})")
_BEGUN_AND_ENDED = re.compile(
    rf"(?P<start>{_CLOCK})\s*(?:正式)?(?:开始|开演|开场|开讲|开幕)[^\d,;、\s]{{0,4}}[,;、\s]*(?P<end>{_CLOCK})\s*(?:结束|散场|闭幕|散会)"
)
_RESIDUE = re.compile(r"\(\s*[,、;:]*\s*\)")


def separate(text: str) -> Told:
    """The text of a time cell, any text, in one way of writing and without what is about something else."""
    without, _, only_lunar = without_lunar(plain(text))
    told = Told(simplify(without), only_lunar=only_lunar)
    _cut(told, _ASIDE_IN_BRACKETS, keep_clocks=True)
    _labels(told)
    _ends(told)
    told.text = _BEGUN_AND_ENDED.sub(r"\g<start>-\g<end>", told.text)
    told.text = _CLOSED_ALL_DAY.sub("", told.text)
    told.text = _CLOSED.sub(lambda m: f"{m.group('days')}闭馆", told.text)
    for pattern in (_SIGN_UP_AFTER, _SIGN_UP_BEFORE, _GATHER_AFTER):
        _cut(told, pattern)
    _cut(told, _GATHER_BEFORE, lambda match: match.group("day") or "")
    if _HAS_DATE.search(_GATHER_DAY.sub("", told.text)):
        _cut(told, _GATHER_DAY)
    _cut(told, _DEADLINE)
    _preparations(told)
    _numbers(told)
    told.text = _RESIDUE.sub(" ", told.text)
    return told


def _cut(
    told: Told,
    pattern: re.Pattern[str],
    left: Callable[[re.Match[str]], str] = lambda _match: "",
    keep_clocks: bool = False,
) -> None:
    """Put aside what matches. keep_clocks: only while a clock time is left to be read."""

    def aside(match: re.Match[str]) -> str:
        rest = match.string[: match.start()] + match.string[match.end() :]
        if keep_clocks and _HAS_CLOCK.search(match.group(0)) and not _HAS_CLOCK.search(rest):
            return match.group(0)
        told.asides.append(match.group(0).strip(" ,;、()\n"))
        return left(match)

    told.text = pattern.sub(aside, told.text)


def _labels(told: Told) -> None:
    """报名时间:… is no time of the service, 活动时间:… is; of others one cannot know unless it is the only one."""

    def read(match: re.Match[str]) -> str:
        name, when = match.group("name"), match.group("when")
        if re.search(_SIGN_UP_LABEL, name):
            told.asides.append(match.group(0).strip())
            return ""
        if re.search(_GATHER, name):
            day = re.match(_DATE, when)
            told.asides.append(match.group(0).strip())
            return day.group(0) if day else ""
        if _OWN_LABEL.search(name):
            return match.group(0)
        rest = match.string[: match.start()] + match.string[match.end() :]
        if _HAS_CLOCK.search(rest) or re.search(_DATE, rest):
            told.doubts.append(match.group(0).strip())
            return ""
        return when

    told.text = _LABEL.sub(read, told.text)


def _ends(told: Told) -> None:
    """12月2日开课,每周三… is 12月2日起,每周三…; without a rule the day is the session itself."""
    if not _RULE.search(told.text):
        return
    told.text = _UNTIL.sub(r"\g<day>止 ", told.text)
    for pattern, sign in _ENDS:

        def bound(match: re.Match[str], sign: str = sign) -> str:
            clock = match.group("clock") or ""
            rest = match.string[: match.start()] + match.string[match.end() :]
            if clock and _HAS_CLOCK.search(rest):
                told.asides.append(clock.strip())
                clock = ""
            return f"{match.group('day')}{sign} {clock} "

        told.text = pattern.sub(bound, told.text)


def _preparations(told: Told) -> None:
    for match in _PREPARATION.finditer(told.text):
        rest = told.text[: match.start()] + told.text[match.end() :]
        if re.search(_DATE, rest) or _HAS_CLOCK.search(rest):
            told.doubts.append(match.group(0).strip())


def _number(text: str) -> int:
    value = int(text) if text.isdigit() else chinese_number(text)
    return value or 0


def _numbers(told: Told) -> None:
    """共4节, 连续3周, (3期): taken out as the number of sessions; 每周2次 says nothing about the days."""
    told.doubts += [match.group(0) for match in _ALTERNATE.finditer(told.text)]
    _cut(told, _ALTERNATE)
    _cut(told, _OFTEN)

    def running(match: re.Match[str]) -> str:
        told.count = told.count or Count(_number(match.group("n")), "周", match.group(0).strip())
        return "每"

    told.text = re.sub(r"每+(?=周)", "每", _RUNNING.sub(running, told.text))
    for pattern in _COUNTS:

        def count(match: re.Match[str]) -> str:
            number, kind = _number(match.group("n")), match.group("kind")
            if number and told.count is None:
                told.count = Count(number, kind, match.group(0).strip(" ()"))
            else:
                told.asides.append(match.group(0).strip())
            return " "

        told.text = pattern.sub(count, told.text)
