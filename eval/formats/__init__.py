"""Readers of published test data, which is untrusted: archives, YAML, pickles.

Every refusal is a `DataError` that names the file, and its line and field where there is one.
"""
