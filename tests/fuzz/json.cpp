// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// libFuzzer target: tests/fuzz/run builds it. What the input means stands in json.hpp.

#include "fuzz/json.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
  cohort_test::fuzz::check_json(std::as_bytes(std::span(data, size)));
  return 0;
}
