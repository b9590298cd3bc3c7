"""What an operator does with orders at the terminal."""
