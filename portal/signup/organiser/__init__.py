"""One page for whoever holds an activity: places, waiting, messages, who came, what people said (SPEC S5-S7, M1)."""
