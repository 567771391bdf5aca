"""The sticker benchmark, and measuring an exported pair through the product's own engine."""
