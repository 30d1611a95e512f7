// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
// expect-error: cohort::json_codec cannot carry this type: describe it with BOOST_DESCRIBE_STRUCT
// expect-lines: 15
//
// A type that JSON cannot carry is told where it is sent, also when a member has it.

#include <cohort/message/json.hpp>

#include <boost/describe/class.hpp>

#include <string>
#include <string_view>
#include <vector>

struct message {
#ifdef MUST_FAIL
  std::vector<std::string_view> words;
#else
  std::vector<std::string> words;
#endif
};
BOOST_DESCRIBE_STRUCT(message, (), (words))

int main()
{
  cohort::byte_sink sink;
  cohort::json_codec::encode(message(), sink);
}
