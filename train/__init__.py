"""Supervised fine-tuning: trajectories become exact ids, and a student is trained on them."""

import os

from tessy.machine import visible_gpus

if not visible_gpus():
    # Where DeepSpeed is installed other libraries import it; it would search, and print so.
    os.environ.setdefault("DS_ACCELERATOR", "cpu")
