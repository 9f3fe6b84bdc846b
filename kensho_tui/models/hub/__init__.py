"""The Hugging Face hub: search, files with verdicts, the curated list. The only place that asks it."""
