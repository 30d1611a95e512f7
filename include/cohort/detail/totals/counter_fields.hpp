// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/counters.hpp>

#include <array>
#include <cstdint>
#include <string_view>
#include <utility>

namespace cohort::detail {

template <class Counters>
using counter_field = std::pair<std::string_view, std::uint64_t Counters::*>;

/// The counters of a struct, by their names.
template <class Counters>
inline constexpr std::array<counter_field<Counters>, 0> counter_fields{};

template <>
inline constexpr auto
    counter_fields<connection_counters> = std::to_array<counter_field<connection_counters>>({
        {"accepted", &connection_counters::accepted},
        {"offered", &connection_counters::offered},
        {"taken", &connection_counters::taken},
        {"refused", &connection_counters::refused},
        {"redispatched", &connection_counters::redispatched},
        {"lost", &connection_counters::lost},
        {"closed", &connection_counters::closed},
        {"overflowed", &connection_counters::overflowed},
        {"unserved", &connection_counters::unserved},
    });

template <>
inline constexpr auto counter_fields<group_counters> = std::to_array<counter_field<group_counters>>(
    {
        {"started", &group_counters::started},
        {"start_failures", &group_counters::start_failures},
        {"dismissed", &group_counters::dismissed},
        {"reloaded", &group_counters::reloaded},
        {"retired_requests", &group_counters::retired_requests},
        {"retired_asked", &group_counters::retired_asked},
        {"retired_age", &group_counters::retired_age},
        {"retired_memory", &group_counters::retired_memory},
        {"retired_descriptors", &group_counters::retired_descriptors},
        {"left", &group_counters::left},
        {"died", &group_counters::died},
        {"never_ready", &group_counters::never_ready},
        {"hung", &group_counters::hung},
        {"gave_up", &group_counters::gave_up},
        {"reloads", &group_counters::reloads},
        {"failed_reloads", &group_counters::failed_reloads},
        {"requests", &group_counters::requests},
    });

// None was forgotten.
static_assert(sizeof(connection_counters) ==
              counter_fields<connection_counters>.size() * sizeof(std::uint64_t));
static_assert(
    sizeof(group_counters) == counter_fields<group_counters>.size() * sizeof(std::uint64_t));

} // namespace cohort::detail
