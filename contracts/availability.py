"""The chore of lists of what is in stock."""

NOTE_SOLD_OUT = "catalogue.note_sold_out"
"""Notes at the listings of products whether all of them is sold out."""
