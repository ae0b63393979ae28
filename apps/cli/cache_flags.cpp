#include "cache_flags.h"

namespace isthmus::cli {

void add_cache_flags(CLI::App& app, Options& o) {
  CLI::Option* folder =
      app.add_option("--cache-dir", o.load.media_cache,
                     "Folder that keeps what media became, for a later start (docs/serving.md)")
          ->type_name("FOLDER");
  app.add_option("--cache-size", o.load.media_cache_bytes,
                 "Its largest size; what was not used for longest goes first")
      ->transform(CLI::AsSizeValue(/*kb_is_1000=*/false))
      ->check(CLI::Range(int64_t{1} << 20, int64_t{1} << 60))
      ->needs(folder)
      ->type_name("BYTES")
      ->default_str("10G");
}

}  // namespace isthmus::cli
