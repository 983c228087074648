/* The kinds of value that a key of the configuration file may have. */
#ifndef FAIRLEAD_CONFIG_VALUES_H
#define FAIRLEAD_CONFIG_VALUES_H

#include "config_setting.h"

extern const struct config_type config_number;        /* an unsigned type of the setting's size */
extern const struct config_type config_octets;        /* likewise */
extern const struct config_type config_seconds;       /* double */
extern const struct config_type config_choice;        /* an enumeration */
extern const struct config_type config_text;          /* struct bytes, and so down to local part */
extern const struct config_type config_word;          /* printable ASCII without a blank */
extern const struct config_type config_url;           /* likewise */
extern const struct config_type config_domain;        /* in the one form of domain.h */
extern const struct config_type config_dns_name;      /* a name that is only looked up */
extern const struct config_type config_local_part;    /* its content */
extern const struct config_type config_directory;     /* the same */
extern const struct config_type config_file;          /* const char *, the path from here */
extern const struct config_type config_ip;            /* struct ip */
extern const struct config_type config_prefix;        /* struct ip_prefix */
extern const struct config_type config_server;        /* struct resolver_server */
extern const struct config_type config_mailbox;       /* struct mailbox */
extern const struct config_type config_route_address; /* struct zone_route, all but its `to` */
extern const struct config_type config_list;          /* a pointer to the entries */
extern const struct config_type config_removed;       /* a key that no longer exists */

/* True for a type whose default is the setting's number. */
bool config_type_is_numeric(const struct config_type *type);

/* Stores a number in the form that the setting's type and size ask for; reads it back. */
void config_store_number(const struct config_setting *setting, void *value, uint64_t number);
uint64_t config_stored_number(const struct config_setting *setting, const void *value);

#endif
