"""Which of several evaluated models, or data sets, is better, problem by problem."""
