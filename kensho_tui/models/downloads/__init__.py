"""Downloads: jobs that outlive the host, resumed byte by byte, verified before they become models."""
