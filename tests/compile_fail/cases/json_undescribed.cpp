// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
// expect-error: cohort::json_codec cannot carry this type: describe it with BOOST_DESCRIBE_STRUCT
// expect-lines: 15
//
// Without a description nothing is known of the members.

#include <cohort/message/json.hpp>

#include <boost/describe/class.hpp>

#include <string>

struct message {
  std::string word;
};
#ifndef MUST_FAIL
BOOST_DESCRIBE_STRUCT(message, (), (word))
#endif

int main()
{
  cohort::decode_error error;
  return cohort::json_codec::decode<message>({}, error) ? 1 : 0;
}
