// Writes EXR files for tests.
#pragma once

#include <map>
#include <sstream>
#include <string>
#include <vector>

#include <ImfChannelList.h>
#include <ImfFrameBuffer.h>
#include <ImfHeader.h>
#include <ImfOutputFile.h>
#include <ImfStdIO.h>

namespace isthmus::testing_support {

// One plane of width x height floats per channel.
inline std::vector<char> exr_of(int width, int height,
                                const std::map<std::string, std::vector<float>>& planes,
                                Imf::Compression compression = Imf::ZIP_COMPRESSION) {
  std::ostringstream stream;
  {
    Imf::Header header(width, height);
    header.compression() = compression;
    Imf::FrameBuffer buffer;
    for (const auto& [name, plane] : planes) {
      header.channels().insert(name, Imf::Channel(Imf::FLOAT));
      auto* values = const_cast<float*>(plane.data());
      buffer.insert(name, Imf::Slice(Imf::FLOAT, reinterpret_cast<char*>(values), sizeof(float),
                                     sizeof(float) * static_cast<size_t>(width)));
    }
    Imf::StdOSStream adapter;
    Imf::OutputFile file(adapter, header);
    file.setFrameBuffer(buffer);
    file.writePixels(height);
    stream << adapter.str();
  }
  const std::string text = stream.str();
  return {text.begin(), text.end()};
}

}  // namespace isthmus::testing_support
