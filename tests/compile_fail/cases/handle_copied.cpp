// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
// expect-error: use of deleted function|call to (implicitly-)?deleted
//
// A descriptor has one owner; a second descriptor is asked for in words.

#include <cohort/handle.hpp>

cohort::handle second(const cohort::handle& first)
{
#ifdef MUST_FAIL
  return first;
#else
  return first.duplicate();
#endif
}
