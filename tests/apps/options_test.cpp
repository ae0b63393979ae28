#include "cli/options.h"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "isthmus/error.h"

namespace isthmus::cli {
namespace {

using eval::EvalOptions;

EvalOptions parse(std::vector<std::string> words) {
  words.insert(words.begin(), {"isthmus", "eval", "MODEL", "--out", "out"});
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  return parse_command_line(static_cast<int>(argv.size()), argv.data()).options.eval;
}

std::string complaint(const std::vector<std::string>& words) {
  try {
    parse(words);
  } catch (const UsageError& error) {
    return error.what();
  }
  return "no error";
}

TEST(EvalFlags, DefaultsAreThoseOfThePublishedProtocol) {
  const EvalOptions options = parse({"--task", "coco=data/coco"});
  ASSERT_EQ(options.tasks.size(), 1u);
  EXPECT_EQ(options.tasks[0].name, "coco");
  EXPECT_EQ(options.tasks[0].folder, "data/coco");
  EXPECT_EQ(options.shots, (std::vector<int64_t>{0, 4, 8, 16, 32}));
  EXPECT_EQ(options.seeds, std::vector<uint64_t>{42});
  EXPECT_EQ(options.selection, eval::Selection::kRandom);
  EXPECT_EQ(options.query_set_size, 2048);
  EXPECT_EQ(options.zero_shot_demonstrations, 2);
  EXPECT_EQ(options.out, "out");
  EXPECT_EQ(options.model, "MODEL");
  EXPECT_FALSE(options.num_beams.has_value());
}

TEST(EvalFlags, EveryFlagArrives) {
  const EvalOptions options = parse({"--task",
                                     "vqav2",
                                     "--data",
                                     "q.json",
                                     "--data",
                                     "a.json",
                                     "--train",
                                     "tq.json",
                                     "--train",
                                     "ta.json",
                                     "--images",
                                     "val",
                                     "--train-images",
                                     "train",
                                     "--shots",
                                     "0,4",
                                     "--seeds",
                                     "1,2",
                                     "--select",
                                     "rices",
                                     "--limit",
                                     "10",
                                     "--batch",
                                     "2",
                                     "--skip-broken",
                                     "--form",
                                     "mine.json",
                                     "--num-beams",
                                     "1",
                                     "--max-new-tokens",
                                     "7",
                                     "--length-penalty",
                                     "-1",
                                     "--query-set",
                                     "0",
                                     "--zero-shot-examples",
                                     "0",
                                     "--features",
                                     "cache"});
  const auto& task = options.tasks.at(0);
  EXPECT_EQ(task.name, "vqav2");
  EXPECT_EQ(task.files.test.size(), 2u);
  EXPECT_EQ(task.files.train[1], "ta.json");
  EXPECT_EQ(task.files.images, "val");
  EXPECT_EQ(task.files.train_images, "train");
  EXPECT_EQ(options.shots, (std::vector<int64_t>{0, 4}));
  EXPECT_EQ(options.seeds, (std::vector<uint64_t>{1, 2}));
  EXPECT_EQ(options.selection, eval::Selection::kRices);
  EXPECT_EQ(options.limit, 10);
  EXPECT_EQ(options.batch, 2);
  EXPECT_TRUE(options.skip_broken);
  EXPECT_EQ(options.form, "mine.json");
  EXPECT_EQ(options.num_beams, 1);
  EXPECT_EQ(options.max_new_tokens, 7);
  EXPECT_EQ(options.length_penalty, -1);
  EXPECT_EQ(options.query_set_size, 0);
  EXPECT_EQ(options.zero_shot_demonstrations, 0);
  EXPECT_EQ(options.feature_folder, "cache");
}

TEST(EvalFlags, SeveralTasksAndOnesOwnData) {
  EXPECT_EQ(parse({"--task", "coco=a", "--task", "vizwiz=b"}).tasks.size(), 2u);
  const EvalOptions own = parse({"--data", "mine.jsonl", "--train", "shots.jsonl"});
  EXPECT_EQ(own.tasks.at(0).name, "");
  EXPECT_EQ(own.tasks.at(0).files.train.at(0), "shots.jsonl");
}

TEST(EvalFlags, WhatDoesNotFitTogetherIsNamed) {
  EXPECT_EQ(complaint({}),
            "eval: nothing to evaluate; give --task NAME=DIR, or --data FILE and --train FILE");
  EXPECT_EQ(complaint({"--task", "coko=a"}).find("eval: --task: there is no task \"coko\"; known"),
            0u);
  EXPECT_EQ(complaint({"--task", "coco"}),
            "eval: --task coco: give the folder of the data set, --task coco=DIR, or its files "
            "with --data");
  EXPECT_EQ(complaint({"--task", "coco=a", "--data", "b.json"}),
            "eval: --data and --train name files, and --task NAME=DIR finds them; give one of the "
            "two");
  EXPECT_EQ(complaint({"--task", "coco=a", "--task", "vizwiz=b", "--images", "c"}),
            "eval: --data, --images and --train-images are of one task; give one --task");
  EXPECT_NE(complaint({"--task", "coco=a", "--shots", "0,x"}).find("--shots"), std::string::npos);
  EXPECT_NE(complaint({"--task", "coco=a", "--shots", "-1"}).find("--shots"), std::string::npos);
  EXPECT_NE(complaint({"--task", "coco=a", "--select", "best"}).find("random|rices"),
            std::string::npos);
}

TEST(DraftFlags, SayWhatGuessesAndHowMuch) {
  const auto options_of = [](std::vector<std::string> words) {
    words.insert(words.begin(), "isthmus");
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    return parse_command_line(static_cast<int>(argv.size()), argv.data()).options;
  };
  for (const char* verb : {"run", "bench"}) {
    const Options options = options_of({verb, "MODEL", "--draft", "SMALL", "--draft-storage", "q4",
                                        "--draft-tokens", "5", "--prompt-lookup", "3"});
    EXPECT_EQ(options.load.draft, "SMALL");
    EXPECT_EQ(options.load.draft_storage, "q4");
    EXPECT_EQ(options.load.decoder_storage, "stored");
    EXPECT_EQ(options.generate.num_assistant_tokens, 5);
    EXPECT_EQ(options.generate.prompt_lookup_num_tokens, 3);
    GenerationConfig requested;
    requested.num_assistant_tokens = 12;
    EXPECT_EQ(with_flags(requested, options).num_assistant_tokens, 5);
    EXPECT_EQ(with_flags(requested, options_of({verb, "MODEL"})).num_assistant_tokens, 12);
  }
  EXPECT_THROW(options_of({"run", "MODEL", "--draft-storage", "q3"}), UsageError);
  EXPECT_THROW(options_of({"run", "MODEL", "--draft-tokens", "65"}), UsageError);
}

TEST(GrammarFlags, NameFilesThatAreRead) {
  const auto file = [](const char* name, const char* text) {
    const auto path = std::filesystem::path(testing::TempDir()) / name;
    std::ofstream(path) << text;
    return path.string();
  };
  const auto options_of = [](std::vector<std::string> words) {
    words.insert(words.begin(), {"isthmus", "run", "MODEL"});
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    return parse_command_line(static_cast<int>(argv.size()), argv.data()).options;
  };
  const auto schema = file("isthmus_schema.json", "{}"),
             grammar = file("isthmus_a.gbnf", "root ::= \"a\"");
  const Options options = options_of({"--json-schema", schema});
  EXPECT_EQ(options.generate.json_schema, "{}");
  GenerationConfig requested;
  requested.json_schema = "true";
  EXPECT_EQ(with_flags(requested, options).json_schema, "{}");
  EXPECT_EQ(with_flags(requested, options_of({})).json_schema, "true");
  EXPECT_EQ(options_of({"--grammar", grammar}).generate.grammar, "root ::= \"a\"");
  EXPECT_THROW(options_of({"--grammar", file("isthmus_empty.gbnf", " \n")}), UsageError);
  EXPECT_THROW(options_of({"--grammar", "isthmus_is_not_there.gbnf"}), InputError);
}

}  // namespace
}  // namespace isthmus::cli
