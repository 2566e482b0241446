"""What is printed of a published list: A4 list, A3 poster, one activity (SPEC C10)."""
