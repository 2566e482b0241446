"""An owner of a number who signs in while somebody else spends all tries on it."""

from __future__ import annotations

import http.client
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

TRIES = 12  # wrong codes an attacker enters
PATIENCE = 30.0  # seconds for the worker to bring a code


class Browser:
    """Keeps cookies and the token of the last page, as browsers do. address: what the proxy says of it."""

    def __init__(self, port: int, address: str) -> None:
        self.port, self.address = port, address
        self.cookies: dict[str, str] = {}
        self.token = ""

    def open(self, path: str, **form: str) -> tuple[int, str]:
        """Status and text; a form is sent when there is one."""
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {"X-Forwarded-For": self.address, "Cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.items())}
        if form:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            line.request("POST", path, urlencode({"csrf_token": self.token, **form}), headers)
        else:
            line.request("GET", path, headers=headers)
        answer = line.getresponse()
        text = answer.read().decode(errors="replace")
        for name, value in answer.getheaders():
            if name.lower() == "set-cookie":
                key, _, rest = value.partition("=")
                self.cookies[key] = rest.partition(";")[0]
        found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', text)
        self.token = found[1] if found else self.token
        line.close()
        return answer.status, text


def _ask(port: int, phone: str, address: str) -> tuple[Browser, int]:
    browser = Browser(port, address)
    browser.open("/login")
    return browser, browser.open("/login", phone=phone)[0]


def _spend(browser: Browser, phone: str) -> None:
    browser.open("/login/code")
    for number in range(TRIES):
        browser.open("/login/code", code=f"{number:06}")
    browser.open("/login", phone=phone)


def _comes_in(browser: Browser, phone: str, code: Callable[[str], str | None]) -> bool:
    until = time.monotonic() + PATIENCE
    while (found := code(phone)) is None:
        if time.monotonic() > until:
            return False
        time.sleep(0.2)
    browser.open("/login/code")
    status, _ = browser.open("/login/code", code=found)
    return status == 303 and browser.open("/me")[0] == 200


def owners_who_came_in(port: int, phones: list[str], code: Callable[[str], str | None], pause: float) -> int:
    """The attacker asks first and spends the tries, the owner asks when the pause is over, the attacker goes on.

    code: the newest code that was sent to a number, None until there is a new one. pause: seconds between two codes.
    """
    with ThreadPoolExecutor(8) as crowd:
        attackers = list(crowd.map(lambda p: _ask(port, p, f"198.51.100.{phones.index(p) + 1}")[0], phones))
        list(crowd.map(_spend, attackers, phones))
        time.sleep(pause)
        for phone in phones:
            code(phone)  # what the attacker had sent is not the owner's
        owners = list(crowd.map(lambda p: _ask(port, p, f"192.0.2.{phones.index(p) + 1}")[0], phones))
        list(crowd.map(_spend, attackers, phones))
        return sum(crowd.map(_comes_in, owners, phones, [code] * len(phones)))
