"""Probes of cores, RAM and GPUs. Each takes a few milliseconds at most and never opens a CUDA context."""
