"""Control subjects: MTAs that are wrong on purpose, by which the suite itself is judged.

They speak correct ESMTP (mta.py) and are wrong in one way. They declare every capability that an MTA
can have without being started by us, so that nothing is `unimplemented` for them that is tested. What a
control passes is in passes.yaml: a clause that is not there and passes was passed by nothing done.
"""
