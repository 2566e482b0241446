"""People on paper: slips with the one-time passwords of new accounts."""
