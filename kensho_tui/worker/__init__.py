"""The worker process: one loaded model, and the only code that imports llama.cpp."""
