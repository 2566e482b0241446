"""Every write about people, by subject: residents, codes, signing in, accounts, callers."""
