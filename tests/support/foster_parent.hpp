// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <sys/prctl.h>

namespace cohort_test {

/// While it lives, programs that replace one another are children of this process, as soon as the
/// one that has started them is gone.
class foster_parent {
public:
  foster_parent() { ::prctl(PR_SET_CHILD_SUBREAPER, 1); }
  ~foster_parent() { ::prctl(PR_SET_CHILD_SUBREAPER, 0); }
  foster_parent(const foster_parent&) = delete;
  foster_parent& operator=(const foster_parent&) = delete;
};

} // namespace cohort_test
