// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
// expect-error: (constraint failure|not satisfied) for .*better_of_two
// expect-lines: 15
//
// A measure gives a number for one member; what compares two is none.

#include <cohort/scheduling/power_of_two.hpp>

#ifdef MUST_FAIL
struct fewer_offers {
  bool operator()(const cohort::candidate& one, const cohort::candidate& other) const
  {
    return one.offers < other.offers;
  }
};
#else
struct fewer_offers {
  double operator()(const cohort::candidate& one) const { return one.offers; }
};
#endif

int main() { [[maybe_unused]] cohort::better_of_two<fewer_offers> policy; }
