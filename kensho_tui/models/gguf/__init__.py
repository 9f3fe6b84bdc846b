"""GGUF files: their headers read without loading a tensor, and the shape of the model they describe."""
