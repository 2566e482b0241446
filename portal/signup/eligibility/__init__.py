"""For whom an activity is, who of a household fits, and what only some may join (SPEC P2, S3)."""
