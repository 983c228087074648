/* The YAML of a configuration file: which keys and forms of values there may be, and what is
 * reported about others by line (relay/config/config_reader.c). */
#include "config_cases.h"

static const char path[] = "/nonexistent/f.yaml";

static const struct bad_file bad_yaml[] = {
    {"", "f.yaml:1: the file is empty\n"},
    {"# nothing\n", "f.yaml:1: the file is empty\n"},
    {"word\n", "f.yaml:1: must be a mapping (key: value)\n"},
    {"[]\n", "f.yaml:1: must be a mapping (key: value)\n"},
    {"hostname: [\n", "f.yaml:1: hostname: must be a single value\n"
                      "f.yaml:2: not YAML: did not find expected node content\n"},
    {"hostname: \"\\xff\n", "f.yaml:2: not YAML: found unexpected end of stream\n"},
    {"\x01", "f.yaml:1: not YAML: control characters are not allowed\n"},
    {"\xff\xfe\xff", "f.yaml:1: not YAML: incomplete UTF-16 character\n"},
    {ONE_ZONE "---\nhostname: mx.example\n", "f.yaml:6: more than one YAML document\n"},
    {ONE_ZONE "hostnam: x\n", "f.yaml:6: unknown key 'hostnam'; did you mean 'hostname'?\n"},
    {ONE_ZONE "colour: blue\n", "f.yaml:6: unknown key 'colour'\n"},
    {ONE_ZONE "colour:\n  - {deep: [1, {er: *x}]}\n", "f.yaml:6: unknown key 'colour'\n"},
    {ONE_ZONE "? [a, b]\n: c\n", "f.yaml:6: must be a mapping with plain keys\n"},
    {ONE_ZONE "<<: {}\n", "f.yaml:6: unknown key '<<'\n"},
    {ONE_ZONE "user: a\nuser: b\n", "f.yaml:7: user: is given twice\n"},
    {ONE_ZONE "user: &u a\ntls: *u\n", "f.yaml:7: tls: aliases are not supported\n"},
    {ONE_ZONE "limits.memory: 1048576\n", "f.yaml:6: unknown key 'limits.memory'\n"},
    {ONE_ZONE "'listen[]': 1\n", "f.yaml:6: unknown key 'listen[]'; did you mean 'listen'?\n"},
    {ONE_ZONE "'': 1\n", "f.yaml:6: unknown key ''\n"},
    {ONE_ZONE "tls: {}\ntls: {}\n", "f.yaml:6: tls.certificate: is missing\n"
                                    "f.yaml:6: tls.key: is missing\n"
                                    "f.yaml:7: tls: is given twice\n"
                                    "f.yaml:6: tls.certificate: is missing\n"
                                    "f.yaml:6: tls.key: is missing\n"},
    {ONE_ZONE "\"a\\nb\": 1\n", "f.yaml:6: unknown key 'a?b'\n"},
    {ONE_ZONE "user: \"a\\0b\"\n", "f.yaml:6: user: must be text without NUL\n"},
    {ONE_ZONE "tls: true\n", "f.yaml:6: tls: must be a mapping (key: value)\n"},
    {ONE_ZONE "tls: {key: k}\n", "f.yaml:6: tls.certificate: is missing\n"},
    {ONE_ZONE "resolver: {servers: '::1'}\n", "f.yaml:6: resolver.servers: must be a list\n"},
    {ONE_ZONE "upstream: {source: [[a]]}\n",
     "f.yaml:6: upstream.source[0]: must be a single value\n"},
    {ONE_ZONE "limits:\n  sessions: 0x10\n  recipients: -1\n  memory: []\n",
     "f.yaml:7: limits.sessions: must be a number: decimal digits and nothing else\n"
     "f.yaml:8: limits.recipients: must be a number: decimal digits and nothing else\n"
     "f.yaml:9: limits.memory: must be a single value\n"},
    {ONE_ZONE "dmarc: {edition: rfc7498}\n",
     "f.yaml:6: dmarc.edition: must be one of rfc9989, rfc7489\n"},
    {ONE_ZONE "spf: {engine: native}\n",
     "f.yaml:6: spf.engine: was removed: the relay always evaluates SPF itself; delete this "
     "key\n"},
    {"user: x\n", "f.yaml:1: hostname: is missing\n"
                  "f.yaml:1: listen: is missing\n"
                  "f.yaml:1: postmaster.address: is missing\n"
                  "f.yaml:1: zones: is missing\n"},
    {MINIMUM "zones:\n- domain: a.example\n- plan: pro\n  domains: b.example\n",
     "f.yaml:8: zones[1]: unknown key 'domains'; did you mean 'domain'?\n"
     "f.yaml:7: zones[1].domain: is missing\n"},
};

static void what_is_not_the_documented_yaml_is_refused_by_line(void **state)
{
    (void)state;
    ASSERT_BAD_FILES(path, bad_yaml);
}

static void a_flood_of_errors_is_counted_after_fifty(void **state)
{
    (void)state;
    struct buffer yaml = {0}, errors = {0};
    buffer_printf(&yaml, "%s", ONE_ZONE);
    for (int i = 0; i < 60; i++)
        buffer_printf(&yaml, "wrong%d: x\n", i);
    buffer_add_char(&yaml, '\0');
    assert_null(config_parse(bytes_of(yaml.p), path, &errors));
    struct bytes rest = buffer_bytes(&errors), line = {NULL, 0};
    size_t lines = 0;
    while (rest.n > 0) {
        line = bytes_cut(&rest, '\n');
        lines++;
    }
    assert_int_equal(lines, 51);
    assert_true(bytes_ends_with_nocase(line, BYTES("f.yaml: and 10 more")));
    buffer_free(&yaml);
    buffer_free(&errors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_the_documented_yaml_is_refused_by_line),
        cmocka_unit_test(a_flood_of_errors_is_counted_after_fifty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
