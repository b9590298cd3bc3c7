"""What an order costs beside what its parts would cost alone, measured in one run on the same servers."""
