#include "options.h"

#include <algorithm>
#include <array>
#include <functional>
#include <string_view>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <CLI/CLI.hpp>

#include "base/atomic_file.h"
#include "cache_flags.h"
#include "eval_flags.h"
#include "isthmus/error.h"
#include "isthmus/version.h"
#include "serve_flags.h"

namespace isthmus::cli {
namespace {

const char* const kStorage = "stored|f32|f16|bf16|q8|q6|q5|q4";
constexpr std::array<std::string_view, 8> kStorages = {"stored", "f32", "f16", "bf16",
                                                       "q8",     "q6",  "q5",  "q4"};

constexpr size_t kLongestGrammar = size_t{1} << 20;

// CLI11's own range checks spell out the largest double.
CLI::Validator number_where(bool (*holds)(double), const char* what) {
  return {[holds, what](std::string& text) {
            double value = 0;
            const bool good = CLI::detail::lexical_cast(text, value) && holds(value);
            return good ? std::string() : fmt::format("expected {}, found \"{}\"", what, text);
          },
          ""};
}

CLI::Validator not_negative() {
  return number_where([](double value) { return value >= 0; }, "a number that is not negative");
}

CLI::Validator positive() {
  return number_where([](double value) { return value > 0; }, "a number above 0");
}

void add_storage(CLI::App& app, Options& o) {
  app.add_option_function<std::vector<std::string>>(
         "--storage",
         [&o](const std::vector<std::string>& values) {
           for (const std::string& value : values) {
             const size_t equals = value.find('=');
             const std::string part =
                 equals == std::string::npos ? "decoder" : value.substr(0, equals);
             const std::string storage =
                 equals == std::string::npos ? value : value.substr(equals + 1);
             if (!is_storage(storage))
               throw CLI::ValidationError(
                   "--storage", fmt::format("\"{}\" is not one of {}", storage, kStorage));
             if (part == "decoder")
               o.load.decoder_storage = storage;
             else if (part == "encoder")
               o.load.encoder_storage = storage;
             else if (part == "aligner")
               o.load.aligner_storage = storage;
             else
               throw CLI::ValidationError("--storage",
                                          fmt::format("no part is called \"{}\"", part));
             o.storage_given.insert(part);
           }
         },
         "Storage of weights: of the decoder, or PART=STORAGE with encoder, aligner, decoder")
      ->type_name(fmt::format("[PART=]{}", kStorage))
      ->take_all();
}

const char* const kModel =
    "Checkpoint folder or file, GGUF file, or a repository id in the local Hugging Face cache";

void add_model_parts(CLI::App& app, Options& o) {
  app.add_option("--base", o.base,
                 "Language model under a projector, a LoRA or a Flamingo checkpoint")
      ->type_name("MODEL");
  app.add_option("--vision,--mmproj", o.load.vision,
                 "CLIP folder or file, when the one that is named is not found; the mmproj file of "
                 "a GGUF file")
      ->type_name("PATH");
}

void add_model(CLI::App& app, Options& o) {
  app.add_option("MODEL", o.model, kModel)->required();
  add_model_parts(app, o);
}

void add_compute(CLI::App& app, Options& o) {
  app.add_option("--threads", o.load.threads, "Threads (default: one per processor)")
      ->check(CLI::Range(1, 4096))
      ->type_name("N");
  app.add_option("--device", o.load.device, "cpu")->type_name("DEVICE")->capture_default_str();
  add_storage(app, o);
  app.add_option("--kv-cache", o.load.kv_cache,
                 "Storage of cached keys and values; q8: 8 bits, a scale per row of a head")
      ->check(CLI::IsMember({"f32", "f16", "q8"}))
      ->type_name("f32|f16|q8")
      ->capture_default_str();
  app.add_flag("!--no-merge-lora", o.load.merge_lora, "Keep LoRA as a separate low-rank branch");
  app.add_flag("--composed", o.load.composed, "Plain tensor operations instead of fused kernels");
}

void add_generation(CLI::App& app, Options& o) {
  GenerationConfig& g = o.generate;
  app.add_option("--max-new-tokens", g.max_new_tokens, "Longest answer in tokens")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 20))
      ->type_name("N")
      ->capture_default_str();
  app.add_option("--temperature", g.temperature, "0: greedy")
      ->check(not_negative())
      ->type_name("T")
      ->capture_default_str();
  app.add_option("--top-p", g.top_p, "Nucleus sampling")
      ->check(CLI::Range(0.0, 1.0))
      ->type_name("P")
      ->capture_default_str();
  app.add_option("--top-k", g.top_k, "0: off")
      ->check(not_negative())
      ->type_name("K")
      ->capture_default_str();
  app.add_option("--min-p", g.min_p, "Least share of the most probable token's probability; 0: off")
      ->check(CLI::Range(0.0, 1.0))
      ->type_name("P")
      ->capture_default_str();
  app.add_option("--typical-p", g.typical_p, "Locally typical sampling; 1: off")
      ->check(CLI::Range(0.0, 1.0))
      ->type_name("P")
      ->capture_default_str();
  app.add_option("--repetition-penalty", g.repetition_penalty, "1: off")
      ->check(positive())
      ->type_name("R")
      ->capture_default_str();
  app.add_option("--presence-penalty", g.presence_penalty, "Of tokens that the answer has; 0: off")
      ->check(CLI::Range(-2.0, 2.0))
      ->type_name("A")
      ->capture_default_str();
  app.add_option("--frequency-penalty", g.frequency_penalty, "The same for each time; 0: off")
      ->check(CLI::Range(-2.0, 2.0))
      ->type_name("A")
      ->capture_default_str();
  app.add_option("--penalty-last-n", g.penalty_last_n,
                 "Penalties look at so many of the latest tokens; -1: all")
      ->check(CLI::Range(int64_t{-1}, int64_t{1} << 31))
      ->type_name("N")
      ->capture_default_str();
  app.add_option_function<std::vector<std::string>>(
         "--logit-bias",
         [&g](const std::vector<std::string>& biases) {
           for (const std::string& text : biases) {
             int64_t id = 0;
             double bias = 0;
             const size_t equals = text.find('=');
             if (equals == std::string::npos ||
                 !CLI::detail::lexical_cast(text.substr(0, equals), id) ||
                 !CLI::detail::lexical_cast(text.substr(equals + 1), bias))
               throw CLI::ValidationError("--logit-bias",
                                          fmt::format("expected ID=BIAS, found \"{}\"", text));
             g.logit_bias[id] = bias;
           }
         },
         "Added to the logit of a token, by its id (may be repeated)")
      ->type_name("ID=BIAS");
  app.add_option("--num-beams", g.num_beams, "Beam search")
      ->check(CLI::Range(1, 256))
      ->type_name("N")
      ->capture_default_str();
  app.add_option("--length-penalty", g.length_penalty, "Of beam search")
      ->type_name("L")
      ->capture_default_str();
  app.add_option("--seed", g.seed, "Of sampling")->type_name("N")->capture_default_str();
  const auto add_file = [&](const char* flag, std::string& text, const char* what) {
    app.add_option_function<std::string>(
           flag,
           [flag, &text](const std::string& file) {
             text = read_file(file, kLongestGrammar);
             if (text.find_first_not_of(" \t\r\n") == std::string::npos)
               throw CLI::ValidationError(flag, fmt::format("{} is empty", file));
           },
           what)
        ->type_name("FILE");
  };
  add_file("--json-schema", g.json_schema,
           "JSON schema that the answer satisfies (docs/grammar.md)");
  add_file("--grammar", g.grammar, "Grammar in GBNF that the answer follows (docs/grammar.md)");
  app.add_option("--stop", g.stop, "String that ends the answer (may be repeated)")
      ->type_name("TEXT");
}

