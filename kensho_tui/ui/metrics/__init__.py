"""F4: what this machine and its models do, and did."""
