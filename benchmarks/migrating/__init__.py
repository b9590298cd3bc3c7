"""How long a shop that is open waits for its migrations."""
