"""Taking a file of products over: its rows are gathered in tables, compared with the shop, and applied at once."""
