// JPEG through libjpeg-turbo, with the settings Pillow uses: accurate integer DCT, smooth chroma
// upsampling.
#include <algorithm>
#include <csetjmp>
#include <cstdio>
#include <vector>

#include <fmt/format.h>
#include <jpeglib.h>

#include "media/decoders.h"

namespace isthmus::media {
namespace {

// More scans than any encoder writes; a small file of many scans over a large picture costs
// minutes.
constexpr int kMaxScans = 500;

// libjpeg reports errors by a call that must not return. Every call into it goes through guarded(),
// whose frame holds nothing with a destructor, so the jump crosses only C frames.
struct Decompressor {
  jpeg_decompress_struct info{};
  jpeg_error_mgr errors{};
  jpeg_source_mgr source{};
  jpeg_progress_mgr progress{};
  std::jmp_buf escape{};
  char message[JMSG_LENGTH_MAX]{};

  ~Decompressor() { jpeg_destroy_decompress(&info); }
};

Decompressor& owner_of(j_common_ptr info) { return *static_cast<Decompressor*>(info->client_data); }

void on_error(j_common_ptr info) {
  Decompressor& decompressor = owner_of(info);
  info->err->format_message(info, decompressor.message);
  std::longjmp(decompressor.escape, 1);
}

void on_progress(j_common_ptr info) {
  Decompressor& decompressor = owner_of(info);
  if (decompressor.info.input_scan_number <= kMaxScans) return;
  std::snprintf(decompressor.message, sizeof decompressor.message, "more than %d scans", kMaxScans);
  std::longjmp(decompressor.escape, 1);
}

// The whole file is in the buffer from the start: wanting more means that it is truncated.
// Returning FALSE suspends the decoder, where libjpeg's own memory source would make up an end
// marker and grey pixels.
boolean no_more_input(j_decompress_ptr) { return FALSE; }

void skip_input(j_decompress_ptr info, long count) {
  if (count <= 0) return;
  const size_t step = std::min(static_cast<size_t>(count), info->src->bytes_in_buffer);
  info->src->next_input_byte += step;
  info->src->bytes_in_buffer -= step;
}

template <typename Call>
bool guarded(Decompressor& decompressor, const Call& call) {
  if (setjmp(decompressor.escape) != 0) return false;
  call(decompressor.info);
  return true;
}

void set_up(Decompressor& decompressor, const EncodedImage& file) {
  jpeg_decompress_struct& info = decompressor.info;
  info.err = jpeg_std_error(&decompressor.errors);
  decompressor.errors.error_exit = on_error;
  decompressor.errors.output_message = [](j_common_ptr) {};
  info.client_data = &decompressor;
  const auto created = guarded(decompressor, [](auto& i) { jpeg_create_decompress(&i); });
  if (!created) file.fail(fmt::format("libjpeg cannot start: {}", decompressor.message));
  decompressor.source.init_source = [](j_decompress_ptr) {};
  decompressor.source.fill_input_buffer = no_more_input;
  decompressor.source.skip_input_data = skip_input;
  decompressor.source.resync_to_restart = jpeg_resync_to_restart;
  decompressor.source.term_source = [](j_decompress_ptr) {};
  decompressor.source.next_input_byte = file.data();
  decompressor.source.bytes_in_buffer = file.bytes.size();
  info.src = &decompressor.source;
  decompressor.progress.progress_monitor = on_progress;
  info.progress = &decompressor.progress;
}

}  // namespace

NativeImage decode_jpeg(const EncodedImage& file) {
  Decompressor decompressor;
  jpeg_decompress_struct& info = decompressor.info;
  set_up(decompressor, file);
  const auto checked = [&](bool succeeded) {
    if (!succeeded) file.fail(fmt::format("broken JPEG file: {}", decompressor.message));
  };

  int status = 0;
  checked(guarded(decompressor, [&](auto& i) { status = jpeg_read_header(&i, TRUE); }));
  if (status != JPEG_HEADER_OK) file.fail_truncated("JPEG");
  const int64_t width = info.image_width, height = info.image_height;
  file.check_size(width, height);
  PixelMode mode = PixelMode::kRgb;
  switch (info.num_components) {
    case 1:
      mode = PixelMode::kGrey;
      info.out_color_space = JCS_GRAYSCALE;
      break;
    case 3: info.out_color_space = JCS_RGB; break;
    case 4:
      mode = PixelMode::kCmyk;
      info.out_color_space = JCS_CMYK;
      break;
    default:
      file.fail(
          fmt::format("JPEG file has {} components; 1, 3 or 4 are read", info.num_components));
  }
  boolean started = FALSE;
  checked(guarded(decompressor, [&](auto& i) { started = jpeg_start_decompress(&i); }));
  if (!started) file.fail_truncated("JPEG");

  const int64_t channels = channels_of(mode);
  NativeImage image{mode, {width, height, channels, {}}, {}};
  std::vector<uint8_t>& pixels = image.samples.pixels;
  // Filled as rows arrive: a short file may announce a huge picture.
  pixels.reserve(static_cast<size_t>(width * height * channels));
  for (int64_t y = 0; y < height; ++y) {
    pixels.resize(static_cast<size_t>((y + 1) * width * channels));
    JSAMPROW target = image.samples.row(y);
    JDIMENSION rows_read = 0;
    checked(
        guarded(decompressor, [&](auto& i) { rows_read = jpeg_read_scanlines(&i, &target, 1); }));
    if (rows_read != 1) file.fail_truncated("JPEG");
  }
  // Pillow takes every four-component file as Adobe's, which stores 255 - ink.
  if (mode == PixelMode::kCmyk)
    for (uint8_t& sample : pixels) sample = static_cast<uint8_t>(255 - sample);
  return image;
}

}  // namespace isthmus::media
