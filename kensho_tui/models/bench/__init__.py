"""Benchmarks of a model on this machine: what is tried, how it is measured, and what is recommended."""
