"""Results of a run: one model, and every form in which it is reported."""
