"""The suite: test_X.py asserts the clauses of conformance/catalogue/X.yaml, in their order."""
