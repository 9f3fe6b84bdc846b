"""The terminal app: a view of what the host holds. Closing it loses nothing."""
