/* What the signing tools share: the key, a message whose line ends are kept, and printing the
 * message with new fields on top. */
#ifndef FAIRLEAD_SIGN_INPUT_H
#define FAIRLEAD_SIGN_INPUT_H

#include "signer.h"
#include "tool.h"

/* The options --domain, --selector and --key, all required. */
struct sign_options {
    const char *domain;
    const char *selector;
    const char *key; /* a file */
};

#define SIGN_OPTIONS(o)                                                                            \
    {"domain", "NAME", "the signing domain, d=", &(o).domain, 1},                                  \
        {"selector", "NAME", "the selector of the key, s=", &(o).selector, 1},                     \
    {                                                                                              \
        "key", "FILE", "the private key in PEM form, RSA or Ed25519", &(o).key, 1                  \
    }

struct sign_input {
    struct signing_identity identity; /* the signer is freed by sign_input_free() */
    struct bytes file;                /* as read */
    struct message message;           /* with CRLF */
    struct body_hash *body;
};

/* Reads the key and the message that is the first operand. TOOL_DONE, or the exit code after the
 * error has been printed. */
int sign_input_read(struct tool_context *context, const struct sign_options *options,
                    struct sign_input *input);
void sign_input_free(struct sign_input *input);

/* Prints the fields, then the file as it was read; the fields' line ends are those of the file.
 * Returns an exit code. */
int sign_input_print(const struct sign_input *input, const struct bytes *fields, size_t count);

#endif
