#include "ensconce/ohttp/binary_reader.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "indeterminate.h"

namespace ensconce {
namespace {

using testing::add_binary_content;
using testing::begin_binary_response;
using testing::end_binary_response;

BinaryResponse response() {
  return {200,
          {{"content-type", "text/plain"}, {"a", "b"}},
          to_bytes("some content"),
          {{"receipt", "r"}}};
}

Bytes in_chunks(const BinaryResponse& from) {
  Bytes out;
  begin_binary_response(from.status, from.headers, out);
  for (const std::uint8_t byte : from.content) {
    add_binary_content({&byte, 1}, out);
  }
  end_binary_response(from.trailers, out);
  return out;
}

Result<BinaryResponse> read(ByteView message, std::size_t step) {
  BinaryResponseReader reader;
  Bytes content;
  while (!message.empty()) {
    const std::size_t len = std::min(step, message.size());
    ENSC_TRY(reader.feed(message.first(len), content));
    message = message.subspan(len);
  }
  ENSC_TRY(reader.finish());
  return BinaryResponse{reader.status(), reader.headers(), content, reader.trailers()};
}

TEST(BinaryResponseReader, ReadsEitherFormInPiecesOfAnySize) {
  for (Bytes message : {write_binary_response(response()), in_chunks(response())}) {
    for (const std::size_t padding : {0, 5}) {
      message.resize(message.size() + padding);
      for (std::size_t step = 1; step <= message.size(); ++step) {
        const auto got = read(message, step);
        ASSERT_TRUE(got) << got.error().to_string();
        EXPECT_EQ(*got, response()) << step;
      }
    }
  }
}

// Wherever a message is cut off, both readers say the same of it.
TEST(BinaryResponseReader, TakesAnEndWhereTheReaderOfWholeMessagesDoes) {
  for (const Bytes& message : {write_binary_response(response()), in_chunks(response())}) {
    for (std::size_t len = 0; len < message.size(); ++len) {
      const ByteView cut = ByteView(message).first(len);
      const auto whole = parse_binary_response(cut);
      for (const std::size_t step : {std::size_t{1}, std::max<std::size_t>(len, 1)}) {
        const auto got = read(cut, step);
        ASSERT_EQ(got.has_value(), whole.has_value()) << len;
        if (got) {
          EXPECT_EQ(*got, *whole);
        } else {
          EXPECT_TRUE(got.error().is(OhttpError::kBinaryHttp)) << len;
        }
      }
    }
  }
}

TEST(BinaryResponseReader, GivesHeadAndContentAsTheyAreKnown) {
  const Bytes message = write_binary_response(response());
  BinaryResponseReader reader;
  Bytes content;
  const std::size_t head = message.size() - 12 - 1 - 11;  // content with its length, trailers
  ASSERT_TRUE(reader.feed(ByteView(message).first(head - 1), content));
  EXPECT_FALSE(reader.head_known());
  ASSERT_TRUE(reader.feed(ByteView(message).subspan(head - 1, 4), content));
  EXPECT_TRUE(reader.head_known());
  EXPECT_EQ(reader.status(), 200);
  EXPECT_EQ(reader.headers(), response().headers);
  EXPECT_FALSE(content.empty());
  EXPECT_LT(content.size(), response().content.size());
}

TEST(BinaryResponseReader, PassesOverInformationalResponses) {
  const Bytes message = from_hex("0140660040c8").value();  // 102 with no fields, 200, and the end
  const auto got = read(message, 1);
  ASSERT_TRUE(got) << got.error().to_string();
  EXPECT_EQ(got->status, 200);
}

TEST(BinaryResponseReader, RejectsWhatIsNoResponse) {
  Bytes padded = write_binary_response(response());
  padded.push_back(1);
  EXPECT_FALSE(read(padded, 1));
  EXPECT_FALSE(read(write_binary_request({"GET", "https", "", "/", {}, {}, {}}), 3));
  BinaryResponse upper = response();
  upper.headers[0].name = "Content-Type";
  EXPECT_FALSE(read(write_binary_response(upper), 1));
  BinaryResponse trailer = response();
  trailer.trailers[0].value = "a\r\nb";
  EXPECT_FALSE(read(in_chunks(trailer), 1));
}

TEST(BinaryResponseReader, BoundsWhatItHolds) {
  // Informational responses without end, each of the longest section that may be.
  Bytes message{1};
  BinaryResponseReader reader;
  Bytes content;
  const BinaryFields fields{{"a", std::string(60'000, 'x')}};
  Bytes info = write_binary_response({200, fields, {}, {}});
  info.erase(info.begin());
  info[1] = 102;  // in place of 200
  info.resize(info.size() - 2);
  Result<void> fed = reader.feed(message, content);
  for (int i = 0; fed && i < 10; ++i) {
    fed = reader.feed(info, content);
  }
  ASSERT_FALSE(fed);
  EXPECT_TRUE(fed.error().is(OhttpError::kBinaryHttp));
}

}  // namespace
}  // namespace ensconce
