// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

// Instead of linking with Boost.JSON: include this in exactly one source file of a program.
#include <boost/json/src.hpp>
