/* What the signing tools share. See sign_input.h. */
#include "sign_input.h"

#include "domain.h"

enum { KEY_FILE_MAX = 64 * 1024 };

static int read_identity(struct tool_context *context, const struct sign_options *options,
                         struct signing_identity *identity)
{
    struct bytes pem;
    const char *problem = NULL;
    if (!options->domain || !options->selector || !options->key)
        return tool_usage_error("--domain, --selector and --key are required");
    struct bytes domain = domain_normalise(context->arena, bytes_of(options->domain));
    struct bytes selector = domain_normalise(context->arena, bytes_of(options->selector));
    if (!domain.p || !selector.p)
        return tool_usage_error("'%s' is not a domain name",
                                domain.p ? options->selector : options->domain);
    int status = tool_read_file(context->arena, options->key, KEY_FILE_MAX, &pem);
    if (status != TOOL_DONE)
        return status;
    *identity = (struct signing_identity){
        .signer = signer_from_pem(pem, &problem),
        .domain = domain,
        .selector = selector,
    };
    return identity->signer ? TOOL_DONE : tool_unable("%s: %s", options->key, problem);
}

int sign_input_read(struct tool_context *context, const struct sign_options *options,
                    struct sign_input *input)
{
    *input = (struct sign_input){.file = {NULL, 0}};
    int status = read_identity(context, options, &input->identity);
    if (status != TOOL_DONE)
        return status;
    status = tool_read_file(context->arena, context->operands.text[0], TOOL_FILE_MAX, &input->file);
    if (status != TOOL_DONE)
        return status;
    struct bytes octets = message_with_crlf(context->arena, input->file);
    if (!octets.p || !message_parse(context->arena, octets, &input->message))
        return tool_unable("out of memory");
    input->body = body_hash_new(context->arena, input->message.body);
    return input->body ? TOOL_DONE : tool_unable("out of memory");
}

void sign_input_free(struct sign_input *input)
{
    signer_free(input->identity.signer);
}

/* By the first line; a file without any line end counts as CRLF. */
static bool has_bare_lf(struct bytes file)
{
    size_t end = bytes_find(file, '\n');
    return end != BYTES_NOT_FOUND && (end == 0 || file.p[end - 1] != '\r');
}

int sign_input_print(const struct sign_input *input, const struct bytes *fields, size_t count)
{
    struct buffer out = {0};
    const bool bare_lf = has_bare_lf(input->file);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < fields[i].n; k++)
            if (!bare_lf || fields[i].p[k] != '\r')
                buffer_add_char(&out, fields[i].p[k]);
    buffer_add(&out, input->file);
    int status = tool_print(&out);
    buffer_free(&out);
    return status;
}
