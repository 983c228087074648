"""The vectors of fixtures/vectors over the wire: each scenario's DNS, clients and messages are played
through the lab to the subject, and each case is judged by what it records of them, or refuses.

`load` reads the files, `clauses` has the clause of every case, `play` plays a scenario; a module for each
folder says how its cases look on the wire, and what is right there.
"""
