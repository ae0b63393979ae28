#include <gtest/gtest.h>

#include "cli/options.h"
#include "isthmus/error.h"

namespace isthmus::cli {
namespace {

Options parse(std::vector<std::string> words) {
  words.insert(words.begin(), {"isthmus", "serve", "MODEL"});
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  return parse_command_line(static_cast<int>(argv.size()), argv.data()).options;
}

TEST(ServeFlags, WithoutAnyTheServerIsForThisMachineAlone) {
  const Options options = parse({});
  EXPECT_EQ(options.models, std::vector<std::string>{"MODEL"});
  EXPECT_EQ(options.server.host, "127.0.0.1");
  EXPECT_EQ(options.server.port, 8642);
  EXPECT_TRUE(options.server.api_keys.empty());
  EXPECT_TRUE(options.server.cors_origins.empty());
  EXPECT_TRUE(needs_compute("serve"));
}

TEST(ServeFlags, AreRead) {
  const Options options =
      parse({"OTHER", "--port",           "0",         "--api-key",    "a",    "--api-key",
             "b",     "--cors",           "https://x", "--max-body",   "8",    "--timeout",
             "30",    "--max-pixels",     "1000",      "--drain",      "5",    "--max-queue",
             "3",     "--max-new-tokens", "7",         "--storage",    "q4",   "--cache-dir",
             "kept",  "--cache-size",     "3G",        "--log-format", "json", "--kv-cache-size",
             "2M"});
  EXPECT_EQ(options.models, (std::vector<std::string>{"MODEL", "OTHER"}));
  EXPECT_EQ(options.server.port, 0);
  EXPECT_EQ(options.server.api_keys, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(options.server.cors_origins, std::vector<std::string>{"https://x"});
  EXPECT_EQ(options.server.longest_body, size_t{8} << 20);
  EXPECT_EQ(options.server.longest_answer, std::chrono::seconds(30));
  EXPECT_EQ(options.server.caps.pixels, 1000);
  EXPECT_EQ(options.drain_seconds, 5);
  EXPECT_EQ(options.longest_queue, 3);
  EXPECT_EQ(options.generate.max_new_tokens, 7);
  EXPECT_EQ(options.load.decoder_storage, "q4");
  EXPECT_EQ(options.load.media_cache, "kept");
  EXPECT_EQ(options.load.media_cache_bytes, int64_t{3} << 30);
  EXPECT_EQ(options.log_format, "json");
  EXPECT_EQ(options.kv_cache_bytes, int64_t{2} << 20);
}

TEST(ServeFlags, AlignersAreNamed) {
  const Options options =
      parse({"--aligner", "a=x/y", "--aligner", "M/b=z", "--aligners-from", "/tmp"});
  EXPECT_EQ(options.served_aligners, (std::vector<std::string>{"a=x/y", "M/b=z"}));
  EXPECT_EQ(options.server.aligner_folder, "/tmp");
  EXPECT_TRUE(parse({}).server.aligner_folder.empty());
  EXPECT_THROW(parse({"--aligners-from", "/nowhere/at/all"}), UsageError);
}

TEST(ServeFlags, OutOfRangeAreRefused) {
  EXPECT_THROW(parse({"--port", "65536"}), UsageError);
  EXPECT_THROW(parse({"--max-body", "0"}), UsageError);
  EXPECT_THROW(parse({"--max-queue", "0"}), UsageError);
  EXPECT_THROW(parse({"--cache-dir", "kept", "--cache-size", "1K"}), UsageError);
  EXPECT_THROW(parse({"--cache-size", "1G"}), UsageError);  // of what?
  EXPECT_THROW(parse({"--log-format", "xml"}), UsageError);
  EXPECT_THROW(parse({"--kv-cache-size", "1K"}), UsageError);
}

}  // namespace
}  // namespace isthmus::cli
