// The shared library is the engine's archive, whole; a target of CMake wants one source of its own.
