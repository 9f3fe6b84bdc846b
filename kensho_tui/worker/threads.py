"""How many threads decode: the one that leaves a core free, or one for every core while that is faster.

With a thread on every core each token waits for the slowest of them: a gain of up to a half on a quiet
machine, a tenth of the speed as soon as something else runs. What is better is measured while decoding, by
trials that end at the first token that costs too much. Pure: times come from the caller.
"""

WINDOW = 16
"""Tokens whose mean is believed."""

GAIN = 0.93
"""A trial is kept when its time per token is at most this share of the safe one."""

SLACK_TOKENS = 3
"""A trial that is so many safe tokens behind is over, whatever it might have become."""

TRUST = 1024
"""Tokens for which the safe time is believed: the context grows, and the machine's load changes."""

FIRST_WAIT, LONGEST_WAIT, WAIT_GROWTH = 16, 4096, 4
"""Tokens before the first trial, at most before another, and how that grows with each one that failed."""


class DecodeThreads:
    """`count` is how many threads the next token is decoded with: `safe` or `most`."""

    def __init__(self, safe: int, most: int) -> None:
        self.safe, self.most = safe, max(safe, most)
        self.count = safe
        self._safe_s = 0.0  # seconds per token with the safe number, as last measured
        self._wait = FIRST_WAIT
        self._until_trial = FIRST_WAIT
        self._trusted = TRUST
        self._start: float | None = None
        self._tokens = 0
        self._trial = False

    def begin(self) -> None:
        """Another answer begins: the time between belongs to no token."""
        self._start = None

    def token(self, now: float) -> bool:
        """A token was sampled at `now` (seconds of any clock); whether `count` changed."""
        if self.most == self.safe:
            return False
        if self._start is None:
            self._start, self._tokens = now, 0
            return False
        self._tokens += 1
        took = now - self._start
        if self.count == self.safe:
            return self._safe_token(took, now)
        return self._fast_token(took, now)

    def _safe_token(self, took: float, now: float) -> bool:
        self._until_trial -= 1
        if self._tokens < WINDOW:
            return False
        self._safe_s, self._trusted = took / self._tokens, TRUST
        self._next_window(now)
        if self._until_trial > 0:
            return False
        self.count, self._trial = self.most, True
        return True

    def _fast_token(self, took: float, now: float) -> bool:
        if took > (self._tokens + SLACK_TOKENS) * self._safe_s:
            return self._back(now)
        if self._tokens < WINDOW:
            return False
        if took > self._tokens * self._safe_s * (GAIN if self._trial else 1.0):
            return self._back(now)
        if not self._trial:
            self._wait = FIRST_WAIT  # it pays on this machine: a disturbance is soon forgiven
        self._trial = False
        self._trusted -= self._tokens
        self._next_window(now)
        if self._trusted > 0:
            return False
        # Measure the safe number again, then try the other one again.
        self.count, self._until_trial = self.safe, WINDOW
        return True

    def _back(self, now: float) -> bool:
        self.count = self.safe
        self._wait = min(self._wait * WAIT_GROWTH, LONGEST_WAIT)
        self._until_trial = self._wait
        self._next_window(now)
        return True

    def _next_window(self, now: float) -> None:
        self._start, self._tokens = now, 0
