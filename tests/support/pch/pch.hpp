// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#ifndef COHORT_TESTS_PCH_HPP
#define COHORT_TESTS_PCH_HPP

// Precompiled for the test programs; tests/headers proves that no header needs any of it.
// g++ compiles it as a main file, where `#pragma once` is a warning: hence a guard.
#include <algorithm>
#include <array>
#include <asio.hpp>
#include <boost/describe.hpp>
#include <boost/json.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <doctest/doctest.h>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#endif
