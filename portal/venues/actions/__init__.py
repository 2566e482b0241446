"""Every write about rooms, by subject. Flush only, never commit; each takes the room's lock (SPEC V1-V7)."""
