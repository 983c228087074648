"""The results of a run: one model, and every form of its report.

`results.json` is for programs: one object with a stable format. Keys may be added; none is renamed or
removed without a new `schema`. A key whose value would be null is omitted, except `failure`. Paths are
relative, so that a report can be moved: `transcript` to the report's directory, `where` to the root of
the project.

    schema           1
    subject          the name of the MTA under test; of a --target, its --name, title or HOST:PORT
    version          as the subject reports it; "?" if it could not be determined
    started          ISO 8601 date and time, in UTC
    duration         in seconds
    strict           whether every level gates
    gate             the levels that do
    complete         whether all clauses were selected
    exit_status      of conform, see --help
    failure          why the lab or the subject could not run, or null
    waiver_problems  waivers that have expired or are not needed, as sentences
    regressions      whether the exit status follows the known failures
    new, mended      of a subject with known failures: the ids of failed tests that are not known, and
                     entries that no longer fail, as text
    clauses          the selected ones, in the catalogue's order:
      id, heading, level, statement, source, quote, roles, capability, file
                     as in the catalogue; `file` is a name in conformance/catalogue/, without .yaml
      source_url     the source; relative for a decision, whose text is in the report's directory
      verdict        fail, error, unimplemented, skipped or pass: the first of these among its tests
      outcomes       the number of its tests by outcome
      reason         why some or all of its tests have no result
      gates          whether a failure makes the subject non-conforming
      waiver         the reason in the waiver that covers its failure
      tests          the ids of its tests
    tests            all that ran:
      id             pytest's, unique in a run
      title          the test's name as a sentence
      clauses        the ids of the clauses that it asserts
      outcome        with the same values as a verdict
      duration       in seconds
      expected, actual
                     of a failure
      reason         of a skip, an error, or a missing capability
      where          FILE:LINE in the suite, unless it passed
      details        the traceback of a failure or an error
      transcript     the file with everything sent and received, if the test used the lab
      command        repeats the tests of its first clause
      known          of a known failure: verdict (whose fault it is: right, configuration, suite), reason
                     and hint
      late           true of an error because the lab itself was too late, on a busy machine
      lab_failure    always false
"""
