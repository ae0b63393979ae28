// The stored element types, as loads into float vectors. Included inside the anonymous namespace of
// one instruction set's file, after vec.h.

struct F32 {
  static constexpr int64_t kBytes = 4;
  static V load(const char* p) { return ::isthmus::kernels::load(p); }
  static V load_n(const char* p, int64_t n) { return ::isthmus::kernels::load_n(p, n); }
};
struct F16 {
  static constexpr int64_t kBytes = 2;
  static V load(const char* p) { return load_f16(p); }
  static V load_n(const char* p, int64_t n) { return load_f16_n(p, n); }
};
// Of a row that has a scale beside it.
struct I8 {
  static constexpr int64_t kBytes = 1;
  static V load(const char* p) { return load_i8(p); }
  static V load_n(const char* p, int64_t n) { return load_i8_n(p, n); }
};
struct Bf16 {
  static constexpr int64_t kBytes = 2;
  static V load(const char* p) { return load_bf16(p); }
  static V load_n(const char* p, int64_t n) { return load_bf16_n(p, n); }
};
