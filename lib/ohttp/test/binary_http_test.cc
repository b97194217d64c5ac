#include "ensconce/ohttp/binary_http.h"

#include "indeterminate.h"
#include "ohttp_vectors.h"
#include "varint.h"

namespace ensconce {
namespace {

using testing::add_binary_content;
using testing::begin_binary_response;
using testing::committed;
using testing::end_binary_response;
using testing::hex;
using testing::list;
using testing::number;
using testing::text;

BinaryFields fields_of(const json::Value& object, std::string_view name) {
  BinaryFields out;
  for (const json::Value& field : list(object, name)) {
    const json::Array& pair = *field.as_array(name).value();
    out.push_back({pair[0].as_text("name").value(), pair[1].as_text("value").value()});
  }
  return out;
}
BinaryRequest request_of(const json::Value& v) {
  return {text(v, "method"),       text(v, "scheme"),       text(v, "authority"),
          text(v, "path"),         fields_of(v, "headers"), to_bytes(text(v, "content")),
          fields_of(v, "trailers")};
}
BinaryResponse response_of(const json::Value& v) {
  return {static_cast<int>(number(v, "status")), fields_of(v, "headers"),
          to_bytes(text(v, "content")), fields_of(v, "trailers")};
}

bool refuses_request(ByteView message) {
  const auto parsed = parse_binary_request(message);
  return !parsed && parsed.error().is(OhttpError::kBinaryHttp);
}
bool refuses_response(ByteView message) {
  const auto parsed = parse_binary_response(message);
  return !parsed && parsed.error().is(OhttpError::kBinaryHttp);
}

// within_cuts runs `same` on the message without its last 0 to `cut` bytes and with padding.
template <typename Same>
void within_cuts(const Bytes& message, std::size_t cut, Same same) {
  for (std::size_t i = 0; i <= cut; ++i) {
    EXPECT_TRUE(same(to_bytes(ByteView(message).first(message.size() - i)))) << i;
  }
  EXPECT_TRUE(same(concat({message, Bytes(1000, 0)})));
}

TEST(BinaryHttp, AgreesWithTheExamplesOfRfc9292) {
  const json::Value vectors = committed("binary_http.json");
  for (const json::Value& v : list(vectors, "requests")) {
    SCOPED_TRACE(text(v, "name"));
    const BinaryRequest expected = request_of(*v.find("request"));
    within_cuts(hex(v, "hex"), number(v, "cut"), [&](const Bytes& message) {
      const auto parsed = parse_binary_request(message);
      return parsed && *parsed == expected;
    });
    EXPECT_TRUE(refuses_response(hex(v, "hex")));
  }
  for (const json::Value& v : list(vectors, "responses")) {
    SCOPED_TRACE(text(v, "name"));
    const BinaryResponse expected = response_of(*v.find("response"));
    within_cuts(hex(v, "hex"), number(v, "cut"), [&](const Bytes& message) {
      const auto parsed = parse_binary_response(message);
      return parsed && *parsed == expected;
    });
    EXPECT_TRUE(refuses_request(hex(v, "hex")));
  }
  for (const json::Value& v : list(vectors, "refused")) {
    EXPECT_TRUE(refuses_request(hex(v, "hex"))) << text(v, "what");
    EXPECT_TRUE(refuses_response(hex(v, "hex"))) << text(v, "what");
  }
}

TEST(BinaryHttp, WritesTheKnownLengthExamples) {
  const json::Value vectors = committed("binary_http.json");
  const json::Value& request = list(vectors, "requests")[0];
  EXPECT_EQ(write_binary_request(request_of(*request.find("request"))), hex(request, "hex"));
  const json::Value& response = list(vectors, "responses")[1];
  EXPECT_EQ(write_binary_response(response_of(*response.find("response"))), hex(response, "hex"));
}

// What the tests of reading are made with.
TEST(BinaryHttp, ReadsTheIndeterminateFormInSteps) {
  const json::Value vectors = committed("binary_http.json");
  const json::Value& example = list(vectors, "responses")[0];
  const BinaryResponse response = response_of(*example.find("response"));
  Bytes out;
  begin_binary_response(response.status, response.headers, out);
  add_binary_content({}, out);
  add_binary_content(response.content, out);
  end_binary_response({}, out);
  // The example without the informational responses before it.
  const Bytes whole = hex(example, "hex");
  EXPECT_EQ(to_hex(out), "03" + to_hex(ByteView(whole).last(out.size() - 1)));

  Bytes pieces;
  begin_binary_response(206, {{"a", "b"}}, pieces);
  add_binary_content(as_bytes("one "), pieces);
  add_binary_content(as_bytes("two"), pieces);
  end_binary_response({{"t", "u"}}, pieces);
  EXPECT_EQ(parse_binary_response(pieces).value(),
            (BinaryResponse{206, {{"a", "b"}}, to_bytes("one two"), {{"t", "u"}}}));
}

class RealBinaryHttp : public testing::RealVectors {};

TEST_F(RealBinaryHttp, AgreesWithAPeersMessages) {
  int parsed = 0;
  int refused = 0;
  const json::Value vectors = real("bhttp/bhttp.json");
  BinaryRequest known;
  for (const json::Value& v : list(vectors, "vectors")) {
    const std::string name = text(v, "name");
    if (v.find("expect") != nullptr) {
      EXPECT_TRUE(refuses_request(hex(v, "hex")) && refuses_response(hex(v, "hex"))) << name;
      ++refused;
      continue;
    }
    ++parsed;
    const json::Value& decoded = *v.find("decoded");
    if (decoded.is_text()) {  // "as request-known"
      EXPECT_EQ(parse_binary_request(hex(v, "hex")).value(), known) << name;
    } else if (decoded.find("method") != nullptr) {
      const BinaryRequest expected = request_of(decoded);
      EXPECT_EQ(parse_binary_request(hex(v, "hex")).value(), expected) << name;
      known = name == "request-known" ? expected : known;
    } else {
      EXPECT_EQ(parse_binary_response(hex(v, "hex")).value(), response_of(decoded)) << name;
    }
  }
  EXPECT_EQ(parsed, 7);
  EXPECT_EQ(refused, 4);
}

// ---- Integers
// ------------------------------------------------------------------------------------

TEST(Varint, WritesTheShortestAndReadsAny) {
  // RFC 9000 appendix A.1.
  const std::vector<std::pair<std::string, std::uint64_t>> examples = {
      {"c2197c5eff14e88c", 151288809941952652},
      {"9d7f3e7d", 494878333},
      {"7bbd", 15293},
      {"25", 37},
      {"3f", 63},
      {"4040", 64},
      {"7fff", 16383},
      {"80004000", 16384},
      {"bfffffff", 1073741823},
      {"c000000040000000", 1073741824},
      {"ffffffffffffffff", internal::kMaxVarint},
      {"00", 0}};
  for (const auto& [encoded, value] : examples) {
    Bytes out;
    internal::write_varint(value, out);
    EXPECT_EQ(to_hex(out), encoded);
    ByteReader reader(out);
    EXPECT_EQ(internal::read_varint(reader).value(), value);
    for (std::size_t len = 0; len < out.size(); ++len) {
      ByteReader truncated(ByteView(out).first(len));
      EXPECT_TRUE(internal::read_varint(truncated).error().is(BaseError::kTruncated));
    }
  }
  const Bytes longer = hex("4025");
  ByteReader reader(longer);
  EXPECT_EQ(internal::read_varint(reader).value(), 37U);
  Bytes out;
  EXPECT_DEATH(internal::write_varint(internal::kMaxVarint + 1, out), "kMaxVarint");
}

// ---- Form
// ----------------------------------------------------------------------------------------

BinaryRequest sample_request() {
  return {"POST",
          "https",
          "worker.example:8443",
          "/v2/models/m/infer?x=1",
          {{"content-type", "application/json"}, {"x-empty", ""}, {"x-empty", "twice"}},
          to_bytes("content"),
          {{"checksum", "abc"}}};
}

// text_of writes varint length ‖ text, for messages that our writer would not make.
Bytes text_of(std::string_view text) {
  Bytes out;
  internal::write_varint(text.size(), out);
  return concat({out, as_bytes(text)});
}
Bytes control(std::string_view method, std::string_view scheme, std::string_view authority,
              std::string_view path, std::uint8_t framing = 0) {
  return concat(
      {Bytes{framing}, text_of(method), text_of(scheme), text_of(authority), text_of(path)});
}
Bytes response_with(std::string_view name, std::string_view value, bool known) {
  const Bytes line = concat({text_of(name), text_of(value)});
  return known ? concat({hex("0140c8"), text_of(as_text(line))})
               : concat({hex("0340c8"), line, Bytes{0}});
}

TEST(BinaryHttp, ParsesWhatItWrote) {
  const BinaryRequest request = sample_request();
  EXPECT_EQ(parse_binary_request(write_binary_request(request)).value(), request);
  for (const int status : {200, 404, 599}) {
    const BinaryResponse response = {status, {{"a", "b"}}, Bytes(100'000, 7), {{"c", "d"}}};
    EXPECT_EQ(parse_binary_response(write_binary_response(response)).value(), response);
  }
  const BinaryRequest connect = {"CONNECT", "", "host:443", "", {}, {}, {}};
  EXPECT_EQ(parse_binary_request(write_binary_request(connect)).value(), connect);
}

TEST(BinaryHttp, RejectsEveryTruncationButOfAnEmptyTail) {
  const Bytes request = write_binary_request(sample_request());
  for (std::size_t len = 0; len < request.size(); ++len) {
    // Whole parts may be missing: behind the control data, the headers, the content.
    const auto parsed = parse_binary_request(ByteView(request).first(len));
    if (parsed) {
      BinaryRequest expected = sample_request();
      expected.trailers.clear();
      EXPECT_TRUE(parsed->trailers.empty());
      EXPECT_TRUE(parsed->content.empty() || *parsed == expected) << len;
    } else {
      EXPECT_TRUE(parsed.error().is(OhttpError::kBinaryHttp));
    }
  }
  Bytes response;
  begin_binary_response(200, {{"a", "b"}}, response);
  const std::size_t head = response.size();
  add_binary_content(as_bytes("content"), response);
  const std::size_t content = response.size() + 1;
  end_binary_response({{"t", "u"}}, response);
  for (std::size_t len = 0; len < response.size(); ++len) {
    const bool at_a_part = len == 3 || len == head || len == content;
    EXPECT_EQ(refuses_response(ByteView(response).first(len)), !at_a_part) << len;
  }
}

TEST(BinaryHttp, RejectsWhatIsBehindAMessageUnlessItIsPadding) {
  const Bytes request = write_binary_request(sample_request());
  EXPECT_TRUE(parse_binary_request(concat({request, Bytes(3, 0)})).has_value());
  EXPECT_TRUE(refuses_request(concat({request, Bytes{1}})));
  EXPECT_TRUE(refuses_request(concat({request, Bytes{0, 0, 1}})));
  EXPECT_TRUE(refuses_request(concat({request, request})));
}

TEST(BinaryHttp, RejectsControlDataThatWouldBreakARequestLine) {
  EXPECT_TRUE(parse_binary_request(control("GET", "https", "a.example", "/")).has_value());
  EXPECT_TRUE(parse_binary_request(control("M-SEARCH", "coap+tcp", "[::1]:1", "*")).has_value());
  for (const std::string_view bad : {"GET /", "GET\r\n", "G\xc3\xa9T", "G:T", "a\x7f"}) {
    EXPECT_TRUE(refuses_request(control(bad, "https", "a.example", "/"))) << bad;
  }
  EXPECT_TRUE(refuses_request(control("", "https", "a.example", "/")));
  for (const std::string_view bad : {"https:", "ht tp", "http\n"}) {
    EXPECT_TRUE(refuses_request(control("GET", bad, "a.example", "/"))) << bad;
  }
  for (const std::string_view bad : {"a b", "a\r\nx: y", "\x7f", "\xc3\xa9"}) {
    EXPECT_TRUE(refuses_request(control("GET", "https", bad, "/"))) << bad;
    EXPECT_TRUE(refuses_request(control("GET", "https", "a.example", bad))) << bad;
  }
  EXPECT_TRUE(refuses_request(control("GET", "https", "a.example", "/", 1)));
}

TEST(BinaryHttp, RejectsFieldsThatWouldBreakAHeader) {
  for (const bool known : {true, false}) {
    EXPECT_TRUE(parse_binary_response(response_with("x-1!#$%&'*+-.^_`|~", "v \t\xc3\xa9", known))
                    .has_value());
    for (const std::string_view bad :
         {"Upper", ":method", "a b", "a\n", "a\x7f", "a,", "\xc3\xa9"}) {
      EXPECT_TRUE(refuses_response(response_with(bad, "v", known))) << bad;
    }
    for (const std::string_view bad :
         {std::string_view("\r"), std::string_view("a\nb"), std::string_view("\0", 1)}) {
      EXPECT_TRUE(refuses_response(response_with("a", bad, known)));
    }
  }
  // Of no length: the end of an indeterminate section, and nothing a known one may hold.
  EXPECT_TRUE(refuses_response(response_with("", "v", true)));
}

TEST(BinaryHttp, PassesOverABoundedNumberOfInformationalResponses) {
  const auto behind = [](std::size_t informational, std::uint8_t framing) {
    Bytes out = {framing};
    for (std::size_t i = 0; i < informational; ++i) {
      out = concat({out, hex("406400")});
    }
    return concat({out, hex("40c8")});
  };
  for (const std::uint8_t framing : {1, 3}) {
    EXPECT_TRUE(parse_binary_response(behind(16, framing)).has_value());
    EXPECT_TRUE(refuses_response(behind(17, framing)));
  }
  EXPECT_TRUE(refuses_response(hex("014064")));          // informational alone
  EXPECT_TRUE(refuses_response(hex("01406401ff40c8")));  // with fields of no form
  for (const std::string_view status : {"00", "4063", "4258", "ffffffffffffffff"}) {
    EXPECT_TRUE(refuses_response(concat({Bytes{1}, hex(status)}))) << status;
  }
}

BinaryResponse with_fields(std::size_t num, std::size_t value_len) {
  BinaryResponse out;
  out.headers.assign(num, {"n", std::string(value_len, 'v')});
  return out;
}
Bytes indeterminate(const BinaryResponse& response) {
  Bytes out;
  begin_binary_response(response.status, response.headers, out);
  end_binary_response(response.trailers, out);
  return out;
}

TEST(BinaryHttp, BoundsFieldsInNumberAndBytes) {
  const BinaryResponse most = with_fields(kMaxBinaryFields, 1);
  const BinaryResponse more = with_fields(kMaxBinaryFields + 1, 1);
  // One field takes 2 bytes for its name and 4 before its value.
  const BinaryResponse longest = with_fields(1, kMaxBinaryFieldBytes - 6);
  const BinaryResponse longer = with_fields(1, kMaxBinaryFieldBytes - 5);
  const BinaryResponse longest_of_two = with_fields(2, kMaxBinaryFieldBytes / 2 - 6);
  const BinaryResponse longer_of_two = with_fields(2, kMaxBinaryFieldBytes / 2 - 5);
  for (const BinaryResponse* good : {&most, &longest, &longest_of_two}) {
    EXPECT_EQ(parse_binary_response(write_binary_response(*good)).value(), *good);
    EXPECT_EQ(parse_binary_response(indeterminate(*good)).value(), *good);
  }
  for (const BinaryResponse* bad : {&more, &longer, &longer_of_two}) {
    EXPECT_TRUE(refuses_response(write_binary_response(*bad)));
    EXPECT_TRUE(refuses_response(indeterminate(*bad)));
  }
  BinaryResponse trailers = more;
  trailers.trailers.swap(trailers.headers);
  EXPECT_TRUE(refuses_response(write_binary_response(trailers)));
  const std::string word(kMaxBinaryFieldBytes + 1, 'a');
  EXPECT_TRUE(refuses_request(control("GET", "https", word, "/")));
  EXPECT_TRUE(parse_binary_request(control("GET", "https", word.substr(1), "/")).has_value());
}

// ---- Padding
// -------------------------------------------------------------------------------------

TEST(Padding, IsZeroBytesBehindTheMessage) {
  const BinaryRequest request{"POST", "https", "a", "/b", {{"c", "d"}}, Bytes(600'000, 7), {}};
  const Bytes message = write_binary_request(request);
  for (const std::size_t more :
       {std::size_t{0}, std::size_t{1}, std::size_t{60'000}, std::size_t{1'000'000}}) {
    Bytes padded = write_binary_request(request);
    pad_binary(message.size() + more, padded);
    ASSERT_EQ(padded.size(), message.size() + more);
    EXPECT_TRUE(std::equal(message.begin(), message.end(), padded.begin()));
    EXPECT_EQ(
        std::count(padded.begin() + static_cast<std::ptrdiff_t>(message.size()), padded.end(), 0),
        static_cast<std::ptrdiff_t>(more));
    EXPECT_EQ(parse_binary_request(padded).value(), request);
  }
}

// Memory that is given back while a message grows would keep a copy of it.
TEST(Padding, OfMostMessagesNeedsNoOtherMemory) {
  const BinaryRequest request{"POST", "https", "a", "/b", {}, Bytes(600'000, 7), {}};
  Bytes message = write_binary_request(request);
  const std::uint8_t* at = message.data();
  pad_binary(Padding::padme().padded_len(message.size()), message);
  EXPECT_EQ(message.data(), at);
}

TEST(Padding, PadmeKeepsTheHighestBits) {
  const Padding padme = Padding::padme();
  // Worked by hand from algorithm 1 of the paper.
  const std::vector<std::pair<std::uint64_t, std::uint64_t>> examples = {{0, 0},
                                                                         {1, 1},
                                                                         {2, 2},
                                                                         {3, 3},
                                                                         {7, 7},
                                                                         {8, 8},
                                                                         {9, 10},
                                                                         {15, 16},
                                                                         {16, 16},
                                                                         {17, 18},
                                                                         {100, 104},
                                                                         {255, 256},
                                                                         {256, 256},
                                                                         {257, 272},
                                                                         {1000, 1024},
                                                                         {1025, 1088},
                                                                         {65537, 67584},
                                                                         {1000000, 1015808},
                                                                         {1048577, 1081344}};
  for (const auto& [len, padded] : examples) {
    EXPECT_EQ(padme.padded_len(len), padded) << len;
  }
  for (std::uint64_t len = 1; len < 100'000; ++len) {
    const std::uint64_t padded = padme.padded_len(len);
    ASSERT_GE(padded, len);
    ASSERT_LE((padded - len) * 100, len * 12) << len;
    ASSERT_EQ(padme.padded_len(padded), padded) << len;
  }
  EXPECT_EQ(padme.padded_len(~std::uint64_t{0}), ~std::uint64_t{0});
}

TEST(Padding, BucketsAreMultiples) {
  const Padding padding = Padding::bucket(1000).value();
  EXPECT_EQ(padding.padded_len(0), 0U);
  EXPECT_EQ(padding.padded_len(1), 1000U);
  EXPECT_EQ(padding.padded_len(1000), 1000U);
  EXPECT_EQ(padding.padded_len(1001), 2000U);
  EXPECT_EQ(padding.padded_len(~std::uint64_t{0}), ~std::uint64_t{0});
  EXPECT_EQ(Padding::none().padded_len(1001), 1001U);
  EXPECT_TRUE(padding.hides() && Padding::padme().hides());
  EXPECT_FALSE(Padding::none().hides());
}

TEST(Padding, ReadsWhatItWritesAndNothingElse) {
  for (const std::string_view name :
       {"none", "padme", "bucket:1", "bucket:4096", "bucket:67108864"}) {
    EXPECT_EQ(Padding::parse(name).value().to_string(), name);
  }
  EXPECT_EQ(Padding::parse("bucket:4096"), Padding::bucket(4096));
  EXPECT_NE(Padding::parse("bucket:4096"), Padding::bucket(4097));
  for (const std::string_view bad :
       {"", "None", "padme ", "bucket", "bucket:", "bucket:0", "bucket:01", "bucket:+1",
        "bucket:-1", "bucket:1 ", "bucket: 1", "bucket:0x10", "bucket:67108865",
        "bucket:99999999999999999999"}) {
    EXPECT_EQ(Padding::parse(bad), std::nullopt) << bad;
  }
  EXPECT_EQ(Padding::bucket(0), std::nullopt);
  EXPECT_EQ(Padding::bucket((std::uint64_t{64} << 20) + 1), std::nullopt);
}

}  // namespace
}  // namespace ensconce
