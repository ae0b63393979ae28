# Everything from the system; nothing is downloaded.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(CLI11 REQUIRED)
find_package(JPEG REQUIRED)
find_package(PNG REQUIRED)
find_package(ZLIB REQUIRED)
pkg_check_modules(WEBP REQUIRED IMPORTED_TARGET libwebp)
# 5.1 brought channel layouts of any number of channels.
pkg_check_modules(LIBAV REQUIRED IMPORTED_TARGET libavformat>=59.27 libavcodec>=59.37 libavutil>=57.28)
pkg_check_modules(OPENEXR REQUIRED IMPORTED_TARGET OpenEXR>=3.1)
pkg_check_modules(SWSCALE REQUIRED IMPORTED_TARGET libswscale>=6.7)
pkg_check_modules(YAML REQUIRED IMPORTED_TARGET yaml-cpp>=0.7)
pkg_check_modules(EDIT REQUIRED IMPORTED_TARGET libedit)
# Its header must be read with the options the library was built with.
pkg_check_modules(HTTPLIB REQUIRED IMPORTED_TARGET cpp-httplib>=0.11)
# 7.85 brought CURLOPT_PROTOCOLS_STR.
pkg_check_modules(CURL REQUIRED IMPORTED_TARGET libcurl>=7.85)
find_package(OpenSSL REQUIRED)
pkg_check_modules(PROMETHEUS REQUIRED IMPORTED_TARGET prometheus-cpp-core)
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash)
find_package(Eigen3 3.4 REQUIRED NO_MODULE)
# Debian's dnnl-config.cmake asks for OpenCL even for a CPU-only build, so oneDNN is looked up by hand.
find_path(DNNL_INCLUDE_DIR oneapi/dnnl/dnnl.h REQUIRED)
find_library(DNNL_LIBRARY dnnl REQUIRED)
add_library(isthmus_dnnl INTERFACE)
target_include_directories(isthmus_dnnl SYSTEM INTERFACE "${DNNL_INCLUDE_DIR}")
target_link_libraries(isthmus_dnnl INTERFACE "${DNNL_LIBRARY}")

# libtorch: Debian's 1.13.1, or any 2.x built with the C++11 ABI through CMAKE_PREFIX_PATH.
find_package(Torch REQUIRED)
find_package(OpenMP REQUIRED)
if(TORCH_CXX_FLAGS MATCHES "_GLIBCXX_USE_CXX11_ABI=0")
  message(FATAL_ERROR "This libtorch was built with the old C++ ABI (_GLIBCXX_USE_CXX11_ABI=0); "
                      "every other library here uses the new one. Use Debian's libtorch-dev or a 2.6+ build.")
endif()
add_library(isthmus_torch INTERFACE)
target_include_directories(isthmus_torch SYSTEM INTERFACE ${TORCH_INCLUDE_DIRS})
target_link_libraries(isthmus_torch INTERFACE ${TORCH_LIBRARIES})

if(ISTHMUS_BUILD_TESTS)
  find_package(GTest REQUIRED)
endif()
if(ISTHMUS_BUILD_BENCHMARKS)
  find_package(benchmark REQUIRED)
endif()
