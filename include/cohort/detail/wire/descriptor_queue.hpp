// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cohort/detail/wire/frame.hpp>
#include <cohort/error.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

namespace cohort::detail::wire {

/// The descriptors of one frame.
template <class Descriptor>
struct taken_descriptors {
  std::array<Descriptor, max_descriptors> storage;
  std::size_t count = 0;
  /// Some or all did not arrive (the descriptor table was full, say); `count` is what did.
  bool truncated = false;

  std::span<Descriptor> descriptors() noexcept { return {storage.data(), count}; }
};

/// Gives descriptors, which arrive beside a byte stream, to the frames in it: by the count in each
/// frame's header, first in first out, never by where a read happened to end.
///
/// The sender puts the descriptors of one frame only into one system call, so that a truncated
/// batch concerns exactly the next frame that demands descriptors.
template <class Descriptor>
class descriptor_queue {
public:
  /// What one read brought, moved out of `batch`.
  void push(std::span<Descriptor> batch, bool truncated);

  /// The next `count` descriptors (1 to `max_descriptors`). Fewer, and marked, when the batch was
  /// truncated; `protocol_violation` when the frame demands more, or a truncated one less, than
  /// came.
  taken_descriptors<Descriptor> take(std::size_t count, std::error_code& ec);

  /// Whether all that waits can belong to one incomplete frame that owns up to `demanded`
  /// descriptors. When not, somebody sent descriptors that no frame asks for.
  bool fits(std::size_t demanded) const noexcept;

  bool empty() const noexcept { return batches_.empty(); }
  std::size_t size() const noexcept { return descriptors_.size() - head_; }

  /// Destroys what waits.
  void clear() noexcept;

private:
  struct batch_mark {
    std::size_t count;
    bool truncated;
  };

  void drop_front_batch();

  std::vector<Descriptor> descriptors_;
  std::size_t head_ = 0;
  std::vector<batch_mark> batches_;
};

} // namespace cohort::detail::wire

// Implementation

namespace cohort::detail::wire {

template <class Descriptor>
inline void descriptor_queue<Descriptor>::push(std::span<Descriptor> batch, bool truncated)
{
  if (batch.empty() && !truncated) return;
  if (head_ != 0) {
    descriptors_.erase(
        descriptors_.begin(), descriptors_.begin() + static_cast<std::ptrdiff_t>(head_));
    head_ = 0;
  }
  batches_.reserve(batches_.size() + 1);
  descriptors_.reserve(descriptors_.size() + batch.size());
  for (auto& descriptor : batch) descriptors_.push_back(std::move(descriptor));
  batches_.push_back({batch.size(), truncated});
}

template <class Descriptor>
inline taken_descriptors<Descriptor> descriptor_queue<Descriptor>::take(
    std::size_t count, std::error_code& ec)
{
  taken_descriptors<Descriptor> taken;
  ec.clear();
  if (count > max_descriptors) {
    ec = error::protocol_violation;
    return taken;
  }
  bool surplus = false;
  while (taken.count != count && !taken.truncated && !batches_.empty()) {
    auto& front = batches_.front();
    const std::size_t part = std::min(count - taken.count, front.count);
    for (std::size_t i = 0; i != part; ++i)
      taken.storage[taken.count++] = std::move(descriptors_[head_++]);
    front.count -= part;
    taken.truncated = front.truncated;
    if (front.count != 0) {
      surplus = front.truncated;
      break;
    }
    drop_front_batch();
  }
  if (surplus || (taken.count != count && !taken.truncated)) ec = error::protocol_violation;
  return taken;
}

template <class Descriptor>
inline bool descriptor_queue<Descriptor>::fits(std::size_t demanded) const noexcept
{
  if (empty()) return true;
  // Nothing may follow a truncated batch: it is the last one of its frame.
  const auto truncated = std::find_if(
      batches_.begin(), batches_.end(), [](const batch_mark& batch) { return batch.truncated; });
  return demanded != 0 && size() <= demanded &&
         (truncated == batches_.end() || truncated + 1 == batches_.end());
}

template <class Descriptor>
inline void descriptor_queue<Descriptor>::clear() noexcept
{
  descriptors_.clear();
  batches_.clear();
  head_ = 0;
}

template <class Descriptor>
inline void descriptor_queue<Descriptor>::drop_front_batch()
{
  batches_.erase(batches_.begin());
  if (batches_.empty()) {
    descriptors_.clear();
    head_ = 0;
  }
}

} // namespace cohort::detail::wire
