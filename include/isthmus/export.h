// Marks what the shared library shows to the outside.
#pragma once

#define ISTHMUS_EXPORT __attribute__((visibility("default")))
