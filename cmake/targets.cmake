# One static library per folder of src/. A library sees only the folders it names in DEPENDS: a forbidden
# include also fails to link, and tools/check_layers.py holds the includes against the table.
add_library(isthmus_flags INTERFACE)
target_include_directories(isthmus_flags INTERFACE "${PROJECT_SOURCE_DIR}/src" "${PROJECT_SOURCE_DIR}/include")
# -pthread everywhere, since a precompiled header is only taken by files with the same definitions. GCC 12 sees an array
# bound broken inside the standard library's own strings where these come precompiled.
target_compile_options(isthmus_flags INTERFACE -pthread -Wno-array-bounds -Wall -Wextra $<$<BOOL:${ISTHMUS_WERROR}>:-Wconversion -Werror>)
if(ISTHMUS_SANITIZE)
  target_compile_options(isthmus_flags INTERFACE -fsanitize=address,undefined -fno-sanitize-recover=undefined
                                                 -fno-omit-frame-pointer -g1 -DISTHMUS_SANITIZE)
  target_link_options(isthmus_flags INTERFACE -fsanitize=address,undefined)
endif()

# What most files without torch include, precompiled in isthmus_base; reading it was a third of compiling them. Added to
# the headers of torch, precompiled in isthmus_nn, it gains nothing. Kernels, compiled for other processors, do without.
set(ISTHMUS_COMMON_HEADERS <algorithm> <filesystem> <fstream> <functional> <map> <memory> <optional> <set> <span> <string>
                           <string_view> <variant> <vector> <fmt/format.h> <fmt/ranges.h> <nlohmann/json.hpp>)

# GCC keeps in a precompiled header what torch's headers leave to be instantiated, and every file that takes the header
# instantiates it anew: 2.5 s, more than most files' own code. So files of a target are compiled by eights (UNITY_BUILD),
# which takes two fifths from a clean build; no two files of a target may define the same name, not even in anonymous
# namespaces: what meets in one batch does not compile, or, where it could be an overload, may be called in place of what
# was meant. Targets marked ALONE have such names: instruction sets, and small readers of many formats.
# With -DISTHMUS_UNITY=OFF (presets dev, coverage) each file is compiled alone, and includes that a file forgets are found.
option(ISTHMUS_UNITY "Compile files of one target together" ON)
function(isthmus_compile_together TARGET)
  set_target_properties(${TARGET} PROPERTIES UNITY_BUILD ${ISTHMUS_UNITY} UNITY_BUILD_BATCH_SIZE 8)
endfunction()

# isthmus_library(NAME SOURCES a.cpp … DEPENDS base … LINK fmt::fmt … [TORCH] [ALONE])
function(isthmus_library NAME)
  cmake_parse_arguments(ARG "TORCH;ALONE" "" "SOURCES;DEPENDS;LINK" ${ARGN})
  add_library(isthmus_${NAME} STATIC ${ARG_SOURCES})
  if(NOT ARG_ALONE)
    isthmus_compile_together(isthmus_${NAME})
  endif()
  target_link_libraries(isthmus_${NAME} PUBLIC isthmus_flags)
  foreach(dependency IN LISTS ARG_DEPENDS)
    target_link_libraries(isthmus_${NAME} PUBLIC isthmus_${dependency})
  endforeach()
  target_link_libraries(isthmus_${NAME} PUBLIC ${ARG_LINK})
  if(ARG_TORCH)
    target_link_libraries(isthmus_${NAME} PUBLIC isthmus_torch)
    if(NAME STREQUAL "nn")
      target_precompile_headers(isthmus_nn PRIVATE <torch/nn/module.h> <torch/nn/pimpl.h> <torch/types.h>)
    else()
      target_precompile_headers(isthmus_${NAME} REUSE_FROM isthmus_nn)
    endif()
  elseif(NAME STREQUAL "base")
    target_precompile_headers(isthmus_base PRIVATE ${ISTHMUS_COMMON_HEADERS})
  elseif(NOT NAME STREQUAL "kernels")
    target_precompile_headers(isthmus_${NAME} REUSE_FROM isthmus_base)
  endif()
endfunction()

# isthmus_test(NAME SOURCES a_test.cpp … DEPENDS formats … [TORCH] [ALONE]): one program, one ctest entry.
# Tests find their files below ISTHMUS_FIXTURES and write only below the folder of testing::TempDir().
function(isthmus_test NAME)
  cmake_parse_arguments(ARG "TORCH;ALONE" "" "SOURCES;DEPENDS;LINK;LABELS" ${ARGN})
  add_executable(test_${NAME} ${ARG_SOURCES})
  if(NOT ARG_ALONE)
    isthmus_compile_together(test_${NAME})
  endif()
  foreach(dependency IN LISTS ARG_DEPENDS)
    target_link_libraries(test_${NAME} PRIVATE isthmus_${dependency})
  endforeach()
  target_link_libraries(test_${NAME} PRIVATE isthmus_flags GTest::gtest_main ${ARG_LINK})
  target_include_directories(test_${NAME} PRIVATE "${PROJECT_SOURCE_DIR}/tests")
  target_compile_definitions(test_${NAME} PRIVATE
    ISTHMUS_FIXTURES="${PROJECT_SOURCE_DIR}/tests/fixtures" ISTHMUS_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
    ISTHMUS_BINARY_DIR="${PROJECT_BINARY_DIR}")
  if(ARG_TORCH)
    target_link_libraries(test_${NAME} PRIVATE isthmus_torch)
    target_precompile_headers(test_${NAME} REUSE_FROM isthmus_nn)
  else()
    target_precompile_headers(test_${NAME} REUSE_FROM isthmus_base)
  endif()
  # The precompiled headers were made with -fPIC; GCC does not take them with the -fPIE of executables.
  set_target_properties(test_${NAME} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
  target_compile_options(test_${NAME} PRIVATE -fPIC)
  # Compiling tests takes longer than running them.
  target_compile_options(test_${NAME} PRIVATE $<$<CONFIG:Release>:-O1>)
  add_test(NAME ${NAME} COMMAND test_${NAME})
  # Several tests run side by side; threads that spin while they wait would take the processors from each other.
  set_tests_properties(${NAME} PROPERTIES TIMEOUT 600 LABELS "${ARG_LABELS}" ENVIRONMENT "OMP_WAIT_POLICY=passive")
endfunction()
