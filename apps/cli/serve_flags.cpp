#include "serve_flags.h"

#include <chrono>

namespace isthmus::cli {

void add_serve_flags(CLI::App& app, Options& o) {
  server::Settings& s = o.server;
  app.add_option("--host", s.host, "Address to listen on; 0.0.0.0: all of this machine")
      ->type_name("ADDRESS")
      ->capture_default_str();
  app.add_option("--port", s.port, "Port to listen on; 0: one that is free, which is printed")
      ->check(CLI::Range(0, 65535))
      ->type_name("N")
      ->capture_default_str();
  app.add_option("--name", o.served_name, "What requests call the model (default: its folder)")
      ->type_name("NAME");
  app.add_option("--aligner", o.served_aligners,
                 "Another projector, LoRA or trained part of the model, for requests that name it "
                 "(may be repeated; of several models MODEL/NAME=PATH)")
      ->type_name("NAME=PATH");
  app.add_option("--aligners-from", s.aligner_folder,
                 "Folder of which clients may add aligners while the server runs; they may take "
                 "away any")
      ->check(CLI::ExistingDirectory)
      ->type_name("FOLDER");
  app.add_option("--api-key", s.api_keys, "Key that requests need to bring (may be repeated)")
      ->type_name("KEY");
  app.add_option("--api-keys", o.api_key_file, "File of such keys, one a line")->type_name("FILE");
  app.add_option("--cors", s.cors_origins,
                 "Origin whose pages may ask, https://example.org; * for all (may be repeated)")
      ->type_name("ORIGIN");
  app.add_option("--cert", s.certificate, "Certificate, and those that sign it, as PEM: TLS")
      ->type_name("FILE");
  app.add_option("--key", s.private_key, "Private key of the certificate")->type_name("FILE");
  app.add_option_function<int64_t>(
         "--max-body",
         [&s](int64_t mebibytes) { s.longest_body = static_cast<size_t>(mebibytes) << 20; },
         "Longest body of a request in MiB, media as base64 and all")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 16))
      ->type_name("MIB")
      ->default_str("64");
  app.add_option("--max-queue", o.longest_queue, "Questions that may wait; more are sent away")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 20))
      ->type_name("N")
      ->capture_default_str();
  app.add_option("--kv-cache-size", o.kv_cache_bytes,
                 "Memory for the keys and values of each model, those kept for later prompts "
                 "included (default: a quarter of what is free)")
      ->transform(CLI::AsSizeValue(/*kb_is_1000=*/false))
      ->check(CLI::Range(int64_t{1} << 20, int64_t{1} << 60))
      ->type_name("BYTES");
  app.add_option("--max-pixels", s.caps.pixels, "Largest picture, or frame of a video")
      ->check(CLI::Range(int64_t{1}, int64_t{178'956'970}))
      ->type_name("N")
      ->capture_default_str();
  app.add_option("--max-seconds", s.caps.seconds, "Longest sound or video")
      ->check(CLI::Range(1.0, 1e6))
      ->type_name("S")
      ->capture_default_str();
  app.add_option("--allow-fetch", s.fetch.hosts,
                 "Host from which media are fetched that requests name by address: example.org, "
                 "*.example.org, example.org:8080 (may be repeated)")
      ->type_name("HOST");
  app.add_flag("--allow-fetch-private", s.fetch.private_addresses,
               "Fetch from such hosts even where they are this machine or behind it");
  app.add_option("--fetch-ca", s.fetch.authorities,
                 "Certificates that such hosts are checked against, as PEM (default: the system's)")
      ->check(CLI::ExistingFile)
      ->type_name("FILE");
  app.add_option_function<int64_t>(
         "--timeout", [&s](int64_t seconds) { s.longest_answer = std::chrono::seconds(seconds); },
         "Longest time for an answer, waiting included, in seconds; 0: any")
      ->check(CLI::Range(int64_t{0}, int64_t{1'000'000}))
      ->type_name("S")
      ->default_str("600");
  app.add_option("--drain", o.drain_seconds,
                 "Seconds that answers under way have left when the server is told to end")
      ->check(CLI::Range(int64_t{0}, int64_t{1'000'000}))
      ->type_name("S")
      ->capture_default_str();
  app.add_option("--log-format", o.log_format, "json: each line of the log is an object")
      ->check(CLI::IsMember({"text", "json"}))
      ->type_name("text|json")
      ->capture_default_str();
}

}  // namespace isthmus::cli
