"""A turn from prompt to saved answer."""
