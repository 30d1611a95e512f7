// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
// expect-error: binary_codec cannot encode this type: pointers, views and references mean nothing
// expect-lines: 18
//
// A view is trivially copyable, but its bytes are an address of the sender.

#include <cohort/message/binary.hpp>

#include <string>
#include <string_view>

struct greeting {
#ifdef MUST_FAIL
  std::string_view text;
#else
  std::string text;
#endif
};
BOOST_DESCRIBE_STRUCT(greeting, (), (text))

int main()
{
  cohort::byte_sink out;
  cohort::binary_codec::encode(greeting{"hello"}, out);
}
