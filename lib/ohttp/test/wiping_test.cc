// Nothing of a message is left behind in memory that was given back.
#include <gtest/gtest.h>

#include "ensconce/base/secret.h"
#include "ensconce/ohttp/binary_http.h"
#include "ensconce/ohttp/message.h"
#include "freed_memory.h"
#include "indeterminate.h"

namespace ensconce {
namespace {

using test::FreedMemory;
using testing::add_binary_content;
using testing::begin_binary_response;
using testing::end_binary_response;

constexpr std::string_view kWord = "a-word-that-must-not-stay-behind";

// content has the word at its beginning, and is long enough to be moved as it grows.
Bytes content(std::size_t len) {
  Bytes out(len, 'x');
  std::copy(kWord.begin(), kWord.end(), out.begin());
  return out;
}

void wipe_bytes(Bytes& bytes) { wipe(bytes.data(), bytes.size()); }

Bytes in_chunks(std::size_t count) {
  Bytes out;
  out.reserve(count * 2048);
  begin_binary_response(200, {}, out);
  for (std::size_t i = 0; i < count; ++i) {
    Bytes piece = content(1000);
    add_binary_content(piece, out);
    wipe_bytes(piece);
  }
  end_binary_response({}, out);
  return out;
}

TEST(Wiping, TheHookFindsWhatStays) {
  const FreedMemory freed(kWord);
  { const Bytes left = content(100); }
  EXPECT_EQ(FreedMemory::found(), 1U);
}

TEST(Wiping, ContentInChunksIsNotGrown) {
  Bytes message = in_chunks(20);
  const FreedMemory freed(kWord);
  auto parsed = parse_binary_response(message);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->content.size(), 20'000U);
  wipe_bytes(parsed->content);
  parsed->content = {};
  EXPECT_EQ(FreedMemory::found(), 0U);
  wipe_bytes(message);
}

TEST(Wiping, ContentInPlaceLeavesNoSecondCopy) {
  for (const bool chunked : {false, true}) {
    Bytes message = in_chunks(20);
    if (!chunked) {
      Bytes plain = content(20'000);
      wipe_bytes(message);
      message = write_binary_response({200, {}, plain, {}});
      wipe_bytes(plain);
    }
    const FreedMemory freed(kWord);
    auto parsed = take_binary_response(std::move(message));
    ASSERT_TRUE(parsed);
    ASSERT_EQ(parsed->content.size(), 20'000U);
    EXPECT_EQ(as_text(ByteView(parsed->content).first(kWord.size())), kWord);
    wipe_bytes(parsed->content);
    parsed->content = {};
    EXPECT_EQ(FreedMemory::found(), 0U);
  }
}

TEST(Wiping, ARefusedMessageIsWiped) {
  for (const bool chunked : {false, true}) {
    Bytes message =
        chunked ? in_chunks(3) : write_binary_request({"POST", "https", "", "/", {}, {}, {}});
    if (!chunked) {
      wipe_bytes(message);
      Bytes plain = content(3000);
      message = write_binary_request({"POST", "https", "", "/", {}, plain, {}});
      wipe_bytes(plain);
    }
    message.reserve(message.size() + 1);
    message.push_back(1);  // bytes behind the message
    const FreedMemory freed(kWord);
    if (chunked) {
      EXPECT_FALSE(parse_binary_response(message));
      EXPECT_FALSE(take_binary_response(std::move(message)));
    } else {
      EXPECT_FALSE(parse_binary_request(message));
      EXPECT_FALSE(take_binary_request(std::move(message)));
    }
    EXPECT_EQ(FreedMemory::found(), 0U);
  }
}

// A field may hold a key: that of a receipt, or a password.
TEST(Wiping, FieldsAreWrittenWithoutACopy) {
  for (const std::size_t more : {0, 500, 5000}) {
    BinaryRequest request{"POST", "https", "host", "/v2/models/m/infer", {}, {}, {}};
    request.headers = {{"content-type", "application/json"}, {"key", std::string(kWord)}};
    request.content = Bytes(more, 'y');
    const FreedMemory freed(kWord);
    Bytes written = write_binary_request(request);
    pad_binary(written.size() + written.size() / 10, written);
    wipe_bytes(written);
    written = {};
    EXPECT_EQ(FreedMemory::found(), 0U) << more;
  }
}

}  // namespace
}  // namespace ensconce
