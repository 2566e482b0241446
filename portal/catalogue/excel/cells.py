"""Understands the single cells of a plan: how many people, whom to call (SPEC C2, C7)."""

import re
from dataclasses import dataclass, replace

from portal.catalogue.timetext.parts import Problem, error, warning
from portal.catalogue.timetext.tidy import NUMERAL, digits, plain
from portal.core.text import tidy

MAX_CAPACITY = 100_000
_HOW = "请写数字（如 30人、15组家庭）或“不限”"
_UNLIMITED = re.compile(r"不限|无限制|无限额|不设限|不设上限|无上限|没有限制|无要求|不作限制|不做限制")
_NONE = ("无", "/", "-", "--", "—", "\\", "若干", "全体", "全体居民", "所有人", "无名额", "开放", "不定")
_DOUBT = re.compile(r"约|大约|大概|左右|上下|预计|余|多人|几十")
_PER_SESSION = re.compile(r"每场|每次|每期|每节|每班|每天|每日|/场|/次|/期|/节|/班|/天|一场|一次")
_PEOPLE = re.compile(r"人|名|位|员")
_WALK_IN = re.compile(
    r"直接到场|直接参加|(?:无需|无须|不用|不需要?|不必|免|毋须)(?:提前|预先)?(?:报名|预约)|现场参[加与]|到场即可|自由参[加与]|随到随|随时参[加与]"
)
_UNTIL_FULL = re.compile(r"(?:额|报|招|坐)满|满员|满额|先到先得|以现场为准")
# Ages, school years and the make-up of a group are no places: 6-12岁, 2大1小, 每组2人, 3人一组.
_NO_PLACES = re.compile(
    r"\d{1,3}\s*(?:周岁|岁)?\s*-\s*\d{1,3}\s*(?:周岁|岁|年级)|\d{1,3}\s*(?:周岁|岁|年级)|\d+\s*[大小](?=\s*(?:\d|[,;()+、]|$))"
    rf"|(?:\d+|[{NUMERAL}]+)\s*(?:人|名|位)\s*(?:/|[为成]?一|每)\s*(?:个?家庭|组|队|户|家|对)"
    r"|每(?:一|个)*(?:家庭|组|队|户|家|对|单位|小区|社区)[^\d,;()、]{0,6}\d+\s*(?:人|名|位|大人?|个)?"
)
_TOTAL = re.compile(r"(?:共|总|合计)[计共数有为约:]*\s*$")
_NOT_PEOPLE = re.compile(r"\s*(?:场|次(?!人)|节|期|班|天|小时|分钟|元|楼|层)")
_GROUP, _FAMILY = re.compile(r"组|对|队"), re.compile(r"家庭|户|家(?![长属政人])")


@dataclass(frozen=True)
class Capacity:
    """Places of an entry; `places` is None when unlimited, walked in to, or not understood. Units: 人, 组, 家庭."""

    places: int | None
    unit: str
    unlimited: bool
    problems: tuple[Problem, ...]
    walk_in: bool = False


def says_walk_in(text: str) -> bool:
    """直接到场, 无需报名: nobody signs up."""
    return _WALK_IN.search(plain(text).replace(" ", "")) is not None


def parse_capacity(text: str) -> Capacity:
    """`30人` → 30, `15个亲子家庭` → 15 家庭, `不限` → unlimited; doubts are warnings of the field `capacity`."""
    said = plain(text)
    if says_walk_in(said):
        doubt = f"名额写的是“{text}”，按直接到场、不用报名算，请核对" if re.search(r"\d", said) else ""
        return replace(_without_limit(doubt or None), walk_in=True)
    if not said:
        return _without_limit("没写名额，按不限算，请核对")
    if said in _NONE:
        return _without_limit(None if said == "无" else f"名额写的是“{text}”，按不限算，请核对")
    if _UNLIMITED.search(said) and not re.search(r"\d", said):
        return Capacity(None, "人", True, ())
    numbers = _numbers(said)
    if numbers is None and _UNTIL_FULL.search(said):
        return _without_limit(f"名额写的是“{text}”，没写多少，按不限算，请核对")
    if numbers is None:
        return Capacity(None, "人", False, (error("capacity", f"名额“{text}”看不懂，{_HOW}"),))
    return _limited(said, text, numbers)


def _without_limit(doubt: str | None) -> Capacity:
    problems = (warning("capacity", doubt),) if doubt else ()
    return Capacity(None, "人", True, problems)


@dataclass(frozen=True)
class _Number:
    value: int
    before: str
    after: str


def _numbers(said: str) -> list[_Number] | None:
    """Each number that may be places with the text around it; None when there is none or one is no whole number."""
    said = _NO_PLACES.sub(" ", said)
    said = re.sub(rf"[{NUMERAL}]+(?=\s*(?:个|人|名|位|组|户|家|对|队|$|-|左右))", digits, said)
    if re.search(r"\d+\.\d|^\s*-\s*\d|\d[eE]", said):
        return None
    said = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", said)
    parts = re.split(r"(\d+)", said)
    found = [_Number(int(parts[i][:9]), parts[i - 1], parts[i + 1]) for i in range(1, len(parts), 2)]
    return [number for number in found if not _NOT_PEOPLE.match(number.after)] or None


