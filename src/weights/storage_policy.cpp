#include "weights/storage_policy.h"

#include "isthmus/error.h"

namespace isthmus::weights {

Storage parse_storage(std::string_view text) {
  if (text == "stored") return Storage::kAsStored;
  if (text == "f32") return Storage::kF32;
  if (text == "f16") return Storage::kF16;
  if (text == "bf16") return Storage::kBF16;
  if (text == "q8") return Storage::kQ8;
  if (text == "q6") return Storage::kQ6;
  if (text == "q5") return Storage::kQ5;
  if (text == "q4") return Storage::kQ4;
  throw UsageError("storage \"" + std::string(text) +
                   "\" is not one of stored, f32, f16, bf16, q8, q6, q5, q4");
}

Storage StoragePolicy::storage_for(std::string_view module_name) const {
  for (const auto& [glob, storage] : rules_) {
    if (matches_glob(glob, module_name)) return storage;
  }
  return Storage::kAsStored;
}

DType StoragePolicy::dtype_for(std::string_view module_name, DType stored) const {
  switch (storage_for(module_name)) {
    case Storage::kF32: return DType::kF32;
    case Storage::kF16: return DType::kF16;
    case Storage::kBF16: return DType::kBF16;
    case Storage::kQ8: return DType::kQ8;
    case Storage::kQ6: return DType::kQ6;
    case Storage::kQ5: return DType::kQ5;
    case Storage::kQ4: return DType::kQ4;
    case Storage::kAsStored: break;
  }
  return stored == DType::kF64 ? DType::kF32 : stored;  // nothing computes on float64 rows
}

bool matches_glob(std::string_view pattern, std::string_view text) {
  // The usual two-pointer walk: on a mismatch let the last star take one more character.
  size_t p = 0, t = 0, star = std::string_view::npos, resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

}  // namespace isthmus::weights
