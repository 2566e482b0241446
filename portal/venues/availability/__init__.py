"""What is free when: rooms and their days in memory, search, a week (SPEC V2)."""
