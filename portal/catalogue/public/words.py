"""What people type and what stands in a list, compared as they mean it: street words, signs, traditional forms, a slip.

No word list of the language: two characters are a word, and what is typed in one piece is cut where the text has it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from portal.core.text import fold

# In each line, what means the same at a notice board.
SYNONYMS = (Path(__file__).parents[2] / "profiles" / "synonyms.txt").read_text("utf-8")
TRADITIONAL = str.maketrans(
    "長義診學習體檢環書畫電腦兒親護區黨員務動場報讀課講藝術劇戲樂機應對話開關門問間醫藥療養醫營運導遊園藍綠紅節慶華國際視頻傳統編織紙"
    "燈籠歲齡歡樂練習齊來參觀廣與後裡隊員專業創會議調糾紛詐騙維權資訊諮詢證辦補貼職業擇購買賣飯麵點樣觀賞歷語憶寫詩詞",
    "长义诊学习体检环书画电脑儿亲护区党员务动场报读课讲艺术剧戏乐机应对话开关门问间医药疗养医营运导游园蓝绿红节庆华国际视频传统编织纸"
    "灯笼岁龄欢乐练习齐来参观广与后里队员专业创会议调纠纷诈骗维权资讯咨询证办补贴职业择购买卖饭面点样观赏历语忆写诗词",
)
_SIGNS = re.compile(r"[\W_]+")
_SAME = {word: line.split() for line in SYNONYMS.splitlines() if line[:1] != "#" for word in line.split()}


def plain(text: str) -> str:
    """Folded, simplified, without signs and spaces."""
    return _SIGNS.sub("", fold(text).translate(TRADITIONAL))


def searchable(fields: Sequence[str]) -> str:
    """What is searched: the fields as `plain`, kept apart so that no word is made of two."""
    return "|".join(plain(field) for field in fields)


def terms(q: str) -> list[list[str]]:
    """What each word typed may be called; all of them are wanted."""
    words = [plain(word) for word in fold(q).split()]
    return [[word, *(other for other in _SAME.get(word, ()) if other != word)] for word in words if word]


def found_in(wanted: Sequence[Sequence[str]], text: str) -> bool:
    """Whether `text` (of `searchable`) has every word of `terms`, by one of its names or cut into pieces."""
    return all(any(name in text for name in names) or _share(names[0], text) == 1 for names in wanted)


def nearness(wanted: Sequence[Sequence[str]], text: str) -> float:
    """0 to 1: how much of what was typed `text` has, when one character of a word may be another."""
    parts = [max(max(_share(name, text), _with_a_slip(name, text)) for name in names) for names in wanted]
    return sum(parts) / len(parts) if parts else 0.0


def _share(word: str, text: str) -> float:
    """How much of '太极公开课葵涌' stands in the text, in pieces of two characters or more, by one of their names."""
    at, found = 0, 0
    while at < len(word):
        size = next((n for n in range(len(word) - at, 1, -1) if _stands(word[at : at + n], text)), 0)
        found += size
        at += size or 1
    return found / len(word)


def _stands(piece: str, text: str) -> bool:
    return piece in text or any(name in text for name in _SAME.get(piece, ()))


def _with_a_slip(word: str, text: str) -> float:
    """As much as is left of a word when one character is another: 0.5 of two characters; 0 when it is not there."""
    size = len(word)
    for at in range(len(text) - size + 1 if size > 1 else 0):
        window = text[at : at + size]
        if "|" not in window and sum(map(str.__eq__, word, window)) == size - 1:
            return (size - 1) / size
    return 0.0
