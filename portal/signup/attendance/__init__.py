"""Who came (签到), in three ways, also without network for a while (SPEC S6)."""
