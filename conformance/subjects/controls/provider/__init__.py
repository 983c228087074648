"""The mail provider after which the controls of the roles sender and receiver are modelled.

In the manner `model` it is correct: it checks what it receives, delivers it to its mailboxes by LMTP, and
sends what its users submit. Every other manner (manners.py) does exactly one thing wrong. Left out: aliases,
DKIM signing, DSN by RFC 3461, authentication.
"""
