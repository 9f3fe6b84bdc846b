"""The typed façade of the bus for front ends. It finds the host, and starts one where there is none."""
