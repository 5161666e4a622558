"""How fast the cooperation of two servers is, on simulated servers and over real HTTP.

The cooperation, its journal and its bookkeeping are the real code; the servers and the predictors'
arithmetic are simulated by a stated time model on a virtual clock, so the figures do not depend on
the machine that computes them. `python -m benchmarks.synthesis` prints a table and one JSON object.
"""
