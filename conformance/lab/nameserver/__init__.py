"""The lab's nameserver, and what its zones hold without a server.

    zone      the records, the names that fail, and how a question is looked up
    faults    the ways in which an answer can go wrong, one class each
    exchange  a query, the right response to it, and how it is encoded
    server    answers over UDP and TCP, and keeps a record of the questions
"""
