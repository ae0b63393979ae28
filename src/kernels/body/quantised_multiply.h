// The walk over blocks. Included inside the anonymous namespace of one instruction set's file, last,
// which defines before it, besides what body/quantised.h asks for, for each kind of block
//   struct Unpacked<Block>; unpack(block, unpacked)
//   tile<R>(unpacked of kGroupsAtOnce blocks, x of R rows, sums of R rows)
//   few<M>(block, the one to ask memory for, x of M rows, sums of M rows), M up to kFewRows

constexpr int64_t kMostRows = 96, kMostGroups = 8;  // of a call: x stays in the first cache, W in the second

// Rows of x first to first + count.
struct Rows {
  int64_t first, count;
};

// Of all formats: sums [m][stride] of one or more groups, from column `col` of y on, to y.
inline void store_sums(const QuantisedProductArgs& a, int64_t col, const float* sums,
                       int64_t stride, Rows rows) {
  const int64_t count = a.rows - col < stride ? a.rows - col : stride;
  for (int64_t j = rows.first; j < rows.first + rows.count; ++j) {
    float* to = a.y + j * a.y_stride + col;
    for (int64_t r = 0; r < count; ++r)
      to[r] = sums[j * stride + r] + (a.bias != nullptr ? a.bias[col + r] : 0.0f);
  }
}

// Rows of y lie in pages of their own, which take longer to find than to write.
inline void prefetch_sums(const QuantisedProductArgs& a, int64_t col, Rows rows) {
  for (int64_t j = rows.first; j < rows.first + rows.count; ++j)
    for (int64_t c = col; c < col + kTileCols; c += kGroupRows)
      __builtin_prefetch(a.y + j * a.y_stride + c, 1);
}

template <class Block, int R>
inline void tile_for(int64_t rows, const Unpacked<Block>* w, const QuantisedColumns* x,
                     float* sums) {
  if constexpr (R > 1) {
    if (rows < R) return tile_for<Block, R - 1>(rows, w, x, sums);
  }
  tile<R>(w, x, sums);
}

template <class Block, int M>
void multiply_few(const QuantisedProductArgs& a) {
  if constexpr (M > 1) {
    if (a.m < M) return multiply_few<Block, M - 1>(a);
  }
  // Memory gives more when it is read at several places in turn: 20 GB/s of q4 instead of 17 (Xeon,
  // two threads).
  constexpr int64_t kPlaces = 4;
  const Block* blocks = static_cast<const Block*>(a.blocks);
  for (int64_t g = 0; g < a.groups; g += kPlaces) {
    const int64_t count = a.groups - g < kPlaces ? a.groups - g : kPlaces;
    alignas(64) float sums[kPlaces][M * kGroupRows] = {};
    for (int64_t b = 0; b < a.depth_blocks; ++b) {
      // Behind the last block of a group here comes the first of the group that follows in its place.
      const int64_t next = b + 1 < a.depth_blocks ? 1 : 1 + (kPlaces - 1) * a.depth_blocks;
      for (int64_t i = 0; i < count; ++i) {
        const Block* block = blocks + (g + i) * a.depth_blocks + b;
        few<M>(*block, block + next, a.x + b * a.x_stride, sums[i]);
      }
    }
    for (int64_t i = 0; i < count; ++i)
      store_sums(a, (g + i) * kGroupRows, sums[i], kGroupRows, {0, a.m});
  }
}

template <class Block>
void multiply(const QuantisedProductArgs& a) {
  if constexpr (kFewRows > 0) {
    if (a.m <= kFewRows) return multiply_few<Block, kFewRows>(a);
  }
  const Block* blocks = static_cast<const Block*>(a.blocks);
  alignas(64) Unpacked<Block> unpacked[kGroupsAtOnce];
  alignas(64) float sums[kMostRows * kTileCols];
  for (int64_t g = 0; g < a.groups; g += kGroupsAtOnce) {
    for (int64_t i = 0; i < a.m * kTileCols; ++i) sums[i] = 0;
    for (int64_t b = 0; b < a.depth_blocks; ++b) {
      const Block* of_groups[kGroupsAtOnce];
      for (int64_t i = 0; i < kGroupsAtOnce; ++i) {
        // Behind the last group of an odd number the one before it stands in, and is not stored.
        of_groups[i] = blocks + (g + i < a.groups ? g + i : g) * a.depth_blocks + b;
        unpack(*of_groups[i], unpacked[i]);
      }
      const bool last = b + 1 == a.depth_blocks;
      for (int64_t j = 0; j < a.m; j += kTileRows) {
        const Rows rows{j, a.m - j < kTileRows ? a.m - j : kTileRows};
        if (last) prefetch_sums(a, g * kGroupRows, rows);
        for (int64_t i = 0; i < kGroupsAtOnce; ++i)
          prefetch_part(of_groups[i] + 1, j / kTileRows, (a.m + kTileRows - 1) / kTileRows);
        tile_for<Block, kTileRows>(rows.count, unpacked, a.x + b * a.x_stride + j,
                                   sums + j * kTileCols);
        if (last) store_sums(a, g * kGroupRows, sums, kTileCols, rows);
      }
    }
  }
}

template <class Block>
constexpr QuantisedKind kind = {sizeof(Block), multiply<Block>, dequantise<Block>, quantise<Block>};
