// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <asio/version.hpp>

#if ASIO_VERSION < 102201
#error cohort needs Asio 1.22.1 or newer
#endif

#if !defined(__linux__)
#error cohort needs Linux 5.10 or newer: every system call it makes sits in cohort/detail/posix
#endif

#include <asio/any_io_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/use_awaitable.hpp>

#if ASIO_VERSION >= 103100
#include <asio/deferred.hpp>
#endif

#if !defined(ASIO_HAS_CO_AWAIT)
// For clang, Asio before 1.26 looks for the Coroutines TS only.
#error cohort needs -std=c++20; clang also -DASIO_HAS_CO_AWAIT=1 -DASIO_HAS_STD_COROUTINE=1
#endif

#include <type_traits>

namespace cohort {

/// This library's version: major * 10000 + minor * 100 + patch. Workers tell it in their hello.
inline constexpr unsigned version = 100;

namespace detail {

// Asio's own default was "none" before 1.31 and is `deferred` since. One trait decides for every
// version, so that `co_await operation()` reads the same everywhere; an executor made by
// `use_awaitable_t<>::as_default_on_t` and the like keeps its own choice.
template <class Executor, class Token>
struct default_token {
  using type = Token;
};

template <class Executor>
struct default_token<Executor, void> {
  using type = asio::use_awaitable_t<Executor>;
};

#if ASIO_VERSION >= 103100
template <class Executor>
struct default_token<Executor, asio::deferred_t> {
  using type = asio::use_awaitable_t<Executor>;
};
#endif

} // namespace detail

/// The completion token that suspending functions take when none is given.
template <class Executor = asio::any_io_executor>
using default_token_t = typename detail::default_token<Executor,
    typename asio::default_completion_token<Executor>::type>::type;

} // namespace cohort
