"""What people type and what stands in a list, compared as they mean it: street words, signs, traditional forms, a slip.

No word list of the language: two characters are a word, and what is typed in one piece is cut where the text has it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from portal.core.text import fold

Same = Mapping[str, Sequence[str]]  # a word -> all that mean the same, itself among them

# In each line, what means the same at a notice board; '@elder' stands for an activity for that group of people.
SYNONYMS = (Path(__file__).parents[1] / "profiles" / "synonyms.txt").read_text("utf-8")
TRADITIONAL = str.maketrans(
    "長義診學習體檢環書畫電腦兒親護區黨員務動場報讀課講藝術劇戲樂機應對話開關門問間醫藥療養營運導遊園藍綠紅節慶華國際視頻傳統編織紙燈籠歲齡歡練齊來參觀廣與後裡隊專業創會議調糾紛詐騙維權資訊諮詢證辦補貼職擇"
    "購買賣飯麵點樣賞歷語憶寫詩詞週禮號氣風車聽說談愛壓圍鋼師婦嬰託輔繕髮頭幫難殘貧懷衛預傷煉鍛極劍籃羅種樹淨灘島灣鎮莊鵬湧東陽銀聯誼簽約訂館裝燒湯圓糉餃餅製紀絲繪筆漢廳樓層費認識險領亞經濟貸錢誠優孫媽爺個"
    "們這邊還沒過結單請願誌頌鑼獅龍搖滾攝錄產嗎時兩裏臺檯颱驗實訓徑僱屬復測針廚飪魚雞豬剝縫鎖鑰網絡晝細餵飛傾撿掃駕駛醬雜鄰舊貨貴賓賽贈趕跡踐轉轎輕輪輸農迴遠適遲遷選遺郵鄉釣鈴銅鋪錶鍋鐘鐵閒閱閣陰陸陳隨雙雲"
    "霧靈靜頁項順頓題顏額顧顯飲飽騎驚鬆鬥鮮鳥鴨鹽黃齒",
    "长义诊学习体检环书画电脑儿亲护区党员务动场报读课讲艺术剧戏乐机应对话开关门问间医药疗养营运导游园蓝绿红节庆华国际视频传统编织纸灯笼岁龄欢练齐来参观广与后里队专业创会议调纠纷诈骗维权资讯咨询证办补贴职择"
    "购买卖饭面点样赏历语忆写诗词周礼号气风车听说谈爱压围钢师妇婴托辅缮发头帮难残贫怀卫预伤炼锻极剑篮罗种树净滩岛湾镇庄鹏涌东阳银联谊签约订馆装烧汤圆粽饺饼制纪丝绘笔汉厅楼层费认识险领亚经济贷钱诚优孙妈爷个"
    "们这边还没过结单请愿志颂锣狮龙摇滚摄录产吗时两里台台台验实训径雇属复测针厨饪鱼鸡猪剥缝锁钥网络昼细喂飞倾捡扫驾驶酱杂邻旧货贵宾赛赠赶迹践转轿轻轮输农回远适迟迁选遗邮乡钓铃铜铺表锅钟铁闲阅阁阴陆陈随双云"
    "雾灵静页项顺顿题颜额顾显饮饱骑惊松斗鲜鸟鸭盐黄齿",
)
VERBS = "学办看睇修做打去教买领听玩"
_SIGNS = re.compile(r"[\W_]+")


def same_of(lines: Iterable[Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """From groups of words that mean the same; groups that share a word are one."""
    found: dict[str, tuple[str, ...]] = {}
    for line in lines:
        group = dict.fromkeys(line)
        for word in line:
            group |= dict.fromkeys(found.get(word, ()))
        found |= dict.fromkeys(group, tuple(group))
    return found


LINES = tuple(tuple(line.split()) for line in SYNONYMS.splitlines() if line[:1] not in ("#", ""))
OF_PROFILE: Same = same_of(LINES)


def simplified(text: str) -> str:
    """Traditional characters as simplified ones, nothing else changed."""
    return text.translate(TRADITIONAL)


def plain(text: str) -> str:
    """Folded, simplified, without signs and spaces."""
    return _SIGNS.sub("", simplified(fold(text)))


def searchable(fields: Sequence[str], groups: Sequence[str] = ()) -> str:
    """What is searched: the fields as `plain`, kept apart so that no word is made of two; groups: for whom it is."""
    return "|".join([*(plain(field) for field in fields), *(f"@{code}" for code in groups)])


@dataclass(frozen=True)
class Word:
    """One word typed. names: what it may be called, as typed first; same: what pieces of it may be called.

    What is the same for every text is worked out once, for a search compares thousands.
    """

    names: tuple[str, ...]
    same: Same = field(repr=False)

    @property
    def of_people(self) -> bool:
        """Whether it says for whom something is."""
        return any(name[:1] == "@" for name in self.names)

    @cached_property
    def _known(self) -> list[list[tuple[int, Sequence[str]]]]:
        """From each character: the pieces that have other names, the longest first."""
        typed = self.names[0]
        return [
            [(n, self.same[piece]) for n in range(len(typed) - at, 1, -1) if (piece := typed[at : at + n]) in self.same]
            for at in range(len(typed))
        ]

    @cached_property
    def _slips(self) -> list[tuple[float, re.Pattern[str]]]:
        """Each name with one character that may be another, and how much of it is left then."""
        spelt = [name for name in self.names if len(name) > 1 and name[:1] != "@"]
        return [
            (1 - 1 / len(name), re.compile("|".join(f"{name[:at]}[^|]{name[at + 1 :]}" for at in range(len(name)))))
            for name in spelt
        ]

    def is_in(self, text: str) -> bool:
        """By one of its names."""
        return any(name in text for name in self.names)

    def is_found_in(self, text: str) -> bool:
        """By one of its names, or cut into pieces of two characters or more: '太极公开课葵涌'."""
        if self.is_in(text):
            return True
        at = 0
        while at < len(self.names[0]):
            size = self._size(at, text)
            if not size:
                return False
            at += size
        return True

    def nearness(self, text: str) -> float:
        """0 to 1: how much of it stands in the text, when one character may be another."""
        if self.is_in(text):
            return 1.0
        at, found = 0, 0
        while at < len(self.names[0]):
            size = self._size(at, text)
            found += size
            at += size or 1
        slips = (left for left, pattern in self._slips if pattern.search(text))
        return max(found / len(self.names[0]), max(slips, default=0.0))

    def _size(self, at: int, text: str) -> int:
        """How many characters from `at` stand in the text as one piece, 0 or at least two."""
        typed, size = self.names[0], 0
        if typed[at : at + 2] in text and len(typed) > at + 1:
            size = 2
            while at + size < len(typed) and typed[at : at + size + 1] in text:
                size += 1
        longer = (n for n, names in self._known[at] if n > size and any(name in text for name in names))
        return next(longer, size)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Words of which a text (of `searchable`) must have all."""

    words: tuple[Word, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.words)

    def found_in(self, text: str) -> bool:
        """Whether `text` has every word."""
        return all(word.is_found_in(text) for word in self.words)

    def touches(self, text: str) -> bool:
        """Whether `text` has any of the words, by one of its names."""
        return any(word.is_in(text) for word in self.words)

    def of_things(self) -> Wanted:
        """Without for whom it is: rooms are for everybody."""
        return Wanted(tuple(word for word in self.words if not word.of_people))

    def nearness(self, text: str) -> float:
        """0 to 1: how much of what was typed `text` has, when one character of a word may be another."""
        return sum(word.nearness(text) for word in self.words) / len(self.words) if self.words else 0.0


NOTHING = Wanted()


def terms(q: str, same: Same = OF_PROFILE) -> Wanted:
    """The words typed, each with what it may be called."""
    words = [plain(word) for word in fold(q).split()]
    return Wanted(tuple(Word(_names(word, same), same) for word in words if word))


def _names(word: str, same: Same) -> tuple[str, ...]:
    """As typed, what means the same, and both without the verb that people put in front: 学书法, 办身份证."""
    thing = word[1:] if word[0] in VERBS and len(word) > 2 else word
    return tuple(dict.fromkeys((word, *same.get(word, ()), thing, *same.get(thing, ()))))
