"""What judging costs, whether it leaves anything behind, and whether load changes its verdicts."""
