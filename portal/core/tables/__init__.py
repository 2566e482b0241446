"""Tables that people send, .xlsx .xls .et .csv, read as grids of text; no feature, no database (SPEC C7, N2)."""
