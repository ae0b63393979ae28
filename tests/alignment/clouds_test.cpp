#include <vector>

#include "alignment/frechet.h"
#include "alignment/gap.h"
#include "alignment/golden.h"
#include "alignment/norms.h"
#include "alignment/two_sample.h"

namespace isthmus::alignment {
namespace {

using nlohmann::json;

// Of the metrics that take the media rows and the text rows of one layer.
template <typename Measure>
void check_clouds(const std::string& metric, Measure measure) {
  check_cases(metric, [&](const Case& golden) {
    const Input media = golden.input("media"), text = golden.input("text");
    const auto result = measure(media.rows(), text.rows());
    return json_of(result.named(), result.remarks);
  });
}

TEST(NormRatio, EqualsTheReference) { check_clouds("norm_ratio", norm_ratio); }

TEST(CentroidGap, EqualsTheReference) { check_clouds("centroid_gap", centroid_gap); }

TEST(Frechet, EqualsTheReference) { check_clouds("frechet_text_scaled", frechet_text_scaled); }

TEST(FrechetFloor, EqualsTheReference) {
  check_cases("frechet_floor", [](const Case& golden) {
    const Input media = golden.input("media"), text = golden.input("text");
    const FrechetFloor result = frechet_floor(media.rows(), text.rows());
    json found = json_of(result.named(), result.remarks);
    found["rows"] = result.rows;
    return found;
  });
}

TEST(EnergyDistance, EqualsTheReference) {
  check_clouds("energy_distance_text_scaled", energy_distance);
}

TEST(Mmd, EqualsTheReference) { check_clouds("mmd_text_scaled", mmd); }

TEST(PairedGap, EqualsTheReference) {
  check_cases("paired_gap", [](const Case& golden) {
    const Input media = golden.input("media"), text = golden.input("text");
    const OwnedRows x = pool_by_item(media.rows(), golden.input("media_item").integers);
    const OwnedRows y = pool_by_item(text.rows(), golden.input("text_item").integers);
    const PairedGap result = paired_gap(x.view(), y.view());
    return json_of(result.named(), result.remarks);
  });
}

TEST(Mir, EqualsTheReference) {
  check_cases("mir", [](const Case& golden) {
    std::vector<Input> arrays;
    std::vector<Rows> media, text;
    for (const int64_t layer : golden.params()["layers"]) {
      arrays.push_back(golden.input("media.l" + std::to_string(layer)));
      media.push_back(arrays.back().rows());
      arrays.push_back(golden.input("text.l" + std::to_string(layer)));
      text.push_back(arrays.back().rows());
    }
    const Mir result = mir(media, text);
    json found = json_of(result.named(), result.remarks);
    for (const MirLayer& layer : result.layers) {
      found["alpha"].push_back(layer.alpha);
      found["outliers_media"].push_back(layer.outliers_media);
      found["outliers_text"].push_back(layer.outliers_text);
      found["per_layer"].push_back(json_of(layer.frechet));
      found["per_layer_dropped"].push_back(json_of(layer.frechet_dropped));
      found["per_layer_product_trace"].push_back(json_of(layer.frechet_product_trace));
    }
    return found;
  });
}

}  // namespace
}  // namespace isthmus::alignment
