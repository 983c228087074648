/* The files that a configuration names: certificates, keys, secrets and the public suffix list. */
#ifndef FAIRLEAD_CONFIG_FILES_H
#define FAIRLEAD_CONFIG_FILES_H

#include "config_draft.h"

/* Reads certificate and keys, the SRS secrets and the public suffix list. Reports. */
void config_read_files(struct config_draft *draft);

#endif
