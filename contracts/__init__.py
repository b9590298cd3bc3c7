"""Everything that is stored in a Temporal history. Contracts are frozen and only ever grow."""
