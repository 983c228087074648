/* Runs a fuzz target over the files of one directory: its seeds as a regression test, in builds
 * without libFuzzer. */
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

enum { SEED_MAX = 1024 * 1024 };

/* The file is given in a block of its exact size, so that ASan sees a read beyond it. */
static int replay(const char *directory, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "rb");
    uint8_t *seed = malloc(SEED_MAX);
    size_t size = file && seed ? fread(seed, 1, SEED_MAX, file) : 0;
    int unreadable = !file || !seed || ferror(file);
    if (file)
        fclose(file);
    uint8_t *exact = size > 0 ? realloc(seed, size) : seed;
    if (!unreadable && exact)
        LLVMFuzzerTestOneInput(exact, size);
    free(exact ? exact : seed);
    return unreadable;
}

int main(int argc, char **argv)
{
    DIR *directory = argc == 2 ? opendir(argv[1]) : NULL;
    int seeds = 0;
    if (!directory) {
        fputs("give the directory of the seeds\n", stderr);
        return 2;
    }
    for (struct dirent *entry = readdir(directory); entry; entry = readdir(directory)) {
        if (entry->d_name[0] == '.')
            continue;
        if (replay(argv[1], entry->d_name) != 0) {
            perror(entry->d_name);
            return 2;
        }
        seeds++;
    }
    closedir(directory);
    printf("%d seeds\n", seeds);
    return seeds > 0 ? 0 : 1;
}
