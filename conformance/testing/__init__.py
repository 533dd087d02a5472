"""In a test suite: one pytest test for every property, all of them reading one run."""
