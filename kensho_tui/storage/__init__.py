"""What is kept: chats in one SQLite database, written by the host alone."""
