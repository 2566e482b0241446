"""Every write of the catalogue, by subject in the modules of this folder."""
