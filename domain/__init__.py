"""Pure rules of commerce: no clock, no database, no network, standard library only."""