void add_guesses(CLI::App& app, Options& o) {
  app.add_option("--prompt-lookup", o.generate.prompt_lookup_num_tokens,
                 "Guess up to so many tokens from the text so far and check them at once; 0: off")
      ->check(CLI::Range(0, 64))
      ->type_name("N")
      ->capture_default_str();
  app.add_option("--draft", o.load.draft,
                 "Smaller model of the same vocabulary that guesses tokens, to be checked at once")
      ->type_name("MODEL");
  app.add_option("--draft-tokens", o.generate.num_assistant_tokens,
                 "At most so many of its guesses at once")
      ->check(CLI::Range(0, 64))
      ->type_name("N")
      ->capture_default_str();
  app.add_option("--draft-storage", o.load.draft_storage, "Storage of its weights")
      ->check(CLI::IsMember(std::vector<std::string>(kStorages.begin(), kStorages.end())))
      ->type_name(kStorage)
      ->capture_default_str();
}

// --audio FILE and its like; all go to one list, in the order in which they are given.
void add_media(CLI::App& app, Options& o) {
  const auto add = [&](const std::string& flag, const std::string& modality,
                       const std::string& what) {
    app.add_option_function<std::string>(
           flag,
           [&o, modality](const std::string& file) {
             o.media.push_back({modality, file});
             if (modality == "image") o.images.emplace_back(file);
           },
           what)
        ->type_name("FILE")
        ->trigger_on_parse()
        ->take_all();
  };
  add("--image", "image", "Picture the question is about (may be repeated, as all media)");
  add("--video", "video", "Video");
  add("--audio", "audio", "Sound");
  add("--points", "points", "Point cloud: npy, ply, pcd, bin");
  add("--depth", "depth", "Depth map; with --rgb");
  add("--normal", "normal", "Map of surface normals; with --rgb");
  add("--imu", "imu", "Record of an inertial sensor");
  add("--fmri", "fmri", "Brain scan");
  app.add_option_function<std::string>(
         "--media",
         [&o](const std::string& text) {
           const size_t equals = text.find('=');
           if (equals == 0 || equals == std::string::npos || equals + 1 == text.size())
             throw CLI::ValidationError("--media",
                                        fmt::format("expected NAME=FILE, found \"{}\"", text));
           o.media.push_back({text.substr(0, equals), text.substr(equals + 1)});
           if (o.media.back().modality == "image") o.images.push_back(o.media.back().file);
         },
         "Any other kind of medium that the model knows")
      ->type_name("NAME=FILE")
      ->trigger_on_parse()
      ->take_all();
  app.add_option("--rgb", o.rgb, "Picture of the same scene as --depth or --normal")
      ->type_name("FILE");
  app.add_option("--depth-unit", o.depth_unit,
                 "Unit of measured depths (default: guessed, and said)")
      ->check(CLI::IsMember({"m", "mm"}));
  app.add_option("--mask", o.mask, "Voxels of a NIfTI scan that count")->type_name("FILE");
  app.add_option("--start", o.start, "Second at which video, sound or record begins")
      ->check(not_negative())
      ->type_name("S");
  app.add_option("--end", o.end, "Second at which it ends")->check(positive())->type_name("S");
}

