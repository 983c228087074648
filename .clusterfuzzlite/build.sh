#!/bin/bash -eu
# Builds every target of fuzz/ with the engine and sanitizers that the environment names, and puts
# it into $OUT with its seeds, its dictionary and the shared libraries that the runner lacks.
build=$(mktemp -d)
# As RPATH, not RUNPATH, it also serves the libraries that these libraries need.
export LDFLAGS="${LDFLAGS:-} -Wl,-rpath,\$ORIGIN/lib -Wl,--disable-new-dtags"
meson setup "$build" -Dfuzz=true -Dfuzz_engine="$LIB_FUZZING_ENGINE" -Doracles=true \
    -Db_lundef=false -Dwerror=false
ninja -C "$build" fuzzers

mkdir -p "$OUT/lib"
for target in "$build"/fuzz/fuzz_*; do
    [ -f "$target" ] && [ -x "$target" ] || continue
    name=$(basename "$target")
    cp "$target" "$OUT/"
    ldd "$target" | awk '$3 ~ "^/" && $1 !~ "^lib(c|m|dl|rt|pthread)\\.so" { print $3 }' |
        xargs -r cp -Lt "$OUT/lib"
    (cd "fuzz/seeds/${name#fuzz_}" && zip -q -r "$OUT/${name}_seed_corpus.zip" .)
    if [ -f "fuzz/${name#fuzz_}.dict" ]; then
        cp "fuzz/${name#fuzz_}.dict" "$OUT/$name.dict"
    fi
done
