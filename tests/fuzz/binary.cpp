// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// libFuzzer target: tests/fuzz/run builds it. What the input means stands in binary.hpp.

#include "fuzz/binary.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
  cohort_test::fuzz::check_binary(std::as_bytes(std::span(data, size)));
  return 0;
}
