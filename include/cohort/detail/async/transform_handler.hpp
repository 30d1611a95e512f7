// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <asio/associator.hpp>

#include <system_error>
#include <utility>

namespace cohort::detail {

/// A completion handler that turns the internal result of an operation into the public one, and
/// otherwise is the handler it wraps: same executor, allocator and cancellation slot.
///
/// `Function` is called as `function(handler, error, args...)`, and calls the handler.
template <class Handler, class Function>
struct transform_handler {
  Handler handler;
  Function function;

  template <class... Args>
  void operator()(std::error_code error, Args... args)
  {
    std::move(function)(std::move(handler), error, std::move(args)...);
  }
};

template <class Handler, class Function>
transform_handler(Handler, Function) -> transform_handler<Handler, Function>;

} // namespace cohort::detail

template <template <class, class> class Associator, class Handler, class Function, class Default>
struct asio::associator<Associator, cohort::detail::transform_handler<Handler, Function>, Default>
    : Associator<Handler, Default> {
  using wrapped = cohort::detail::transform_handler<Handler, Function>;

  static auto get(const wrapped& outer) noexcept
  {
    return Associator<Handler, Default>::get(outer.handler);
  }
  static auto get(const wrapped& outer, const Default& otherwise) noexcept
  {
    return Associator<Handler, Default>::get(outer.handler, otherwise);
  }
};
