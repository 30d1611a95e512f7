// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/candidate.hpp>
#include <cohort/connection_info.hpp>
#include <cohort/detail/lifecycle/policy_calls.hpp>
#include <cohort/overflow.hpp>
#include <cohort/scheduling/policy.hpp>
#include <cohort/scheduling/round_robin.hpp>

#include <concepts>
#include <cstddef>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>

namespace cohort {

/// A policy that is chosen while the program runs: from its command line, from a file. It holds a
/// copy of any other one, and costs a virtual call for each choice and each hook that is there.
///
/// One that has `peek` cannot be held: how much is looked at is decided when a program is compiled.
class any_policy {
public:
  /// Holds `round_robin`.
  any_policy() : any_policy(round_robin()) {}

  template <class Policy>
  requires(!std::same_as<std::remove_cvref_t<Policy>, any_policy> &&
           scheduling_policy<std::remove_cvref_t<Policy>>) any_policy(Policy&& policy)
      : held_(std::make_unique<holder<std::remove_cvref_t<Policy>>>(std::forward<Policy>(policy)))
  {
    static_assert(
        peek_of<std::remove_cvref_t<Policy>> == 0, "any_policy cannot hold one with peek");
  }

  any_policy(const any_policy& other) : held_(other.held_->copy()) {}
  any_policy(any_policy&&) noexcept = default;
  any_policy& operator=(any_policy other) noexcept
  {
    held_ = std::move(other.held_);
    return *this;
  }
  ~any_policy() = default;

  std::size_t select(std::span<const candidate> members, const connection_info& connection) noexcept
  {
    return held_->select(members, connection);
  }
  void on_join(const candidate& member) noexcept { held_->on_join(member); }
  void on_leave(const candidate& member) noexcept { held_->on_leave(member); }
  void on_taken(const candidate& member) noexcept { held_->on_taken(member); }
  void on_released(const candidate& member) noexcept { held_->on_released(member); }
  void on_change(std::span<const candidate> members, std::size_t index) noexcept
  {
    held_->on_change(members, index);
  }
  connection_info::clock::duration patience() const noexcept { return held_->patience(); }
  cohort::distribution distribution() const noexcept { return held_->distribution(); }
  bool own_sockets() const noexcept { return held_->own_sockets(); }
  overflow on_overflow() const { return held_->on_overflow(); }

private:
  struct concept_type {
    virtual ~concept_type() = default;
    virtual std::unique_ptr<concept_type> copy() const = 0;
    virtual std::size_t select(std::span<const candidate>, const connection_info&) noexcept = 0;
    virtual void on_join(const candidate&) noexcept = 0;
    virtual void on_leave(const candidate&) noexcept = 0;
    virtual void on_taken(const candidate&) noexcept = 0;
    virtual void on_released(const candidate&) noexcept = 0;
    virtual void on_change(std::span<const candidate>, std::size_t) noexcept = 0;
    virtual connection_info::clock::duration patience() const noexcept = 0;
    virtual cohort::distribution distribution() const noexcept = 0;
    virtual bool own_sockets() const noexcept = 0;
    virtual overflow on_overflow() const = 0;
  };

  template <class Policy>
  struct holder final : concept_type {
    explicit holder(Policy policy) : calls(std::move(policy)) {}

    std::unique_ptr<concept_type> copy() const override { return std::make_unique<holder>(*this); }
    std::size_t select(
        std::span<const candidate> members, const connection_info& connection) noexcept override
    {
      return calls.select(members, connection);
    }
    void on_join(const candidate& member) noexcept override { calls.joined(member); }
    void on_leave(const candidate& member) noexcept override { calls.leaves(member); }
    void on_taken(const candidate& member) noexcept override { calls.took(member); }
    void on_released(const candidate& member) noexcept override { calls.released(member); }
    void on_change(std::span<const candidate> members, std::size_t index) noexcept override
    {
      calls.changed(members, index);
    }
    connection_info::clock::duration patience() const noexcept override { return calls.patience(); }
    cohort::distribution distribution() const noexcept override
    {
      return detail::distribution_of(calls.get());
    }
    bool own_sockets() const noexcept override { return detail::wants_own_sockets(calls.get()); }
    overflow on_overflow() const override { return calls.on_overflow(); }

    detail::policy_calls<Policy> calls;
  };

  std::unique_ptr<concept_type> held_;
};

static_assert(scheduling_policy<any_policy>);

} // namespace cohort
