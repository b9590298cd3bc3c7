"""Shopify's product CSV: several rows a product, read as a stream and written in the same columns."""
