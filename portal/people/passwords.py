"""Argon2id hashes and random one-time passwords. Nobody, not even the program, can read a password back (P5)."""

import secrets
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

# Without 0/o, 1/l/i: people read these out over the telephone.
ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"
# OWASP's second choice, as strong as the library's 64 MiB in four threads, which take the machine from those who read
# while somebody guesses passwords.
hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


def hash_password(password: str) -> str:
    return hasher.hash(password)


@cache
def _nobodys_hash() -> str:
    return hasher.hash(secrets.token_urlsafe(24))


def matches(password_hash: str | None, password: str) -> bool:
    """Whether the password is right. Takes as long for an unknown user (None) as for a known one."""
    try:
        return hasher.verify(password_hash or _nobodys_hash(), password) and password_hash is not None
    except (VerificationError, InvalidHashError):
        return False


def is_dated(password_hash: str) -> bool:
    """Whether the hash was made with other parameters than today's."""
    return hasher.check_needs_rehash(password_hash)


def one_time() -> str:
    """A random password to be read out: 'k7mf-2qxd-h9tw', 59 bits."""
    return "-".join("".join(secrets.choice(ALPHABET) for _ in range(4)) for _ in range(3))
