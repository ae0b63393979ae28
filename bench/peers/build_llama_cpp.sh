#!/usr/bin/env bash
# Builds llama.cpp as the Python package llama-cpp-python carries it: its tools for this processor, and its CPU library
# again for AVX2 alone, and for AVX-512 without AMX on a processor that has both. The
# server comes without its web page, which would be fetched.
#
#   bench/peers/build_llama_cpp.sh FOLDER        -> FOLDER/native/bin, FOLDER/avx2/bin, FOLDER/avx512/bin, FOLDER/vocab.gguf
set -euo pipefail
folder=$(realpath -m "${1:?usage: build_llama_cpp.sh FOLDER}")
package=llama-cpp-python version=0.3.36
jobs=$(nproc)

mkdir -p "$folder/package"
[ -e "$folder"/package/*.tar.gz ] ||
  python3 -m pip download -q --no-deps --no-binary :all: -d "$folder/package" "$package==$version"
[ -d "$folder/source" ] || { mkdir "$folder/source" && tar xzf "$folder"/package/*.tar.gz --strip-components=1 -C "$folder/source"; }
source=$folder/source/vendor/llama.cpp

common=(-DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=ON -DLLAMA_CURL=OFF -DLLAMA_OPENSSL=OFF -DLLAMA_BUILD_TESTS=OFF
        -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_SERVER=ON -DLLAMA_BUILD_UI=OFF -DLLAMA_USE_PREBUILT_UI=OFF -DLLAMA_BUILD_APP=OFF
        -DLLAMA_BUILD_TOOLS=ON)
cmake -S "$source" -B "$folder/native" -G Ninja "${common[@]}" -DGGML_NATIVE=ON
cmake --build "$folder/native" -j "$jobs" --target llama-bench llama-mtmd-cli llama-server
cmake -S "$source" -B "$folder/avx2" -G Ninja "${common[@]}" -DGGML_NATIVE=OFF -DGGML_AVX=ON -DGGML_AVX2=ON -DGGML_FMA=ON \
  -DGGML_F16C=ON -DGGML_BMI2=ON -DGGML_AVX_VNNI=OFF -DGGML_AVX512=OFF
cmake --build "$folder/avx2" -j "$jobs" --target ggml-cpu
if grep -qw amx_int8 /proc/cpuinfo; then
  cmake -S "$source" -B "$folder/avx512" -G Ninja "${common[@]}" -DGGML_NATIVE=OFF -DGGML_AVX=ON -DGGML_AVX2=ON -DGGML_FMA=ON \
    -DGGML_F16C=ON -DGGML_BMI2=ON -DGGML_AVX_VNNI=OFF -DGGML_AVX512=ON -DGGML_AVX512_VBMI=ON -DGGML_AVX512_VNNI=ON \
    -DGGML_AVX512_BF16=ON
  cmake --build "$folder/avx512" -j "$jobs" --target ggml-cpu
fi
cp "$source/models/ggml-vocab-llama-spm.gguf" "$folder/vocab.gguf"
echo "$package $version" > "$folder/version"
