"""Rooms and public places: found, booked, approved, used, rated and measured (SPEC V1-V7)."""

from __future__ import annotations

from flask import Flask


def register(app: Flask) -> None:
    """Add this room's pages, handlers and deadlines to the app."""
    from portal.venues import deadlines, evaluating, handlers

    assert deadlines and evaluating and handlers  # importing them registers what they hold
