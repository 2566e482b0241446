"""What hangs on a room's door and on the notice board: weeks, door posters (SPEC V7)."""
