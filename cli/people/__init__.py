"""`everorder people`: what an operator does for people."""
