"""kensho-tui: a keyboard-driven terminal app for private, local AI."""

__version__ = "0.1.0"
