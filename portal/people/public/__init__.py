"""Pages of residents: coming in, their own data."""
