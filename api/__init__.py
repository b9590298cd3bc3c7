"""HTTP: parse, authorise, ask `db` or `clients`, answer."""
