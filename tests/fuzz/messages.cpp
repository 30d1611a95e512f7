// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
//
// libFuzzer target: tests/fuzz/run builds it. What the input means stands in messages.hpp.

#include "fuzz/messages.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
  static asio::io_context io(1);
  cohort_test::fuzz::check_messages(io, std::as_bytes(std::span(data, size)));
  return 0;
}
