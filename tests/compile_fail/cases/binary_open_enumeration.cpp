// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
// expect-error: cohort::binary_codec cannot encode this enumeration: give it an underlying type
// expect-lines: 18
//
// A number out of the range of such an enumeration would be undefined behaviour.

#include <cohort/message/binary.hpp>

#ifdef MUST_FAIL
enum color { red, green };
#else
enum color : int { red, green };
#endif

int main()
{
  cohort::byte_sink out;
  cohort::binary_codec::encode(green, out);
}
