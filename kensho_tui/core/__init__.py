"""What every room may know: errors, ids, text hygiene, and the types of both links."""