// What is wrong with a command line, in one line.
std::string complaint(const CLI::App& app, const CLI::ParseError& error, int argc, char** argv) {
  std::string verb;
  for (int i = 1; i < argc && verb.empty(); ++i)
    if (argv[i][0] != '-') verb = argv[i];
  std::vector<std::string> verbs;
  for (const CLI::App* known : app.get_subcommands(std::function<bool(const CLI::App*)>()))
    verbs.push_back(known->get_name());
  if (std::find(verbs.begin(), verbs.end(), verb) != verbs.end())
    return fmt::format("{}: {}; `isthmus {} --help` lists its options", verb, error.what(), verb);
  if (verb.empty() && argc > 1)
    return fmt::format("there is no option {} before the verb", argv[1]);
  const std::string what =
      verb.empty() ? "a verb is missing" : fmt::format("there is no verb \"{}\"", verb);
  return fmt::format("{}; known are {}", what, fmt::join(verbs, ", "));
}

}  // namespace

GenerationConfig with_flags(GenerationConfig requested, const Options& options) {
  const auto take = [&](const char* flag, auto field) {
    if (options.given_flags.contains(flag)) requested.*field = options.generate.*field;
  };
  take("--max-new-tokens", &GenerationConfig::max_new_tokens);
  take("--temperature", &GenerationConfig::temperature);
  take("--top-p", &GenerationConfig::top_p);
  take("--top-k", &GenerationConfig::top_k);
  take("--min-p", &GenerationConfig::min_p);
  take("--typical-p", &GenerationConfig::typical_p);
  take("--repetition-penalty", &GenerationConfig::repetition_penalty);
  take("--presence-penalty", &GenerationConfig::presence_penalty);
  take("--frequency-penalty", &GenerationConfig::frequency_penalty);
  take("--penalty-last-n", &GenerationConfig::penalty_last_n);
  take("--logit-bias", &GenerationConfig::logit_bias);
  take("--prompt-lookup", &GenerationConfig::prompt_lookup_num_tokens);
  take("--draft-tokens", &GenerationConfig::num_assistant_tokens);
  take("--num-beams", &GenerationConfig::num_beams);
  take("--length-penalty", &GenerationConfig::length_penalty);
  take("--seed", &GenerationConfig::seed);
  take("--json-schema", &GenerationConfig::json_schema);
  take("--grammar", &GenerationConfig::grammar);
  take("--stop", &GenerationConfig::stop);
  return requested;
}

