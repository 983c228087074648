"""Results of a run: one model, and every form in which it is reported.

Programs read `results.json`, one object whose form is a promise: keys may be added, none is renamed
or removed without another `schema`. A key whose value would be null is left out, except `failure`.
Paths are relative, so that a report can be moved: `transcript` to the report's directory, `where` to
the root of the project.

    schema           1
    subject          the name of the MTA under test, or HOST:PORT of a --target
    version          as the subject gives it; "?" where it could not be asked
    started          ISO 8601 date and time, in UTC
    duration         in seconds
    strict           whether --strict was given
    complete         whether all clauses were selected
    exit_status      of conform, as --help lists them
    failure          why the lab or the subject could not run, or null
    waiver_problems  waivers that have expired or are not needed, as sentences
    clauses          those selected, in the catalogue's order:
      id, heading, level, statement, source, quote, roles, capability, file
                     as in the catalogue; `file` is a name in conformance/catalogue/, without .yaml
      source_url     where the source can be read; relative for a decision, whose text is beside the
                     report
      verdict        fail, error, unimplemented, skipped or pass: the first of these among its tests
      outcomes       how many of its tests had which outcome
      reason         why some or all of its tests said nothing of the subject
      gates          whether its failure makes the subject non-conforming
      waiver         the reason of the waiver that covers its failure
      tests          the ids of its tests
    tests            those that ran, each once:
      id             pytest's, unique in the run
      title          the test's name as a sentence
      clauses        the ids of the clauses that it asserts
      outcome        of the same values as a verdict
      duration       in seconds
      expected, actual
                     of a failure
      reason         of a skip, an error, or a missing capability
      where          FILE:LINE in the suite, of anything but a pass
      details        the traceback of a failure or an error
      transcript     the file with all that was said, if the lab came to be used
      command        runs the tests of its first clause again
      lab_failure    always false
"""
