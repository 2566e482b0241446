"""What people type and what stands in a list, compared as they mean it: street words, signs, traditional forms, a slip.

No word list of the language: two characters are a word, and what is typed in one piece is cut where the text has it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from portal.core.text import fold

Same = Mapping[str, Sequence[str]]  # a word -> all that mean the same, itself among them

# In each line, what means the same at a notice board; '@elder' stands for an activity for that group of people.
SYNONYMS = (Path(__file__).parents[2] / "profiles" / "synonyms.txt").read_text("utf-8")
TRADITIONAL = str.maketrans(
    "長義診學習體檢環書畫電腦兒親護區黨員務動場報讀課講藝術劇戲樂機應對話開關門問間醫藥療養營運導遊園藍綠紅節慶華國際視頻傳統編織紙燈籠歲齡歡練齊來參觀廣與後裡隊專業創會議調糾紛詐騙維權資訊諮詢證辦補貼職擇"
    "購買賣飯麵點樣賞歷語憶寫詩詞週禮號氣風車聽說談愛壓圍鋼師婦嬰託輔繕髮頭幫難殘貧懷衛預傷煉鍛極劍籃羅種樹淨灘島灣鎮莊鵬湧東陽銀聯誼簽約訂館裝燒湯圓糉餃餅製紀絲繪筆漢廳樓層費認識險領亞經濟貸錢誠優孫媽爺個"
    "們這邊還沒過結單請願誌頌鑼獅龍搖滾攝錄產嗎時兩裏臺檯颱驗實訓徑僱屬復測針廚飪魚雞豬剝縫鎖鑰網絡晝細餵",
    "长义诊学习体检环书画电脑儿亲护区党员务动场报读课讲艺术剧戏乐机应对话开关门问间医药疗养营运导游园蓝绿红节庆华国际视频传统编织纸灯笼岁龄欢练齐来参观广与后里队专业创会议调纠纷诈骗维权资讯咨询证办补贴职择"
    "购买卖饭面点样赏历语忆写诗词周礼号气风车听说谈爱压围钢师妇婴托辅缮发头帮难残贫怀卫预伤炼锻极剑篮罗种树净滩岛湾镇庄鹏涌东阳银联谊签约订馆装烧汤圆粽饺饼制纪丝绘笔汉厅楼层费认识险领亚经济贷钱诚优孙妈爷个"
    "们这边还没过结单请愿志颂锣狮龙摇滚摄录产吗时两里台台台验实训径雇属复测针厨饪鱼鸡猪剥缝锁钥网络昼细喂",
)
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


@dataclass(frozen=True, slots=True)
class Wanted:
    """Words of which a text must have all. names: what each may be called, as typed first; same: of pieces of them."""

    names: tuple[tuple[str, ...], ...] = ()
    same: Same = field(default_factory=lambda: OF_PROFILE)

    def __bool__(self) -> bool:
        return bool(self.names)

    def found_in(self, text: str) -> bool:
        """Whether `text` (of `searchable`) has every word, by one of its names or cut into pieces."""
        return all(any(name in text for name in names) or self._share(names[0], text) == 1 for names in self.names)

    def nearness(self, text: str) -> float:
        """0 to 1: how much of what was typed `text` has, when one character of a word may be another."""
        parts = [
            max(max(self._share(name, text), _with_a_slip(name, text)) for name in names if name[:1] != "@")
            for names in self.names
        ]
        return sum(parts) / len(parts) if parts else 0.0

    def _share(self, word: str, text: str) -> float:
        """How much of '太极公开课葵涌' stands in the text, in pieces of two characters or more, by their names."""
        at, found = 0, 0
        while at < len(word):
            size = next((n for n in range(len(word) - at, 1, -1) if self._stands(word[at : at + n], text)), 0)
            found += size
            at += size or 1
        return found / len(word)

    def _stands(self, piece: str, text: str) -> bool:
        return piece in text or any(name in text for name in self.same.get(piece, ()))


NOTHING = Wanted()


def terms(q: str, same: Same = OF_PROFILE) -> Wanted:
    """The words typed, each with what it may be called."""
    words = [plain(word) for word in fold(q).split()]
    return Wanted(tuple((word, *(o for o in same.get(word, ()) if o != word)) for word in words if word), same)


def _with_a_slip(word: str, text: str) -> float:
    """As much as is left of a word when one character is another: 0.5 of two characters; 0 when it is not there."""
    size = len(word)
    for at in range(len(text) - size + 1 if size > 1 else 0):
        window = text[at : at + size]
        if "|" not in window and sum(map(str.__eq__, word, window)) == size - 1:
            return (size - 1) / size
    return 0.0
