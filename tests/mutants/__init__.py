"""Broken relays, each of which the suite is to notice: scripts/mutants.

breakages.py finds what can be broken by name, workshop.py builds a broken relay, judging.py runs the
suite against it, and command.py is the command line. The patches *.patch are breakages that no
expression of the relay can make.
"""
