// Packing for the float32 product. Included inside the anonymous namespace of one instruction set's
// file.

void pack_rows(const PackRowsArgs& a) {
  pack_rows_with(a.rows, a.depth, a.out, [&](int64_t row, int64_t k, int64_t words) {
    const float* x = a.x + row * a.row_stride + k;
    return words == kWidth ? load(x) : load_n(x, words);
  });
}

// Rows of a panel lie next to each other already.
void pack_rows_by_depth(const PackRowsArgs& a) {
  float* out = a.out;
  for (int64_t first = 0; first < a.rows; first += kTileRows) {
    const int64_t panel = a.rows - first < kTileRows ? a.rows - first : kTileRows;
    for (int64_t k = 0; k < a.depth; ++k) {
      const float* from = a.x + k * a.row_stride + first;
      for (int64_t part = 0; part < panel; part += kWidth) {
        if (panel - part >= kWidth) {
          store(out + part, load(from + part));
        } else {
          store_n(out + part, load_n(from + part, panel - part), panel - part);
        }
      }
      out += panel;
    }
  }
}

template <class Element>
void pack_columns(const PackColumnsArgs& a) {
  const char* w = static_cast<const char*>(a.w);
  pack_columns_with(a.cols, a.depth, a.out, [&](int64_t col, int64_t k, int64_t words) {
    const char* from = w + (col * a.row_stride + k) * Element::kBytes;
    return words == kWidth ? Element::load(from) : Element::load_n(from, words);
  });
}

template <class Element>
void pack_by_depth(const PackColumnsArgs& a) {
  const char* w = static_cast<const char*>(a.w);
  float* out = a.out;
  for (int64_t first = 0; first < a.cols; first += kTileCols) {
    for (int64_t k = 0; k < a.depth; ++k) {
      const char* from = w + (k * a.row_stride + first) * Element::kBytes;
      for (int64_t part = 0; part < kTileCols; part += kWidth) {
        const int64_t lanes = a.cols - first - part;
        V v{};
        if (lanes >= kWidth) {
          v = Element::load(from + part * Element::kBytes);
        } else if (lanes > 0) {
          v = Element::load_n(from + part * Element::kBytes, lanes);
        }
        store(out + k * kTileCols + part, v);
      }
    }
    out += kTileCols * a.depth;
  }
}
