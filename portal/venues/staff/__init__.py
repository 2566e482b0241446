"""Rooms as staff plan, decide, close and manage them (SPEC V3, V4, V6)."""
