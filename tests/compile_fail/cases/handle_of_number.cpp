// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
// expect-error: no matching (function for call to|conversion for)
//
// Whose a bare number is has to be said.

#include <cohort/handle.hpp>

cohort::handle take(int fd)
{
#ifdef MUST_FAIL
  return cohort::handle(fd);
#else
  return cohort::handle::adopt(fd);
#endif
}
