"""Refusals for programs: problem documents (RFC 9457), in Chinese for people and in English for programmers."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from flask import Response, jsonify, request

MIMETYPE = "application/problem+json"
FOR_PROGRAMS = "/api/"  # what begins so is read by programs
_WORDS = {
    400: "请求有误",
    404: "没有找到",
    405: "这个地址只能读取",
    413: "发来的内容太大",
    429: "请求太频繁，请稍后再试",
    503: "现在很忙或正在维护，请稍后再试",
}
OUR_FAULT = "系统出错了，已经记录下来"


@dataclass(frozen=True, slots=True)
class Problem:
    """Why there is no answer. detail: what to do about it; '' when the title says all."""

    status: int
    detail: str = ""
    detail_en: str = ""

    def said(self) -> dict[str, Any]:
        """The document. `error` repeats the English words, as answers said them before there were documents."""
        title = _WORDS.get(self.status, _WORDS[400] if self.status < 500 else OUR_FAULT)
        title_en = HTTPStatus(self.status).phrase
        return {
            "type": "about:blank",
            "status": self.status,
            "title": title,
            "detail": self.detail or title,
            "title_en": title_en,
            "detail_en": self.detail_en or title_en,
            "error": self.detail_en or title_en,
        }

    def answer(self) -> Response:
        """The document as an answer."""
        found = jsonify(self.said())
        found.status_code, found.mimetype = self.status, MIMETYPE
        return found


def wanted() -> bool:
    """Whether whoever asks is a program."""
    return request.path.startswith(FOR_PROGRAMS)
