// Tiles of AMX: registers of 16 rows of 64 bytes. Included inside the anonymous namespace of one file, after
// immintrin.h. GCC 12 takes numbers of tiles as they are written, no constants.

constexpr int64_t kRowsOfTile = 16, kTileBytes = 64;

struct alignas(64) TileShapes {
  uint8_t palette = 1, start_row = 0, unused[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
};

// The tiles of this thread, for as long as it lives.
class Tiles {
 public:
  Tiles() {
    TileShapes shapes;
    for (int t = 0; t < 8; ++t) {
      shapes.rows[t] = kRowsOfTile;
      shapes.row_bytes[t] = kTileBytes;
    }
    _tile_loadconfig(&shapes);
  }
  ~Tiles() { _tile_release(); }
};

inline void zero_sums() {
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
}
