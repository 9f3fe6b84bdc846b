"""What models did on this machine: figures with their spread."""
