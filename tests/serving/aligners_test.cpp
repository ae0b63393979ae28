// Several aligners on one loaded model: each answers as an engine that was loaded with it alone,
// while the others answer too.
#include <atomic>
#include <fstream>
#include <map>

#include <gtest/gtest.h>

#include "aligners_testing.h"
#include "error_message.h"
#include "made_aligners.h"

namespace isthmus {
namespace {

using namespace serving_testing;
namespace fs = std::filesystem;

const fs::path kAdapters = fs::path(ISTHMUS_FIXTURES) / "llava/adapters";

struct Loaded {
  std::string name;
  fs::path folder;  // "": the model's own
};

std::unique_ptr<engine::Engine> engine_with(const fs::path& model, const fs::path& base) {
  LoadOptions options;
  options.merge_lora = false;
  return engine::load_engine(model.string(), base.string(), "", options);
}

std::unique_ptr<Service> service_with(const fs::path& model, const fs::path& base,
                                      const std::vector<Loaded>& aligners,
                                      const SchedulerOptions& options = {}) {
  auto service = load_service(model.string(), base.string(), "", {}, options);
  for (const Loaded& aligner : aligners) service->add_aligner(aligner.name, aligner.folder);
  return service;
}

std::string refusal(Service& service, Question question) {
  try {
    service.ask(std::move(question));
  } catch (const NoSuchAligner& none) {
    return none.message;
  }
  return "it was asked";
}

std::vector<Request> some_requests() {
  std::vector<Request> requests{
      request_of("What is in this picture?", {"table02.png"}),
      request_of("How many objects are there?", {"table05.jpg"}),
      request_of("What is in this picture?", {"table02.png"}),
      request_of("Describe the picture.", {"table03.png"}),
      request_of("What color is the cube?", {"table02.png"}),
  };
  requests[3].generate.temperature = 1;
  requests[3].generate.seed = 4;
  return requests;
}

TEST(Aligners, EachAnswersAsIfItWereLoadedAlone) {
  const std::vector<Loaded> aligners{{"turned", made_projector(7)},
                                     {"weak", made_projector(0, -.3)},
                                     {"lora", made_lora(1)},
                                     {"other-lora", made_lora(2, 2)}};
  std::map<std::string, std::unique_ptr<engine::Engine>> engines;
  engines[""] = engine_of(kTabletop);
  for (const Loaded& aligner : aligners)
    engines[aligner.name] = engine_with(aligner.folder, kTabletop);
  std::map<std::string, engine::Engine*> alone;
  for (const auto& [name, engine] : engines) alone[name] = engine.get();
  for (const int64_t rows : {256, 19}) {
    const auto service = service_with(kTabletop, "", aligners, {.rows_per_pass = rows});
    EXPECT_GT(expect_as_alone(*service, alone, some_requests()), 6);
  }
}

TEST(Aligners, OfPublishedFiles) {
  const fs::path models = kAdapters / "model";
  const auto own = engine_with(models / "llava-tiny-pretrain", models / "vicuna-tiny");
  const auto lora = engine_with(models / "llava-v1.5-tiny-lora", models / "vicuna-tiny");
  const auto service = service_with(models / "llava-tiny-pretrain", models / "vicuna-tiny",
                                    {{"lora", models / "llava-v1.5-tiny-lora"}});
  std::vector<Request> requests = some_requests();
  for (Request& request : requests) request.generate.max_new_tokens = 8;
  EXPECT_GT(expect_as_alone(*service, {{"", own.get()}, {"lora", lora.get()}}, requests), 4);
}

TEST(Aligners, AModelWithALoraOfItsOwnTakesOthers) {
  const fs::path models = kAdapters / "model", lora = models / "llava-v1.5-tiny-lora";
  const auto own = engine_with(lora, models / "vicuna-tiny");
  const auto projector = engine_with(models / "llava-tiny-pretrain", models / "vicuna-tiny");
  LoadOptions apart;
  apart.merge_lora = false;
  const auto service =
      load_service(lora.string(), (models / "vicuna-tiny").string(), "", apart, {});
  service->add_aligner("p", models / "llava-tiny-pretrain");
  std::vector<Request> requests = some_requests();
  for (Request& request : requests) request.generate.max_new_tokens = 8;
  expect_as_alone(*service, {{"", own.get()}, {"p", projector.get()}}, requests);

  const auto merged = load_service(lora.string(), (models / "vicuna-tiny").string(), "", {}, {});
  EXPECT_TRUE(message_of<UnsupportedError>([&] {
                merged->add_aligner("p", models / "llava-tiny-pretrain");
              }).ends_with("load that with --no-merge-lora"));
}

TEST(Aligners, AreListedAndNoOthersAnswer) {
  const auto service = service_of(kTabletop);
  Question question = question_of(some_requests()[0]);
  question.aligner = "a";
  EXPECT_EQ(refusal(*service, question),
            "llava-v1.5-tabletop has no aligner \"a\" besides its own");
  service->add_aligner("a", made_projector(1));
  service->add_aligner("b", made_projector(2));
  EXPECT_EQ(service->card().aligners, (std::vector<std::string>{"a", "b"}));
  question.aligner = "c";
  EXPECT_EQ(refusal(*service, question), "llava-v1.5-tabletop has no aligner \"c\"; it has a, b");
  service->remove_aligner("a");
  EXPECT_EQ(service->card().aligners, std::vector<std::string>{"b"});
  EXPECT_THROW(service->remove_aligner("a"), NoSuchAligner);
  question.aligner = "a";
  EXPECT_EQ(refusal(*service, question), "llava-v1.5-tabletop has no aligner \"a\"; it has b");
}

TEST(Aligners, WhatIsUnderWayIsAnsweredByOneThatIsTakenAway) {
  const fs::path folder = made_lora(3);
  const auto service = service_with(kTabletop, "", {{"a", folder}});
  std::vector<Question> questions{question_of(some_requests()[0]), question_of(some_requests()[1])};
  std::vector<std::unique_ptr<Ticket>> tickets;
  for (Question& question : questions) {
    question.aligner = "a";
    question.request.generate.max_new_tokens = 60;
    question.request.generate.min_new_tokens = 60;
    tickets.push_back(service->ask(question));
  }
  service->remove_aligner("a");
  service->add_aligner("a", made_projector(5));  // of the same name, another
  const auto engine = engine_with(folder, kTabletop);
  for (size_t i = 0; i < questions.size(); ++i)
    EXPECT_EQ(outcome_of(*tickets[i]).answers[0].text,
              engine->generate(questions[i].request, {}).text);
}

TEST(Aligners, AreNeverTakenForEachOtherByWhatIsKept) {
  const auto service = service_with(kTabletop, "", {{"p", made_projector(3)}, {"l", made_lora(4)}});
  Request text = request_of("How would you describe a table with objects on it, and why so?");
  Request picture = request_of("What is in this picture?", {"table02.png"});
  for (Request* request : {&text, &picture}) request->generate.max_new_tokens = 2;
  const auto reused = [&](const Request& request, const std::string& aligner) {
    Question question = question_of(request);
    question.aligner = aligner;
    const auto ticket = service->ask(question);
    return outcome_of(*ticket).admitted.reused_tokens;
  };
  EXPECT_EQ(reused(text, ""), 0);
  EXPECT_GT(reused(text, "p"), 0);  // text alone is the same to all projectors
  EXPECT_EQ(reused(text, "l"), 0);
  EXPECT_GT(reused(text, "l"), 0);
  EXPECT_EQ(service->load().media_hits, 0);
  const int64_t before = reused(picture, "");  // what stands before the picture
  EXPECT_EQ(reused(picture, "p"), before);
  EXPECT_EQ(service->load().media_hits, 0);
  EXPECT_GT(reused(picture, "p"), before);
  EXPECT_EQ(service->load().media_hits, 1);
}

// Counts the pictures that go through its encoder, and those of its aligners.
class CountingLlava : public families::llava::Llava {
 public:
  CountingLlava(std::shared_ptr<families::Family> family, std::shared_ptr<std::atomic<int>> count)
      : CountingLlava(dynamic_cast<Llava&>(*family), family, std::move(count)) {}
  std::vector<families::MediaFeatures> features(std::span<const modalities::Prepared> media,
                                                nn::Probe* probe) override {
    *count_ += static_cast<int>(media.size());
    return Llava::features(media, probe);
  }
  std::shared_ptr<Family> with_aligner(const fs::path& folder,
                                       const LoadOptions& options) const override {
    return std::make_shared<CountingLlava>(Llava::with_aligner(folder, options), count_);
  }

