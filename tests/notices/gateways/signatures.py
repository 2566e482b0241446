"""The signatures of the providers, checked from their published descriptions and independent of the clients' code.

Tencent TC3-HMAC-SHA256: the canonical request is rebuilt from what came over the wire, the key derived step by step.
Aliyun ACS3-HMAC-SHA256: the same without derived keys; every x-acs-* header that is there must be signed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from hmac import compare_digest
from hmac import digest as keyed

TC3 = re.compile(
    r"TC3-HMAC-SHA256 Credential=(?P<id>[^/]+)/(?P<day>[0-9-]{10})/(?P<service>[a-z]+)/tc3_request, "
    r"SignedHeaders=(?P<names>[a-z0-9;-]+), Signature=(?P<sign>[0-9a-f]{64})"
)
ACS3 = re.compile(
    r"ACS3-HMAC-SHA256 Credential=(?P<id>[^,]+),SignedHeaders=(?P<names>[a-z0-9;-]+),Signature=(?P<sign>[0-9a-f]{64})"
)


def tencent_says(secret: str, headers: Mapping[str, str], body: bytes, service: str) -> str:
    """'' when the request is signed as Tencent Cloud wants it, else the code it would answer."""
    got = {name.lower(): value for name, value in headers.items()}
    found = TC3.fullmatch(got.get("authorization", ""))
    if found is None:
        return "AuthFailure.InvalidAuthorization"
    names = found["names"].split(";")
    if names != sorted(names) or not {"content-type", "host"} <= set(names):
        return "AuthFailure.InvalidAuthorization"
    at = int(got["x-tc-timestamp"])
    if found["day"] != datetime.fromtimestamp(at, UTC).date().isoformat() or found["service"] != service:
        return "AuthFailure.SignatureFailure"
    canonical = "POST\n/\n\n"
    for name in names:
        canonical += f"{name}:{got[name].strip().lower()}\n"
    canonical += "\n" + found["names"] + "\n" + sha256(body).hexdigest()
    scope = f"{found['day']}/{service}/tc3_request"
    to_sign = f"TC3-HMAC-SHA256\n{at}\n{scope}\n{sha256(canonical.encode()).hexdigest()}"
    day_key = keyed(b"TC3" + secret.encode(), found["day"].encode(), "sha256")
    service_key = keyed(day_key, service.encode(), "sha256")
    signing_key = keyed(service_key, b"tc3_request", "sha256")
    right = keyed(signing_key, to_sign.encode(), "sha256").hex()
    return "" if compare_digest(right, found["sign"]) else "AuthFailure.SignatureFailure"


def aliyun_says(secret: str, headers: Mapping[str, str], body: bytes, query: str = "") -> str:
    """'' when the request is signed as Aliyun wants it, else the code it would answer."""
    got = {name.lower(): value for name, value in headers.items()}
    found = ACS3.fullmatch(got.get("authorization", ""))
    if found is None:
        return "IncompleteSignature"
    names = found["names"].split(";")
    must = {"host"} | {name for name in got if name.startswith("x-acs-") or name == "content-type"}
    if names != sorted(names) or set(names) != must:
        return "SignatureDoesNotMatch"
    digest = sha256(body).hexdigest()
    if got["x-acs-content-sha256"] != digest:
        return "SignatureDoesNotMatch"
    canonical = "POST\n/\n" + query + "\n"
    for name in names:
        canonical += name + ":" + got[name].strip() + "\n"
    canonical += "\n" + found["names"] + "\n" + digest
    to_sign = "ACS3-HMAC-SHA256\n" + sha256(canonical.encode()).hexdigest()
    right = keyed(secret.encode(), to_sign.encode(), "sha256").hex()
    return "" if compare_digest(right, found["sign"]) else "SignatureDoesNotMatch"
