"""The list, its activities and guides as residents see them (SPEC C9, C3)."""
