"""The portal attacked as a stranger or an angry insider would, on loopback and bounded in time; see `__main__`."""