std::vector<Part> media_parts(const Options& options) {
  const auto is_map = [](const std::string& name) { return name == "depth" || name == "normal"; };
  const auto is_still = [&](const std::string& name) {
    return is_map(name) || name == "image" || name == "points" || name == "fmri";
  };
  std::vector<Part> parts;
  bool rgb_used = options.rgb.empty(), unit_used = options.depth_unit.empty();
  bool mask_used = options.mask.empty(), time_used = !options.start && !options.end;
  for (const MediumFlag& medium : options.media) {
    Part& part = parts.emplace_back(Part::of_media(medium.modality, medium.file));
    if (is_map(medium.modality)) {
      part.rgb = options.rgb;
      rgb_used = true;
    }
    if (medium.modality == "depth") {
      part.unit = options.depth_unit;
      unit_used = true;
    }
    if (medium.modality == "fmri") {
      part.mask = options.mask;
      mask_used = true;
    }
    if (!is_still(medium.modality)) {
      part.start = options.start;
      part.end = options.end;
      time_used = true;
    }
  }
  if (!rgb_used) throw UsageError("--rgb: there is no --depth or --normal that it goes with");
  if (!unit_used) throw UsageError("--depth-unit: there is no --depth that it goes with");
  if (!mask_used) throw UsageError("--mask: there is no --fmri that it goes with");
  if (!time_used) throw UsageError("--start, --end: none of the media has a duration");
  return parts;
}

bool is_storage(std::string_view word) {
  return std::ranges::find(kStorages, word) != kStorages.end();
}

bool needs_compute(const std::string& verb) { return verb != "describe"; }

