// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
// expect-error: cohort::binary_codec cannot decode this type: it must be default constructible
// expect-lines: 18
//
// A decoder fills a message that is there already.

#include <cohort/message/binary.hpp>

#include <optional>
#include <span>

struct ticket {
#ifdef MUST_FAIL
  const int number = 0;
#else
  int number = 0;
#endif
};
BOOST_DESCRIBE_STRUCT(ticket, (), (number))

int main()
{
  cohort::decode_error error;
  auto decoded = cohort::binary_codec::decode<ticket>(std::span<const std::byte>(), error);
  return decoded ? 1 : 0;
}
