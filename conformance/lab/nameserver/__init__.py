"""The lab's nameserver, and its zones, which can be used without a server.

    zone      the records, the names that fail, and the lookup of a question
    faults    the ways in which an answer can be wrong, one class each
    exchange  a query, the correct response, and its encoding
    server    answers over UDP and TCP, and records the questions
"""
