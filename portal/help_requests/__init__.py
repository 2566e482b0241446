"""Help at home and urgent help (SPEC H1-H7)."""