 private:
  CountingLlava(Llava& llava, const std::shared_ptr<families::Family>& family,
                std::shared_ptr<std::atomic<int>> count)
      : Llava(llava.settings(), {family, &llava.modules()}), count_(std::move(count)) {}
  std::shared_ptr<std::atomic<int>> count_;
};

TEST(Aligners, ShareWhatTheirEncoderMadeOfAPicture) {
  const auto count = std::make_shared<std::atomic<int>>(0);
  Scheduler service(
      std::make_shared<CountingLlava>(families::load_family(kTabletop.string(), "", "", {}), count),
      Card{}, {});
  service.add_aligner("a", made_projector(1));
  service.add_aligner("b", made_projector(2));
  service.add_aligner("l", made_lora(1));
  for (const char* aligner : {"a", "b", "", "l", "a"}) {
    Question question = question_of(some_requests()[0]);
    question.aligner = aligner;
    question.request.generate.max_new_tokens = 2;
    EXPECT_EQ(outcome_of(*service.ask(question)).failure, "");
  }
  EXPECT_EQ(*count, 1);
}

TEST(Aligners, StandOnTheMemoryOfTheModel) {
  const auto family = families::load_family(kTabletop.string(), "", "", {});
  auto& own = dynamic_cast<families::llava::Llava&>(*family);
  const auto matrices_of = [](torch::nn::Module& module) {
    std::map<std::string, const void*> all;
    for (const nn::Slot& slot : nn::slots_of(module)) {
      if (slot.is_matrix())
        all[slot.name] = slot.matrix().get();
      else
        all[slot.name] = slot.value().data_ptr();
    }
    return all;
  };
  const auto projector = own.with_aligner(made_projector(1), {});
  auto& with_projector = dynamic_cast<families::llava::Llava&>(*projector);
  EXPECT_EQ(with_projector.modules().decoder, own.modules().decoder);
  EXPECT_EQ(with_projector.modules().encoder.get(), own.modules().encoder.get());
  const auto lora = own.with_aligner(made_lora(1), {});
  auto& with_lora = dynamic_cast<families::llava::Llava&>(*lora);
  const auto its = matrices_of(*with_lora.modules().decoder);
  const auto all = matrices_of(*own.modules().decoder);
  size_t shared = 0;
  for (const auto& [name, memory] : all) shared += its.at(name) == memory;
  EXPECT_EQ(shared, all.size());
  EXPECT_GT(its.size(), all.size());  // its branches
  EXPECT_FALSE(all.empty());
}

TEST(Aligners, FilesThatDoNotFitAreRefusedAndNothingChanges) {
  const auto service = service_of(kTabletop);
  const auto complaint = [&](const fs::path& folder) {
    return message_of([&] { service->add_aligner("x", folder); });
  };
  const auto has = [](const std::string& message, const std::string& part) {
    EXPECT_NE(message.find(part), std::string::npos) << message;
  };
  has(complaint("/nowhere"), "/nowhere: not a folder");
  has(complaint(kTabletop), "holds a whole model, not a projector or a LoRA");
  // Of a smaller language model.
  has(complaint(kAdapters / "model/llava-tiny-pretrain"), "vision tower");
  const fs::path damaged = made_projector(1), file = damaged / "mm_projector.bin";
  fs::resize_file(file, fs::file_size(file) / 2);
  has(complaint(damaged), "mm_projector.bin");
  EXPECT_TRUE(service->card().aligners.empty());
  for (const char* name : {"", "a b", "../x", "latest", ".x"})
    EXPECT_NE(message_of<UsageError>([&] {
                service->add_aligner(name, made_projector(1));
              }).find("the name of an aligner"),
              std::string::npos);
  service->add_aligner("x", made_projector(1));
  has(complaint(made_projector(1)), "has an aligner \"x\" already");
  EXPECT_EQ(service->card().aligners, std::vector<std::string>{"x"});
  Question question = question_of(some_requests()[0]);
  question.aligner = "x";
  EXPECT_EQ(outcome_of(*service->ask(question)).failure, "");
  // A model without an encoder.
  const auto text = service_of(kDemo / "models/language_model");
  EXPECT_THROW(text->add_aligner("x", made_projector(1)), UnsupportedError);
}

}  // namespace
}  // namespace isthmus
