// A model's record of its own answers, held against traces of it, and replayed.
#include "engine/record_golden.h"

#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/json_view.h"
#include "engine/golden.h"
#include "engine/load.h"
#include "error_message.h"
#include "families/package.h"
#include "families/registry.h"
#include "families/storage.h"
#include "formats/npy.h"
#include "isthmus/error.h"
#include "new_folder.h"

namespace isthmus::engine {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

fs::path fresh_recordings() { return new_folder("isthmus_record_golden"); }

fs::path in_one_file(const fs::path& model, const std::string& storage) {
  LoadOptions options;
  options.decoder_storage = options.encoder_storage = options.aligner_storage = storage;
  const auto family = families::load_family(model.string(), "", "", {});
  const fs::path file = fresh_recordings() / (storage + ".isthmus");
  formats::write_bundle(file, families::contents_of(family->package(), family->modules(),
                                                    families::storage_options(options).storage));
  return file;
}

std::vector<GoldenQuestion> questions(const fs::path& folder) {
  fs::copy_file(fs::path(ISTHMUS_SOURCE_DIR) / "demo/pictures/table02.png", folder / "p.png");
  const auto ask = [](const std::vector<ordered_json>& content) {
    const ordered_json message{{"role", "user"}, {"content", content}};
    return ordered_json{{"messages", ordered_json::array({message})},
                        {"generate", {{"max_new_tokens", 3}}}};
  };
  const ordered_json text{{"type", "text"}, {"text", "What is this?"}};
  const ordered_json image{{"type", "image"}, {"path", "p.png"}};
  return {{"text", ask({text})}, {"image", ask({image, text})}};
}

struct Recorded {
  fs::path folder, model;
  SourceDistance distance;
  Trace text, image, source_text, source_image;  // of the same questions
};

Recorded recorded(const fs::path& source, const std::string& storage) {
  Recorded all{fresh_recordings(), in_one_file(source, storage), {}, {}, {}, {}, {}};
  const auto asked = questions(all.folder);
  const auto model = load_engine(all.model.string(), "", "", {}),
             original = load_engine(source.string(), "", "", {});
  all.distance =
      record_golden(all.folder, "a case", {{"kernels", "some"}}, asked, *model, *original);
  const auto trace = [&](Engine& engine, size_t i) {
    return engine.trace(Request::parse(asked[i].request.dump(), "", all.folder), false);
  };
  all.text = trace(*model, 0), all.image = trace(*model, 1);
  all.source_text = trace(*original, 0), all.source_image = trace(*original, 1);
  return all;
}

std::vector<double> last_row(const Trace& trace) {
  const torch::Tensor logits = *trace.find("logits");
  const torch::Tensor row = logits[logits.size(0) - 1].to(torch::kFloat64).contiguous();
  return {row.data_ptr<double>(), row.data_ptr<double>() + row.numel()};
}

double divergence(const std::vector<double>& p, const std::vector<double>& q) {
  double sum_p = 0, sum_q = 0, total = 0;
  for (size_t i = 0; i < p.size(); ++i) {
    sum_p += std::exp(p[i]);
    sum_q += std::exp(q[i]);
  }
  for (size_t i = 0; i < p.size(); ++i)
    total += std::exp(p[i]) / sum_p * (p[i] - std::log(sum_p) - q[i] + std::log(sum_q));
  return total;
}

class RecordGolden : public ::testing::TestWithParam<const char*> {
 protected:
  fs::path model() const { return fs::path(ISTHMUS_FIXTURES) / GetParam(); }
};

TEST_P(RecordGolden, HoldsWhatTracesShow) {
  const Recorded all = recorded(model(), "q8");
  const JsonView json = JsonView::load(all.folder / "expect.json");
  std::set<std::string> names;
  for (const JsonView& tensor : json.at("tensors").elements()) {
    const std::string name = tensor.string("name");
    names.insert(name);
    const Trace& trace = name.starts_with("text.") ? all.text : all.image;
    const std::string stage = name.substr(name.find('.') + 1);
    if (stage == "top_logits") continue;
    torch::Tensor value =
        stage == "logits" ? *trace.find("logits") : *trace.find("media.0." + stage);
    if (stage == "logits") value = value[value.size(0) - 1];
    const torch::Tensor flat = value.reshape({-1}).contiguous();
    const auto kept = formats::to_floats(formats::read_npy(all.folder / tensor.string("file")));
    const int64_t stride = tensor.integer("stride");
    ASSERT_EQ(std::ssize(kept), (flat.numel() + stride - 1) / stride) << name;
    for (int64_t i = 0; i < std::ssize(kept); ++i)
      EXPECT_EQ(kept[static_cast<size_t>(i)], flat[i * stride].item<float>()) << name << " " << i;
    // Every column of a stage's rows is among them.
    if (value.dim() < 2) continue;
    std::set<int64_t> columns;
    for (int64_t i = 0; i < std::ssize(kept); ++i) columns.insert(i * stride % value.size(-1));
    EXPECT_EQ(std::ssize(columns), value.size(-1)) << name;
  }
  EXPECT_EQ(names, (std::set<std::string>{"text.logits", "text.top_logits", "image.input",
                                          "image.features", "image.aligned", "image.logits",
                                          "image.top_logits"}));
  const auto requests = json.at("requests").elements();
  for (size_t i = 0; i < 2; ++i) {
    const Trace& trace = i == 0 ? all.text : all.image;
    const JsonView& request = requests[i];
    const std::vector<double> logits = last_row(trace);
    double lowest = 1e30;
    std::set<size_t> top;
    for (const JsonView& id : request.at("top_ids").elements())
      top.insert(static_cast<size_t>(id.as_integer()));
    for (const size_t id : top) lowest = std::min(lowest, logits[id]);
    for (size_t id = 0; id < logits.size(); ++id)
      EXPECT_TRUE(top.contains(id) || logits[id] <= lowest);
    std::vector<int64_t> ids;
    for (const JsonView& id : request.at("output_ids").elements()) ids.push_back(id.as_integer());
    EXPECT_EQ(ids, trace.output_ids);
  }
}

TEST_P(RecordGolden, TellsHowFarTheSourceIs) {
  for (const std::string storage : {"stored", "q4"}) {
    const Recorded all = recorded(model(), storage);
    const double text = divergence(last_row(all.source_text), last_row(all.text)),
                 image = divergence(last_row(all.source_image), last_row(all.image));
    EXPECT_NEAR(all.distance.largest_kl, std::max(text, image), 1e-9 + 1e-6 * (text + image));
    EXPECT_EQ(all.distance.questions, 2);
    const JsonView json = JsonView::load(all.folder / "expect.json");
    const JsonView source = json.at("requests").elements()[1].at("source");
    const auto relative = [&](const char* stage) {
      const auto own = *all.image.find(stage), other = *all.source_image.find(stage);
      return std::sqrt((own - other).square().sum().item<double>() /
                       other.square().sum().item<double>());
    };
    EXPECT_NEAR(source.number("features"), relative("media.0.features"), 1e-6);
    EXPECT_NEAR(source.number("aligned"), relative("media.0.aligned"), 1e-6);
    EXPECT_NEAR(source.number("kl"), image, 1e-9 + 1e-6 * image);
    if (storage == "stored") {
      EXPECT_EQ(all.distance.same_choice, 2);
      EXPECT_EQ(relative("media.0.aligned"), 0);
    } else {
      EXPECT_GT(relative("media.0.aligned"), 0.005);
    }
  }
}

fs::path array_of(const Recorded& all, const std::string& name) {
  const JsonView json = JsonView::load(all.folder / "expect.json");
  for (const JsonView& tensor : json.at("tensors").elements())
    if (tensor.string("name") == name) return all.folder / tensor.string("file");
  return {};
}

TEST_P(RecordGolden, IsReplayedAndAnotherModelIsTold) {
  const Recorded all = recorded(model(), "q8");
  const GoldenReport same = verify_golden(all.folder, all.model.string(), {});
  EXPECT_EQ(same.name, "a case");
  EXPECT_EQ(same.first_difference(), nullptr) << same.first_difference()->detail;
  EXPECT_GE(same.stages.size(), 9u);
  for (const StageResult& stage : same.stages) EXPECT_EQ(stage.max_difference, 0) << stage.stage;
  // One number of one stage.
  for (const std::string stage : {"features", "aligned", "logits"}) {
    const fs::path file = array_of(all, "image." + stage);
    const fs::path aside = all.folder / "aside";
    fs::rename(file, aside);
    auto values = formats::to_floats(formats::read_npy(aside));
    values[values.size() / 2] += 100;
    formats::write_npy(file, DType::kF32, {std::ssize(values)}, std::as_bytes(std::span(values)));
    const GoldenReport other = verify_golden(all.folder, all.model.string(), {});
    ASSERT_NE(other.first_difference(), nullptr) << stage;
    EXPECT_EQ(other.first_difference()->stage, stage);
    EXPECT_EQ(other.first_difference()->request, "image");
    EXPECT_EQ(other.first_difference()->num_outside, 1);
    fs::rename(aside, file);
  }
}

INSTANTIATE_TEST_SUITE_P(Families, RecordGolden,
                         ::testing::Values("llava/v15_original/model/llava-v1.5-tiny",
                                           "llava/v16_anyres_vicuna/model/llava-v1.6-vicuna-tiny",
                                           "onellm/tiny/model", "openflamingo/mpt7b_every1/model",
                                           "openflamingo/neox_rpj_every2/model"),
                         case_name);

// What a file says is not believed.
TEST(RecordedGolden, BrokenOnesAreRefusedByName) {
  const Recorded all =
      recorded(fs::path(ISTHMUS_FIXTURES) / "llava/v15_original/model/llava-v1.5-tiny", "q8");
  const fs::path file = all.folder / "expect.json";
  const auto complaint = [&](auto&& change) {
    const ordered_json good = ordered_json::parse(std::ifstream(file));
    ordered_json bad = good;
    change(bad);
    std::ofstream(file) << bad;
    const std::string message =
        message_of<ModelError>([&] { verify_golden(all.folder, all.model.string(), {}); });
    std::ofstream(file) << good;
    EXPECT_NE(message.find("expect.json"), std::string::npos) << message;
    return message;
  };
  EXPECT_NE(complaint([](auto& json) {
              json["requests"][0]["top_ids"][0] = 1 << 30;
            }).find("requests[0].top_ids"),
            std::string::npos);
  EXPECT_NE(complaint([](auto& json) { json["tensors"][0]["stride"] = 0; }).find("stride"),
            std::string::npos);
  EXPECT_NE(
      complaint([](auto& json) { json["requests"][0].erase("output_ids"); }).find("output_ids"),
      std::string::npos);
}

TEST(FindGolden, SaysHowToMakeWhatIsNotThere) {
  const fs::path model = fs::path(ISTHMUS_FIXTURES) / "llava/v15_original/model/llava-v1.5-tiny";
  const std::string file = in_one_file(model, "q8").string();
  const std::string message = message_of<UnsupportedError>([&] { find_golden(file); });
  EXPECT_NE(message.find(file + ": holds no golden vectors"), std::string::npos) << message;
  EXPECT_NE(message.find("isthmus quantize"), std::string::npos) << message;
  EXPECT_NE(message_of<UnsupportedError>([&] {
              find_golden(model.string());
            }).find("isthmus quantize " + model.string()),
            std::string::npos);
  const fs::path fixture = fs::path(ISTHMUS_FIXTURES) / "llava/v15_original";
  EXPECT_EQ(find_golden(fixture.string()).folder, fixture);
  EXPECT_EQ(find_golden(fixture.string()).model, "");
}

}  // namespace
}  // namespace isthmus::engine
