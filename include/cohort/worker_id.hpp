// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace cohort {

/// Names a worker for the life of its cluster: counted from 1, never used twice.
using worker_id = std::uint32_t;

} // namespace cohort
