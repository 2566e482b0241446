"""How much rooms are used, which stand idle, and the records behind each figure (SPEC V7)."""
