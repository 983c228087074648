/* The command line of a sub-command. See command_line.h. */
#include "command_line.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    OPTIONS_MAX = 32,
    HELP_COLUMN = 32,      /* where the explanation of an option begins */
    LONG_OPTION_BASE = 256 /* getopt's value of the first option: no character has it */
};

static const struct tool_option help_options[] = {
    {"help", NULL, "print this text and exit", NULL, 1}, {0}};

/* The options of a sub-command in the order of its help. */
struct option_list {
    const struct tool_option *options[OPTIONS_MAX];
    size_t count;
};

int tool_complain(int code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("fairlead: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    return code;
}

static void list_options(struct option_list *list, const struct tool_option *table)
{
    for (; table && table->name && list->count < OPTIONS_MAX; table++)
        list->options[list->count++] = table;
}

static char short_name(const struct tool_option *option)
{
    return option == help_options ? 'h' : strcmp(option->name, "config") == 0 ? 'c' : '\0';
}

static void print_option(const struct tool_option *option)
{
    const char letter = short_name(option);
    int width = letter ? printf("  -%c, ", letter) : printf("      ");
    width += printf("--%s%s%s", option->name, option->value_name ? " " : "",
                    option->value_name ? option->value_name : "");
    for (const char *line = option->help; line; width = 0) {
        const char *end = strchr(line, '\n');
        const int length = end ? (int)(end - line) : (int)strlen(line);
        printf("%*s%.*s\n", width < HELP_COLUMN ? HELP_COLUMN - width : 2, "", length, line);
        line = end ? end + 1 : NULL;
    }
}

static void print_help(const struct tool_usage *usage, const struct option_list *list)
{
    printf("usage: fairlead %s [OPTIONS]%s%s\n\n%s\noptions:\n", usage->name,
           usage->operands[0] ? " " : "", usage->operands, usage->help);
    for (size_t i = 0; i < list->count; i++)
        print_option(list->options[i]);
}

/* The place of the option that getopt_long() found, or count if there is none. */
static size_t find_option(const struct option_list *list, int found)
{
    if (found >= LONG_OPTION_BASE)
        return (size_t)(found - LONG_OPTION_BASE);
    size_t i = 0;
    while (i < list->count && (found == '\0' || short_name(list->options[i]) != found))
        i++;
    return i;
}

static int complain_of_option(const struct tool_usage *usage, const struct option_list *list,
                              int problem, const char *argument)
{
    size_t i = find_option(list, optopt);
    if (i < list->count)
        return tool_usage_error("--%s %s; see 'fairlead %s --help'", list->options[i]->name,
                                problem == ':' ? "requires a value" : "does not accept a value",
                                usage->name);
    if (optopt != '\0')
        return tool_usage_error("unknown option -%c; see 'fairlead %s --help'", optopt,
                                usage->name);
    return tool_usage_error("unknown option %s; see 'fairlead %s --help'", argument, usage->name);
}

/* TOOL_DONE, or TOOL_USAGE with the mistake named. */
static int read_options(const struct tool_usage *usage, int argc, char **argv,
                        const struct option_list *list, bool *help)
{
    struct option known[OPTIONS_MAX + 1] = {{0}};
    size_t given[OPTIONS_MAX] = {0};
    for (size_t i = 0; i < list->count; i++) {
        known[i].name = list->options[i]->name;
        known[i].has_arg = list->options[i]->value_name ? required_argument : no_argument;
        known[i].val = LONG_OPTION_BASE + (int)i;
    }
    const char *letters = find_option(list, 'c') < list->count ? ":c:h" : ":h";
    optind = 0; /* getopt may have been used before */
    for (int found; (found = getopt_long(argc, argv, letters, known, NULL)) != -1;) {
        const size_t i = find_option(list, found); /* ':' and '?' are mistakes */
        if (i == list->count)
            return complain_of_option(usage, list, found, argv[optind - 1]);
        const struct tool_option *option = list->options[i];
        if (option == help_options)
            *help = true;
        else if (given[i] < option->max)
            option->values[given[i]++] = optarg ? optarg : "";
        else if (option->max == 1)
            return tool_usage_error("--%s may be given only once; see 'fairlead %s --help'",
                                    option->name, usage->name);
        else
            return tool_usage_error("--%s may be given at most %zu times; see 'fairlead %s --help'",
                                    option->name, option->max, usage->name);
    }
    return TOOL_DONE;
}

static int check_operands(const struct tool_usage *usage, const struct tool_operands *operands)
{
    if (operands->count < usage->operands_min)
        return tool_usage_error("missing %s; see 'fairlead %s --help'", usage->operands,
                                usage->name);
    if (operands->count > usage->operands_max)
        return tool_usage_error("unexpected argument '%s'; see 'fairlead %s --help'",
                                operands->text[usage->operands_max], usage->name);
    return TOOL_DONE;
}

bool tool_read_command_line(const struct tool_usage *usage, int argc, char **argv,
                            struct tool_operands *operands, int *status)
{
    struct option_list list = {.count = 0};
    bool help = false;
    list_options(&list, usage->options);
    list_options(&list, usage->common);
    list_options(&list, help_options);
    *status = read_options(usage, argc, argv, &list, &help);
    if (*status != TOOL_DONE)
        return false;
    if (help) {
        print_help(usage, &list);
        return false;
    }
    *operands = (struct tool_operands){argv + optind, argc - optind};
    *status = check_operands(usage, operands);
    return *status == TOOL_DONE;
}
