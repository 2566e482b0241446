"""Times as people write them (每周五19:30-21:00) to dates and back to words. Pure functions (SPEC C7)."""