def _unit(number: _Number) -> str:
    head = re.split(r"[,;()、+/]", number.after)[0].strip()
    if _PEOPLE.match(head):
        return "人"
    if _GROUP.match(head) or _FAMILY.match(head):
        return "组" if _GROUP.match(head) else "家庭"
    for words in (head, number.before):
        if _FAMILY.search(words) or _GROUP.search(words):
            return "家庭" if _FAMILY.search(words) else "组"
    return "人"


def _limited(said: str, text: str, numbers: list[_Number]) -> Capacity:
    number = next((each for each in numbers if _TOTAL.search(each.before)), numbers[0])
    problems: list[Problem] = []
    is_range = len(numbers) > 1 and re.match(r"^(?:人|名|位|组|户|个)?\s*-\s*$", numbers[0].after)
    if is_range:
        low, number = numbers[0].value, numbers[1]
        problems.append(warning("capacity", f"名额写的是 {low}-{number.value}，按 {number.value} 算，请核对"))
    elif len(numbers) > 1 or "+" in said:
        problems.append(warning("capacity", f"名额“{text}”里有几个数，按 {number.value} 算，请核对"))
    elif _DOUBT.search(said):
        problems.append(warning("capacity", f"名额写的是“{text}”，按 {number.value} 算，请核对"))
    if _PER_SESSION.search(said):
        problems.append(warning("capacity", f"名额写的是“{text}”，按每场 {number.value} 算，请核对"))
    if _UNLIMITED.search(said):
        problems.append(warning("capacity", f"名额“{text}”又写了不限，按 {number.value} 算，请核对"))
    if not 1 <= number.value <= MAX_CAPACITY:
        problems.append(error("capacity", f"名额 {number.value} 不对，{_HOW}"))
        return Capacity(None, _unit(number), False, tuple(problems))
    return Capacity(number.value, _unit(number), False, tuple(problems))


# Mobile numbers, numbers with an area code, 400/800 numbers, plain local numbers, short service numbers.
_PHONE = re.compile(
    r"(?<![\d])(?:\+?86[- ]?)?(?:"
    r"(?P<mobile>1[3-9]\d[- ]?\d{4}[- ]?\d{4})"
    r"|(?P<area>\(?0\d{2,3}\)?[- ]*\d{3,4}[- ]?\d{4})(?:(?:-|转|分机)(?P<ext>\d{1,6}))?"
    r"|(?P<toll>[48]00[- ]?\d{3}[- ]?\d{4})"
    r"|(?P<local>[2-9]\d{6,7})"
    r"|(?P<short>1[12]\d{3}|9[56]\d{3,4})"
    r")(?!\d)"
)
_CUT_ZERO = re.compile(r"(?<!\d)([2-9]\d{9,10})(?!\d)")
_LABELS = re.compile(r"联系人|负责人|联系电话|咨询电话|报名电话|手机号码?|电话|手机|姓名|座机|微信同号|(?i:tel)")


@dataclass(frozen=True)
class Contact:
    """Whom to call: one name, one phone number, with the doubts about them."""

    name: str
    phone: str
    problems: tuple[Problem, ...]


def parse_contact(name: str, phone: str) -> Contact:
    """Name and phone out of one cell or two; the first phone number counts, the name keeps the rest."""
    said = plain(f"{name} {phone}" if name != phone else name).replace("\n", " ")
    problems: list[Problem] = []
    found = list(_PHONE.finditer(said))
    if not found:
        cut = _CUT_ZERO.search(said)
        if cut:
            said = f"{said[: cut.start()]}0{said[cut.start() :]}"
            problems.append(warning("contact", "电话前面少了区号的 0，已经补上，请核对"))
            found = list(_PHONE.finditer(said))
    if name and phone and name != phone and not re.search(r"\d{5,}", plain(name)) and _PHONE.search(plain(phone)):
        said = plain(phone)
        kept = " ".join(_LABELS.sub(" ", tidy(name)).strip(" ：:").split())
    else:
        kept = ""
    rest = _PHONE.sub(" ", said)
    rest = _LABELS.sub(" ", rest)
    rest = re.sub(r"[:,;/、|()-]+", " ", rest)
    shown = re.sub(r"[\d*]{5,}", " ", rest)
    name_found = kept or " ".join(shown.split())
    if not found:
        word = "电话看不懂，请写 0755-84200000 或 11 位手机号" if re.search(r"\d", rest) else "没写联系电话"
        problems.append(warning("contact", f"{word}，请补上"))
        return Contact(name_found, "", tuple(problems))
    number = _tidy_phone(found[0])
    if len({_tidy_phone(match) for match in found}) > 1:
        problems.append(warning("contact", f"写了几个电话，用第一个 {number}，请核对"))
    if found[0].group("local"):
        problems.append(warning("contact", f"电话 {number} 没有区号，请核对"))
    return Contact(name_found, number, tuple(problems))


def _tidy_phone(match: re.Match[str]) -> str:
    if match.group("mobile"):
        return re.sub(r"\D", "", match.group("mobile"))
    if not match.group("area"):
        return re.sub(r"\D", "", match.group("toll") or match.group("local") or match.group("short"))
    digits, extension = re.sub(r"\D", "", match.group("area")), match.group("ext")
    # Three-digit area codes are 010 and 02x; all others have four digits.
    size = 3 if digits[:3] == "010" or digits[:2] == "02" else 4
    shown = f"{digits[:size]}-{digits[size:]}"
    return f"{shown}-{extension}" if extension else shown
