"""What this machine does now: gauges with their graphs, GPUs, workers, the last answer."""
