"""What decides whether an output is right: pure functions, and programs of a problem's authors.

`dmoj` has the built-in checkers of DMOJ (OJBench), `livecodebench` the comparisons of
LiveCodeBench, `testlib` what the exit codes of checkers and interactors mean.
"""
