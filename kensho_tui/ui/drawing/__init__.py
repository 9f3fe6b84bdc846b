"""Drawing: what Textual composes becomes the fewest bytes, at the pace of the terminal."""
