"""Reading a plan as centres keep it in Excel: workbook, header, cells, rows; no database (SPEC C7)."""
