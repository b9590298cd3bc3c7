"""The queries, one aggregate a file. Transactions open at the edge: nothing here commits."""
