"""How fast the catalogue is read, at any size, beside a bare handler that returns the same bytes."""
