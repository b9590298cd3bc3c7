"""A retailer's day of invoices: read from a file, turned into catalogue and stock, replayed as orders."""
