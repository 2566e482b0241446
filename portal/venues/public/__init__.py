"""Rooms as residents find, book and keep them (SPEC V2, V5)."""
