"""The host process: composition root of the rooms, what it offers on the bus, and its life."""
