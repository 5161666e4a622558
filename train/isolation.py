"""Leave the process as it was found: several trainings share one with other stages."""

from __future__ import annotations

import gc
import os
import random
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from accelerate.state import AcceleratorState, GradientState
from transformers.utils import logging


@contextmanager
def isolated() -> Iterator[None]:
    """Restore random states, environment, thread count and loudness afterwards; free memory."""
    states = random.getstate(), np.random.get_state(), torch.random.get_rng_state()
    environment, threads = dict(os.environ), torch.get_num_threads()
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        if not torch.distributed.is_initialized():
            # Accelerate keeps device and precision in class attributes, for the next caller too.
            AcceleratorState._reset_state(reset_partial_state=True)
            GradientState._reset_state()
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.random.set_rng_state(states[2])
        torch.set_num_threads(threads)
        os.environ.clear()
        os.environ.update(environment)
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
        gc.collect()  # the trainer's cycles hold the model and the optimizer
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
