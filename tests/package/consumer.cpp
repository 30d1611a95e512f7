// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// A program of somebody who has installed the library.

#include <cohort.hpp>

int main() { return cohort::available_parallelism() > 0 ? 0 : 1; }
