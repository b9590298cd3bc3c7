"""Shopify's product CSV, from the command line."""
