"""What `make bench` measures; every figure beside something known, in one run."""
