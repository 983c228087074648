"""Inputs drawn at random from grammars, each with the verdict that is right for it.

A file per grammar. A draw builds something valid from the grammar, rule by rule, or breaks exactly one
named rule of it; so what is right is known from how the input was made, and nothing here reads input as
an MTA does. What sources leave open is not drawn.

Names in a sample stand for those of the test that uses it, and are replaced when it is sent (`sent()`):
so the same seed gives the same samples in every test and every lab.
"""

from __future__ import annotations

# Domains of the same length or shorter in samples than in the lab.
SENDER = "sender.example"  # whose mail passes SPF
VICTIM = (
    "victim.example"  # of the policy p=reject, and the client's mail is not its own
)
ZONE = "catchall.example"  # served, every address of it
