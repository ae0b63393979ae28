#include "formats/outgoing_tensor.h"

#include <utility>

#include "base/check.h"

namespace isthmus::formats {

size_t OutgoingTensor::contiguous_size() const {
  const auto size = bytes_of(dtype, shape);
  ISTHMUS_CHECK(size.has_value(), name);
  return *size;
}

void OutgoingTensor::write_to(const std::function<void(std::span<const std::byte>)>& sink) const {
  const RawTensor raw = values();
  ISTHMUS_CHECK(raw.dtype == dtype && raw.shape == shape, name + " is not what was announced");
  for_each_contiguous_piece(raw, sink);
}

OutgoingTensor outgoing(RawTensor raw) {
  OutgoingTensor out{raw.name, raw.dtype, raw.shape, {}};
  out.values = [raw = std::move(raw)] { return raw; };
  return out;
}

std::vector<OutgoingTensor> outgoing(std::span<const RawTensor> tensors) {
  std::vector<OutgoingTensor> out;
  for (const RawTensor& tensor : tensors) out.push_back(outgoing(tensor));
  return out;
}

}  // namespace isthmus::formats
