"""Rooms and public places: found, booked, approved, used, rated and measured (SPEC V1-V7)."""

from __future__ import annotations
