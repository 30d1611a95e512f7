// SPDX-FileCopyrightText: the cohort authors
// SPDX-License-Identifier: MIT
#include <cohort/detail/channel/incoming_messages.hpp>

#include <doctest/doctest.h>

#include "support/invented_messages.hpp"

#include <cohort/message/json.hpp>

#include <cstddef>
#include <cstdint>
#include <system_error>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace incoming_messages_test {

using namespace cohort_test;
using kind = wire::message_kind;
using fixture = invented_messages<>;

TEST_CASE("a message is kept with its sender for who comes later")
{
  fixture f;
  const auto size = f.arrive(make_note(1, "one"));
  f.arrive(make_note(2));
  CHECK(f.incoming().box().bytes() > size);
  fixture::received got;
  REQUIRE(f.core->take(got));
  CHECK(std::get<note>(got.message).text == "one");
  CHECK(got.worker == 5);
  CHECK_FALSE(got.handles_lost);
  CHECK(got.handles.empty());
  CHECK(f.next_note()->number == 2);
  CHECK(f.incoming().box().bytes() == 0);
  CHECK(f.core->codes.empty());
}

TEST_CASE("a message of a type that is not in the list is a problem, and is skipped")
{
  fixture f;
  f.arrive(make_blob(3));
  CHECK(f.core->codes == std::vector<std::error_code>{cohort::error::unknown_message});
  CHECK(f.incoming().box().empty());
  CHECK(f.core->failed.empty());
}

TEST_CASE("another layout is a problem where the codec needs the same one, and named")
{
  const auto arrives = [](auto& f) {
    auto type = f.template id_of<note>();
    ++type.schema;
    cohort::byte_sink sink;
    using codec = std::conditional_t<std::is_same_v<std::decay_t<decltype(f)>, fixture>,
        cohort::binary_codec, cohort::json_codec>;
    codec::encode(make_note(1), sink);
    f.arrive_as(type, sink.bytes());
  };
  fixture exact;
  arrives(exact);
  CHECK(exact.core->codes == std::vector<std::error_code>{cohort::error::schema_mismatch});
  CHECK(exact.core->texts[0] == cohort::message_name<note>);
  CHECK(exact.incoming().box().empty());
  invented_messages<cohort::json_codec> lenient;
  arrives(lenient);
  CHECK(lenient.core->codes.empty());
  CHECK(lenient.next_note()->number == 1);
}

TEST_CASE("bytes that are no message are a problem that tells where, and the next message arrives")
{
  fixture f;
  cohort::byte_sink sink;
  cohort::binary_codec::encode(make_note(1, "text"), sink);
  bytes cut = sink.bytes(), longer = cut;
  cut.pop_back();
  longer.push_back(std::byte(0));
  f.arrive_as(f.id_of<note>(), cut);
  f.arrive_as(f.id_of<note>(), longer);
  f.arrive_as(f.id_of<note>(), {});
  CHECK(f.core->codes ==
        std::vector<std::error_code>(3, make_error_code(cohort::error::invalid_message)));
  CHECK(f.core->texts[0].starts_with("cohort_test::note: text"));
  CHECK(f.core->texts[1].starts_with("cohort_test::note: "));
  CHECK(f.incoming().box().empty());
  f.arrive(make_note(2));
  CHECK(f.next_note()->number == 2);
}

TEST_CASE("a request that cannot be understood fails, whatever is wrong with it")
{
  fixture f;
  auto other_layout = f.id_of<question>();
  ++other_layout.schema;
  f.arrive(make_blob(3), kind::request, 11);
  f.arrive_as(other_layout, {}, kind::request, 12);
  f.arrive_as(f.id_of<question>(), bytes(1), kind::request, 13);
  CHECK(f.core->failed == std::vector<std::uint64_t>{11, 12, 13});
  CHECK(f.core->codes == std::vector<std::error_code>{cohort::error::unknown_message,
                             cohort::error::schema_mismatch, cohort::error::invalid_message});
  CHECK(f.incoming().served().waiting_bytes() == 0);
}

TEST_CASE("a reply that cannot be understood is a problem, a failure is none")
{
  fixture f;
  completion<verdict> wrong, refused;
  for (auto* each : {&wrong, &refused}) f.ask(*each);
  f.arrive(numbered<question>(2), kind::reply, 1);
  f.arrive_as({}, {}, kind::failure, 2);
  f.run();
  CHECK(wrong.error == cohort::error::unknown_message);
  CHECK(refused.error == cohort::error::request_failed);
  CHECK(f.core->codes == std::vector<std::error_code>{cohort::error::unknown_message});
  CHECK(f.core->texts[0].starts_with("a reply: "));
}

TEST_CASE("descriptors become handles in order; what is none is closed, and counts as lost")
{
  fixture f;
  distinct_files files;
  files.add(2);
  const auto identities = files.identities(0, 2);
  std::vector<posix::unique_fd> fds = std::move(files.reading);
  f.arrive(make_note(1), kind::message, 0, fds);
  fixture::received got;
  REQUIRE(f.core->take(got));
  REQUIRE(got.handles.size() == 2);
  for (std::size_t i = 0; i != 2; ++i)
    CHECK(identity(got.handles[i].native_handle()) == identities[i]);
  CHECK_FALSE(got.handles_lost);
  CHECK_FALSE(fds[0]);

  std::vector<posix::unique_fd> none(1);
  f.arrive(make_note(2), kind::message, 0, none);
  REQUIRE(f.core->take(got));
  CHECK(got.handles.empty());
  CHECK(got.handles_lost);
  f.arrive(make_note(3), kind::message, 0, {}, true);
  REQUIRE(f.core->take(got));
  CHECK(got.handles_lost);
}

TEST_CASE("descriptors of what is skipped stay with who closes them")
{
  fixture f;
  distinct_files files;
  files.add(1);
  f.arrive(make_blob(3), kind::message, 0, files.reading);
  CHECK(files.reading[0]);
  f.arrive(numbered<question>(1), kind::request, 1, files.reading);
  CHECK(files.reading[0]);
}

} // namespace incoming_messages_test
