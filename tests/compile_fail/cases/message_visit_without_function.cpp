// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
// expect-error: no function given to visit takes a message of this type
// expect-lines: 15
//
// Each type that can come has its function.

#include <cohort/envelope.hpp>

#include <variant>

struct question {
  int number = 0;
};
struct answer {
  int number = 0;
};

using envelope = cohort::envelope<std::variant<question, answer>>;

void look(envelope& received)
{
#ifdef MUST_FAIL
  received.visit([](const question&) {});
#else
  received.visit([](const question&) {}, [](const answer&) {});
#endif
}
