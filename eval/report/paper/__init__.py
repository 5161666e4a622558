"""The tables and figures of the paper: what was measured beside what it reports."""
