"""Benchmarks on the metrics screen: started, watched, compared, and made a model's defaults."""
