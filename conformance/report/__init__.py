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
    title            what the subject calls itself
    banner           the first line of its greeting
    finished         whether the run came to its end: false if `failure` is not null, and while it lasts
    conclusion       the exit status in words
    regressions      whether only failures that are not known count
    mended           known failures that no longer occur, as sentences, where the subject has a list
    new              the ids of tests that fail and are not on that list
    role             in which the subject was tested: relay, sender or receiver
    roles, capabilities
                     that it declares
    limits, timeouts
                     with which it runs, in octets and seconds, if it declares the capability
    suite            version, commit (with "-dirty" if files have been changed) and digest of catalogue and
                     tests: clauses of two runs can be compared if it is the same
    sample           count and seed of the inputs drawn by each test on a grammar, with --sample
    headings         in the catalogue's order: heading, and the number of its clauses as verdicts
    clauses          the selected ones, in the catalogue's order:
      id, heading, level, statement, source, quote, roles, capability, file
                     as in the catalogue; `file` is a name in conformance/catalogue/, without .yaml
      source_url     the source; relative for a decision, whose text is in the report's directory
      verdict        fail, error, unimplemented, skipped or pass: the first of these among its tests
      outcomes       the number of its tests by outcome
      reason         why some or all of its tests have no result
      gates          whether a failure makes the subject non-conforming
      waiver         the reason in the waiver that covers its failure
      waived_until   the last day of that waiver
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
      late           true of an error because the lab itself was too late, on a busy machine
      hint           of a failure: what the operator can change, where the subject's folder says so
      known          of a known failure: verdict (right, configuration or suite), reason, perhaps hint
      lab_failure    always false

While a run lasts, and after it was killed, results.jsonl has the results so far, an object a line
(results.py). schemas/results.schema.json is the schema of results.json.
"""
