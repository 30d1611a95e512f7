// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// libFuzzer target: tests/fuzz/run builds it. What the input means stands in wire.hpp.

#include "fuzz/wire.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
  cohort_test::fuzz::check_wire(std::as_bytes(std::span(data, size)));
  return 0;
}
