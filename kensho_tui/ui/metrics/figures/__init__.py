"""What models did here: a table of them, down to each generation, compared and exported."""
