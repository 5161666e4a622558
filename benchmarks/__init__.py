"""What is measured, and against what: one command each, one JSON object as its last line."""
