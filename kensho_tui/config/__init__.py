"""Settings, paths and the environment values that matter to the host."""
