# Arguments: BUILD, SOURCE, WORK (emptied), LIBDIR, COMPILER, LAUNCHER, SANITIZE.
cmake_minimum_required(VERSION 3.25)
set(prefix "${WORK}/prefix")
set(model "${SOURCE}/demo/llava/llava-v1.5-tabletop")
set(picture "${SOURCE}/demo/pictures/table01.png")
set(question "Tell me the color of the cylinder.")
set(answer "The cylinder is purple.\n")
set(flamingo "${SOURCE}/tests/fixtures/openflamingo/mpt7b_every1/model")
set(tiny "${SOURCE}/tests/fixtures/llava/v15_original/model/llava-v1.5-tiny")
file(READ "${SOURCE}/tests/fixtures/llava/v15_original/expect/print_model.txt" tree)

function(run)  # run(command …): must succeed; its standard output is left in `output`
  execute_process(COMMAND ${ARGN} OUTPUT_VARIABLE output ERROR_VARIABLE errors RESULT_VARIABLE status)
  if(NOT status EQUAL 0)
    list(JOIN ARGN " " command)
    message(FATAL_ERROR "${command}\nended with ${status}\n${output}${errors}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

function(expect_output what expected)
  if(NOT output STREQUAL expected)
    message(FATAL_ERROR "${what} printed\n${output}\nexpected\n${expected}")
  endif()
endfunction()

file(REMOVE_RECURSE "${WORK}")
run("${CMAKE_COMMAND}" --install "${BUILD}" --prefix "${prefix}")

# Only the public headers are there, and none of them speaks of torch.
file(GLOB_RECURSE headers RELATIVE "${prefix}/include" "${prefix}/include/*")
file(GLOB public RELATIVE "${SOURCE}/include" "${SOURCE}/include/isthmus/*.h")
if(NOT headers STREQUAL public)
  message(FATAL_ERROR "installed headers: ${headers}\nexpected: ${public}")
endif()

# The installed program finds its other half.
run("${prefix}/bin/isthmus" run "${model}" --image "${picture}" -p "${question}")
expect_output("installed isthmus" "${answer}")

# An instrumented library needs instrumented users.
set(flags "")
if(SANITIZE)
  set(flags "-fsanitize=address,undefined")
endif()

# CMake package.
run("${CMAKE_COMMAND}" -S "${SOURCE}/examples" -B "${WORK}/examples" "-DCMAKE_PREFIX_PATH=${prefix}"
    "-DCMAKE_CXX_COMPILER=${COMPILER}" "-DCMAKE_CXX_COMPILER_LAUNCHER=${LAUNCHER}" "-DCMAKE_CXX_FLAGS=${flags}")
run("${CMAKE_COMMAND}" --build "${WORK}/examples")
run("${WORK}/examples/ask" "${model}" "${picture}" "${question}")
expect_output("ask" "${answer}")
run("${WORK}/examples/print_model" "${tiny}")
expect_output("print_model" "${tree}")
# Random weights: that it runs, not what it says.
run("${WORK}/examples/few_shot" "${flamingo}" "${picture}" "A cylinder." "${picture}")

# pkg-config.
set(ENV{PKG_CONFIG_PATH} "${prefix}/${LIBDIR}/pkgconfig")
run(pkg-config --cflags --libs isthmus)
separate_arguments(pkg_flags UNIX_COMMAND "${output}")
run("${COMPILER}" ${flags} "${SOURCE}/examples/ask.cpp" ${pkg_flags} -o "${WORK}/ask")
set(ENV{LD_LIBRARY_PATH} "${prefix}/${LIBDIR}")
run("${WORK}/ask" "${model}" "${picture}" "${question}")
expect_output("ask through pkg-config" "${answer}")
