"""What a person can ask of the app: one class per command, from which key, palette, slash and help come."""
