"""报名没到 (SPEC S8): a rule that is the district's data and off until the district wants it, with an appeal."""
