"""A run from its options to its report: verify, replay, and the cases of the runs before."""
