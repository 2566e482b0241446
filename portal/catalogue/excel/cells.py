"""Understands the single cells of a plan: how many people, whom to call (SPEC C2, C7)."""

import re
from dataclasses import dataclass

from portal.catalogue.timetext.parts import Problem, error, warning
from portal.catalogue.timetext.tidy import NUMERAL, digits, plain

MAX_CAPACITY = 100_000
_HOW = "请写数字（如 30人、15组家庭）或“不限”"
_UNLIMITED = re.compile(r"不限|无限制|无限额|不设限|不设上限|无上限|没有限制|无要求|不作限制|不做限制")
_NONE = ("无", "/", "-", "--", "—", "\\", "若干", "全体", "全体居民", "所有人", "无名额", "开放", "不定")
_DOUBT = re.compile(r"约|大约|大概|左右|上下|预计|余|多人|几十")
_PER_SESSION = re.compile(r"每场|每次|每期|每节|每班|每天|每日|/场|/次|/期|/节|/班|/天|一场|一次")
_UNITS = (("组", "组"), ("对", "组"), ("家庭", "家庭"), ("户", "家庭"), ("家", "家庭"), ("队", "组"))
_PEOPLE = re.compile(r"^\s*(?:个)?(?:人|名|位|员|老人|儿童|学生|党员|居民|小朋友|长者)")


@dataclass(frozen=True)
class Capacity:
    """Places of an entry; `places` is None when unlimited or not understood. Units: 人, 组, 家庭."""

    places: int | None
    unit: str
    unlimited: bool
    problems: tuple[Problem, ...]


def parse_capacity(text: str) -> Capacity:
    """`30人` → 30, `15组家庭` → 15 组, `不限` → unlimited; doubts are warnings of the field `capacity`."""
    said = plain(text)
    if not said:
        return _without_limit("没写名额，按不限算，请核对")
    if said in _NONE:
        return _without_limit(None if said == "无" else f"名额写的是“{text}”，按不限算，请核对")
    if _UNLIMITED.search(said) and not re.search(r"\d", said):
        return Capacity(None, "人", True, ())
    numbers = _numbers(said)
    if numbers is None:
        return Capacity(None, "人", False, (error("capacity", f"名额“{text}”看不懂，{_HOW}"),))
    return _limited(said, text, numbers)


def _without_limit(doubt: str | None) -> Capacity:
    problems = (warning("capacity", doubt),) if doubt else ()
    return Capacity(None, "人", True, problems)


def _numbers(said: str) -> list[tuple[int, str]] | None:
    """Each number with the text behind it; None when there is none or one is no whole number."""
    said = re.sub(rf"[{NUMERAL}]+(?=\s*(?:个|人|名|位|组|户|家|对|队|$|-|左右))", digits, said)
    if re.search(r"\d+\.\d|^\s*-\s*\d|\d[eE]", said):
        return None
    said = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", said)
    found = [(int(m.group(1)[:9]), m.group(2)) for m in re.finditer(r"(\d+)([^\d]*)", said)]
    return found or None


def _unit(after: str) -> str:
    if _PEOPLE.match(after):
        return "人"
    head = after.strip().removeprefix("个")[:4]
    return next((unit for word, unit in _UNITS if head.startswith(word)), "人")


def _limited(said: str, text: str, numbers: list[tuple[int, str]]) -> Capacity:
    places, after = numbers[0]
    problems: list[Problem] = []
    is_range = len(numbers) > 1 and re.match(r"^(?:人|名|位|组|户|个)?\s*-\s*$", after)
    if is_range:
        low, (places, after) = places, numbers[1]
        problems.append(warning("capacity", f"名额写的是 {low}-{places}，按 {places} 算，请核对"))
    elif len(numbers) > 1 or "+" in said:
        problems.append(warning("capacity", f"名额“{text}”里有几个数，按 {places} 算，请核对"))
    elif _DOUBT.search(said):
        problems.append(warning("capacity", f"名额写的是“{text}”，按 {places} 算，请核对"))
    if _PER_SESSION.search(said):
        problems.append(warning("capacity", f"名额写的是“{text}”，按每场 {places} 算，请核对"))
    if _UNLIMITED.search(said):
        problems.append(warning("capacity", f"名额“{text}”又写了不限，按 {places} 算，请核对"))
    if not 1 <= places <= MAX_CAPACITY:
        problems.append(error("capacity", f"名额 {places} 不对，{_HOW}"))
        return Capacity(None, _unit(after), False, tuple(problems))
    return Capacity(places, _unit(after), False, tuple(problems))


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
    rest = _PHONE.sub(" ", said)
    rest = _LABELS.sub(" ", rest)
    rest = re.sub(r"[:,;/、|()-]+", " ", rest)
    shown = re.sub(r"[\d*]{5,}", " ", rest)
    name_found = " ".join(shown.split())
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
