"""The steps of the workflows, do and undo side by side: each is one transaction, or calls one peer between two."""
