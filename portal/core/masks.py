"""How personal data is shown to staff until somebody needs the whole (SPEC P8)."""

import re


def mask_phone(phone: str | None) -> str:
    """'138****0000'; landlines keep the last two digits (SPEC P8)."""
    if not phone:
        return ""
    if re.fullmatch(r"1\d{10}", phone):
        return f"{phone[:3]}****{phone[-4:]}"
    return "*" * max(0, len(phone) - 2) + phone[-2:]


def mask_address(address: str | None) -> str:
    """Keeps street and community, hides building, unit and room."""
    if not address:
        return ""
    return re.sub(r"\d.*$", "***", address, count=1) if re.search(r"\d", address) else address[:6] + "***"


def mask_name(name: str) -> str:
    """'陈**': enough for its bearer to know it by."""
    return name[:1] + "*" * max(1, len(name) - 1) if name else ""
