/* Loading a configuration, and its references. See config.h. */
#include "config.h"

#include "config_access.h"
#include "config_complete.h"
#include "config_files.h"
#include "config_reader.h"
#include "config_zones.h"
#include "fiber.h"
#include "file.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { CONFIGURATION_SIZE_MAX = 256 * 1024 * 1024 };

/* The configuration and what it lives in. */
struct owner {
    struct config config; /* first, so that one pointer serves for both */
    struct arena *arena;
    unsigned references;
};

/* They are copies of their own in the arena. */
static void cleanse_secrets(const struct srs *srs)
{
    for (size_t i = 0; i < srs->secret_count; i++)
        if (srs->secrets[i].n > 0)
            OPENSSL_cleanse((char *)srs->secrets[i].p, srs->secrets[i].n);
}

static void free_owner(struct owner *owner)
{
    cleanse_secrets(&owner->config.srs);
    SSL_CTX_free(owner->config.tls_server);
    SSL_CTX_free(owner->config.upstream.tls);
    signer_free(owner->config.policy.signing.signer);
    psl_free(owner->config.policy.public_suffixes);
    arena_free_in_parts(owner->arena, fiber_yield);
    free(owner);
}

static struct owner *new_owner(void)
{
    struct owner *owner = calloc(1, sizeof *owner);
    if (!owner)
        return NULL;
    owner->references = 1;
    owner->arena = arena_new(0);
    if (!owner->arena) {
        free(owner);
        return NULL;
    }
    return owner;
}

/* The permissions of the configuration itself. */
static void check_own_access(const struct config_draft *draft, mode_t mode)
{
    config_check_access(draft->source, config_key("%s", ""), draft->source->path, mode,
                        CONFIG_PUBLIC);
    if (draft->config.srs.secret_count > 0 && (mode & (S_IWGRP | S_IWOTH)) == 0)
        config_check_access(draft->source, config_key("srs.secrets"), draft->source->path, mode,
                            CONFIG_SECRET);
}

/* `mode` is 0 where permissions do not matter. */
static void fill_config(struct owner *owner, struct config_source *source, struct bytes yaml,
                        mode_t mode, bool with_files)
{
    struct config_draft draft = {.arena = owner->arena, .source = source};
    draft.config.path = arena_copy(owner->arena, bytes_of(source->path));
    if (config_read(&draft, yaml)) {
        config_complete(&draft);
        config_build_routing(&draft);
        check_own_access(&draft, mode);
        if (with_files)
            config_read_files(&draft);
    }
    if (arena_failed(owner->arena) || source->lines.failed)
        config_error_at(source, 1, config_key("%s", ""), "out of memory");
    owner->config = draft.config;
}

static struct config *parse_file(struct bytes yaml, const char *path, mode_t mode, bool with_files,
                                 struct buffer *errors)
{
    struct config_source source = {.path = path, .errors = errors};
    struct owner *owner = new_owner();
    if (owner)
        fill_config(owner, &source, yaml, mode, with_files);
    else
        config_error_at(&source, 1, config_key("%s", ""), "out of memory");
    config_source_free(&source);
    if (source.error_count == 0)
        return &owner->config;
    if (source.error_count > CONFIG_ERRORS_MAX)
        buffer_printf(errors, "%s: and %zu more\n", path, source.error_count - CONFIG_ERRORS_MAX);
    if (owner)
        free_owner(owner);
    return NULL;
}

/* It may hold secrets. */
static void cleanse_file(struct buffer *yaml)
{
    enum { PART = 1024 * 1024 };
    for (size_t at = 0; at < yaml->capacity; at += PART) {
        const size_t left = yaml->capacity - at;
        OPENSSL_cleanse(yaml->p + at, left < PART ? left : PART);
        fiber_yield();
    }
}

static struct config *load_file(const char *path, bool with_files, struct buffer *errors)
{
    struct buffer yaml = {0};
    struct config *config = NULL;
    const char *problem;
    mode_t mode;
    if (!file_read_in_parts(path, CONFIGURATION_SIZE_MAX, &yaml, &mode, fiber_yield, &problem))
        buffer_printf(errors, "%s: %s\n", path, problem);
    else
        config = parse_file(buffer_bytes(&yaml), path, with_files ? mode : 0, with_files, errors);
    cleanse_file(&yaml);
    buffer_free_in_parts(&yaml, fiber_yield);
    return config;
}

struct config *config_load(const char *path, struct buffer *errors)
{
    return load_file(path, true, errors);
}

struct config *config_load_without_files(const char *path, struct buffer *errors)
{
    return load_file(path, false, errors);
}

struct config *config_parse(struct bytes yaml, const char *path, struct buffer *errors)
{
    return parse_file(yaml, path, 0, true, errors);
}

struct config *config_keep(struct config *config)
{
    ((struct owner *)config)->references++;
    return config;
}

void config_release(struct config *config)
{
    struct owner *owner = (struct owner *)config;
    if (owner && --owner->references == 0)
        free_owner(owner);
}
