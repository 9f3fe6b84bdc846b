"""The models of this machine: which there are, and the worker processes that hold them."""
