"""The transcript: a chat as rows, made only where somebody looks.

``blocks`` cuts Markdown into pieces that can be drawn on their own, ``markdown`` and ``code`` draw settled
ones, ``tail`` the one that still grows; ``parts`` and ``message`` make a message of them, ``column`` stacks
messages and finds places in them, ``view`` is the widget.
"""
