// WebP through libwebp's animation decoder, as Pillow: a still picture is an animation of one
// frame, and a first frame smaller than the canvas lies on transparent black.
#include <cstring>
#include <memory>

#include <fmt/format.h>
#include <webp/decode.h>
#include <webp/demux.h>

#include "media/decoders.h"

namespace isthmus::media {

NativeImage decode_webp(const EncodedImage& file) {
  WebPBitstreamFeatures features{};
  const VP8StatusCode status = WebPGetFeatures(file.data(), file.bytes.size(), &features);
  if (status == VP8_STATUS_NOT_ENOUGH_DATA) file.fail_truncated("WebP");
  if (status != VP8_STATUS_OK) file.fail("broken WebP file: its header cannot be read");
  file.check_size(features.width, features.height);

  WebPAnimDecoderOptions options;
  if (!WebPAnimDecoderOptionsInit(&options))
    file.fail("libwebp cannot start: another version was linked");
  options.color_mode = MODE_RGBA;
  const WebPData data{file.data(), file.bytes.size()};
  const std::unique_ptr<WebPAnimDecoder, decltype(&WebPAnimDecoderDelete)> decoder(
      WebPAnimDecoderNew(&data, &options), WebPAnimDecoderDelete);
  WebPAnimInfo info{};
  if (!decoder || !WebPAnimDecoderGetInfo(decoder.get(), &info))
    file.fail("broken or truncated WebP file");
  file.check_size(info.canvas_width, info.canvas_height);
  uint8_t* rgba = nullptr;
  int timestamp = 0;
  if (!WebPAnimDecoderGetNext(decoder.get(), &rgba, &timestamp))
    file.fail("broken or truncated WebP file: the first frame cannot be decoded");

  const PixelMode mode = features.has_alpha ? PixelMode::kRgba : PixelMode::kRgb;
  NativeImage image = blank_image(mode, info.canvas_width, info.canvas_height);
  const size_t count = size_t{info.canvas_width} * info.canvas_height;
  const auto channels = static_cast<size_t>(image.samples.channels);
  uint8_t* out = image.samples.pixels.data();
  for (size_t i = 0; i < count; ++i, rgba += 4, out += channels) std::memcpy(out, rgba, channels);
  return image;
}

}  // namespace isthmus::media
