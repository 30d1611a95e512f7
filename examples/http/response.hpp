// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#pragma once

#include "request.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <string>
#include <string_view>
#include <utility>

namespace http {

/// What an answer says about the connection.
enum class persistence : std::uint8_t {
  /// It stays open, as HTTP/1.1 takes for granted.
  implied,
  /// It stays open, which HTTP/1.0 has to be told.
  keep_alive,
  /// It ends after this answer.
  close,
};

/// Writes answers of one worker. What never changes is put together beforehand.
class responses {
public:
  /// @param fields header fields of every answer, each with its line end.
  explicit responses(std::string fields) : fields_(std::move(fields)) { refresh_date(); }

  /// To be called about once a second.
  void refresh_date();

  /// Appends the answer of `resource::hello`.
  void hello(std::string& out, persistence after, bool head_only) const
  {
    const prepared& answer = hello_[static_cast<std::size_t>(after)];
    out.append(answer.text, 0, head_only ? answer.head_size : answer.text.npos);
  }

  /// Appends an answer of any kind; `more_fields` end their lines.
  void append(std::string& out, beast::status status, persistence after, bool head_only,
      std::string_view type, std::string_view body, std::string_view more_fields = "") const;

private:
  struct prepared {
    std::string text;
    std::size_t head_size = 0;
  };

  std::string fields_;
  std::string date_;
  std::array<prepared, 3> hello_;
};

/// The body of an answer that is not `status::ok`.
inline std::string text_of(beast::status status)
{
  const auto reason = beast::obsolete_reason(status);
  return std::to_string(static_cast<unsigned>(status)) + ' ' +
         std::string(reason.data(), reason.size()) + '\n';
}

// Implementation

inline void responses::refresh_date()
{
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  std::array<char, 64> buffer;
  gmtime_r(&now, &parts);
  date_.assign(buffer.data(),
      std::strftime(buffer.data(), buffer.size(), "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &parts));
  for (std::size_t i = 0; i != hello_.size(); ++i) {
    constexpr std::string_view body = "hello world\n";
    hello_[i].text.clear();
    append(hello_[i].text, beast::status::ok, persistence(i), false, "text/plain", body);
    hello_[i].head_size = hello_[i].text.size() - body.size();
  }
}

inline void responses::append(std::string& out, beast::status status, persistence after,
    bool head_only, std::string_view type, std::string_view body,
    std::string_view more_fields) const
{
  const auto reason = beast::obsolete_reason(status);
  out.append("HTTP/1.1 ").append(std::to_string(static_cast<unsigned>(status))).append(" ");
  out.append(reason.data(), reason.size()).append("\r\n");
  out.append(date_).append(fields_).append(more_fields);
  out.append("Content-Type: ").append(type).append("\r\n");
  out.append("Content-Length: ").append(std::to_string(body.size())).append("\r\n");
  if (after == persistence::close) out.append("Connection: close\r\n");
  if (after == persistence::keep_alive) out.append("Connection: keep-alive\r\n");
  out.append("\r\n");
  if (!head_only) out.append(body);
}

} // namespace http