Parsed parse_command_line(int argc, char** argv) {
  Parsed parsed;
  Options& o = parsed.options;
  CLI::App app("Isthmus: run and inspect multimodal language models", "isthmus");
  app.set_version_flag("--version", fmt::format("isthmus {}", version()));
  app.require_subcommand(1);
  app.fallthrough();  // --verbose may also stand after the verb
  app.add_flag("-v,--verbose", o.verbose, "Say what is being done");
  app.footer(
      "`isthmus VERB --help` lists the options of a verb. Results go to stdout, all else to "
      "stderr.\n"
      "Exit status: 0 done, 1 a check failed, 2 wrong usage, 3 unusable input, 4 broken model,\n"
      "5 not supported, 6 out of memory, disk or context, 70 a bug in isthmus.");

  CLI::App* describe =
      app.add_subcommand("describe", "Show the module tree, sizes, and the path of an image");
  add_model(*describe, o);
  describe->add_flag("--json", o.json, "JSON instead of text");
  describe->add_flag("--summary", o.summary, "Without the module tree");
  describe->add_option("--image-size", o.image_size, "Shapes for a picture of this size")
      ->type_name("WxH");

  CLI::App* run =
      app.add_subcommand("run", "Answer a question about media, or hold a conversation");
  add_model(*run, o);
  add_media(*run, o);
  run->add_option("-p,--prompt", o.prompt, "The question; without it a conversation starts")
      ->type_name("TEXT");
  run->add_option("--system", o.system, "System message instead of the template's own")
      ->type_name("TEXT");
  run->add_option("--template", o.conversation_template, "Conversation template, or few-shot form")
      ->type_name("NAME");
  run->add_option("--shot", o.shot, "Solved example before the question (may be repeated)")
      ->type_name("FILE=TEXT");
  run->add_option("--shots-from", o.shots_from, "Data set to take examples from (docs/formats.md)")
      ->type_name("FILE");
  run->add_option("--shot-images", o.shot_images, "Folder of its pictures")->type_name("DIR");
  run->add_option("--k", o.shots, "How many of its examples")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  run->add_option("--select", o.select, "Which: random, or rices for those with similar pictures")
      ->check(CLI::IsMember({"random", "rices"}))
      ->capture_default_str();
  run->add_flag("--skip-broken", o.skip_broken, "Leave broken entries of --shots-from out");
  run->add_flag("--literal", o.literal,
                "The prompt is complete: <image> stands for the pictures, in order");
  run->add_option("--request", o.request, "Request file (docs/formats.md)")->type_name("FILE");
  run->add_flag("--json", o.json, "Print text, ids and timings as JSON");
  add_compute(*run, o);
  add_cache_flags(*run, o);
  add_generation(*run, o);
  add_guesses(*run, o);

  CLI::App* serve = app.add_subcommand(
      "serve",
      "Answer over HTTP as OpenAI's, Anthropic's and Ollama's servers do (docs/serving.md)");
  serve->add_option("MODEL", o.models, kModel)->required();
  add_model_parts(*serve, o);
  add_serve_flags(*serve, o);
  add_compute(*serve, o);
  add_cache_flags(*serve, o);
  add_generation(*serve, o);
  add_guesses(*serve, o);

  CLI::App* trace = app.add_subcommand("trace", "Write every stage of one answer as npy");
  add_model(*trace, o);
  trace->add_option("--request", o.request, "Request file (docs/formats.md)")
      ->type_name("FILE")
      ->required();
  trace->add_option("--out", o.out, "Folder to write trace.json and the arrays to")
      ->type_name("DIR")
      ->required();
  trace->add_flag("--hidden", o.hidden, "Also the hidden states of every layer");
  add_compute(*trace, o);

  CLI::App* eval = app.add_subcommand(
      "eval", "Score a few-shot model on captions, questions and classes; goes on where it ended");
  add_model(*eval, o);
  EvalFlags eval_flags(*eval, o.eval);
  eval->add_flag("--json", o.json, "Print the report as JSON instead of a table of scores");
  add_compute(*eval, o);
  add_cache_flags(*eval, o);

  CLI::App* align = app.add_subcommand(
      "align", "Train the stages of a recipe; goes on where it ended (docs/training.md)");
  align->add_option("RECIPE", o.recipes, "YAML file")->required()->expected(1);
  CLI::App* pretrain = app.add_subcommand(
      "pretrain", "Train what others are aligned to, recipe after recipe, as align does");
  pretrain->add_option("RECIPES", o.recipes, "YAML files, in this order")->required();
  CLI::App* compare = app.add_subcommand(
      "compare",
      "Train several aligners on the same parts, data and budget, and report what "
      "each is worth and costs; goes on where it ended (docs/compare.md)");
  compare->add_option("RECIPE", o.recipes, "YAML file")->required()->expected(1);
  o.aligners = {"linear", "mlp", "resampler+xattn", "upm"};
  compare->add_option("--aligners", o.aligners, "Which, separated by commas; mlp3x to mlp9x, too")
      ->delimiter(',')
      ->type_name("LIST")
      ->default_str("linear,mlp,resampler+xattn,upm");
  for (CLI::App* verb : {align, pretrain, compare}) {
    verb->add_option("-o,--out", o.out,
                     fmt::format("Folder of results (default: {}/NAME)",
                                 verb == compare ? "compared" : "aligned"))
        ->type_name("DIR");
    verb->add_option("--set", o.sets, "Value in place of the recipe's: stages.0.batch=4")
        ->type_name("KEY=VALUE");
    verb->add_flag("--anyway", o.anyway, "Start although the memory estimated is not there");
    verb->add_option("--threads", o.load.threads, "Threads to compute with (default: all cores)");
    verb->add_option("--device", o.load.device, "cpu")->type_name("DEVICE")->capture_default_str();
  }

  CLI::App* demo = app.add_subcommand(
      "demo", "The models that come with Isthmus answer, before alignment and after");
  demo->add_option("-o,--out", o.out, "HTML page to write (default: demo.html)")->type_name("FILE");
  demo->add_option("--threads", o.load.threads, "Threads to compute with (default: all cores)");

  CLI::App* merge = app.add_subcommand(
      "merge", "Fold a projector or a LoRA into the model below it, as one folder of its own");
  add_model(*merge, o);
  merge->add_option("-o,--out", o.out, "Folder to write to")->type_name("DIR")->required();
  merge->add_option("--dtype", o.dtype, "Of the weights: stored, f32, f16 or bf16")
      ->check(CLI::IsMember({"stored", "f32", "f16", "bf16"}))
      ->default_str("stored");

  CLI::App* quantise = app.add_subcommand(
      "quantize",
      "Write a model as one file, its matrices in few bits, laid out to be used in place");
  add_model(*quantise, o);
  quantise->add_option("-o,--out", o.out, "File to write")->type_name("FILE")->required();
  quantise->add_option("--threads", o.load.threads, "Threads (default: one per processor)")
      ->check(CLI::Range(1, 4096))
      ->type_name("N");
  quantise->add_flag("--no-golden")
      ->description("Write no golden vectors, against which `isthmus verify FILE` holds the file");
  add_storage(*quantise, o);

  CLI::App* convert = app.add_subcommand("convert", "Write a LLaVA or a LLaMA for another program");
  add_model(*convert, o);
  convert->add_option("-o,--out", o.out, "Folder to write to")->type_name("DIR")->required();
  convert->add_option("--format", o.format, "gguf: model.gguf and mmproj.gguf, for llama.cpp")
      ->check(CLI::IsMember({"gguf"}))
      ->required();
  convert->add_option("--dtype", o.dtype, "Of matrices: f16, f32 or q8_0")
      ->check(CLI::IsMember({"f16", "f32", "q8_0"}))
      ->default_str("f16");

  CLI::App* verify =
      app.add_subcommand("verify", "Replay golden cases and name the first stage that differs");
  verify
      ->add_option("GOLDEN", o.golden,
                   "Folder with expect.json, or a file of isthmus quantize, which is held against "
                   "what it answered when it was made")
      ->required();
  verify->add_option("--model", o.model, "Model to use instead of the one the case names")
      ->type_name("MODEL");
  verify->add_flag("--json", o.json, "JSON instead of text");
  add_compute(*verify, o);

  CLI::App* bench = app.add_subcommand("bench", "Measure load, encode, prefill and decode");
  add_model(*bench, o);
  add_media(*bench, o);
  bench->add_flag("--text-only", o.text_only,
                  "No medium; without one of yours a grey picture is shown");
  bench->add_option("--repetitions", o.repetitions, "Runs; the median is shown")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  bench
      ->add_option(
          "--shots", o.bench_shots,
          "Examples before the question, each with a picture of its own; measures a second "
          "question and its repetition too")
      ->check(CLI::Range(0, 120));
  bench->add_option("--prompt-tokens", o.prompt_tokens, "Text tokens beside each picture")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  bench
      ->add_option("--new-tokens", o.new_tokens,
                   "Tokens to decode, the first of which comes out of prefill")
      ->check(CLI::Range(2, 1 << 20))
      ->capture_default_str();
  bench->add_option("--num-beams", o.generate.num_beams, "Beams to decode with")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  bench
      ->add_option("--batch", o.bench_batch,
                   "Instead, seconds a request in batches of 1, 2, 4 and so on up to this")
      ->check(CLI::Range(1, 256))
      ->type_name("N");
  bench->add_flag("--json", o.json, "JSON instead of a table");
  add_compute(*bench, o);
  add_guesses(*bench, o);

  app.add_subcommand("doctor", "Show processor features, chosen kernels, and measured speed")
      ->add_flag("--json", o.json, "JSON instead of text");

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() != 0) throw UsageError(complaint(app, error, argc, argv));
    app.exit(error);  // help or version, asked for
    return parsed;
  }
  const CLI::App* verb = app.get_subcommands().front();
  o.verb = verb->get_name();
  if (o.verb == "eval") eval_flags.finish();
  o.eval.model = o.model;
  for (const CLI::Option* option : verb->get_options())
    if (option->count() > 0) o.given_flags.insert(option->get_name());
  parsed.run = true;
  return parsed;
}

}  // namespace isthmus::cli
