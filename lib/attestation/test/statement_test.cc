#include "ensconce/attestation/evidence/statement.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>

#include "ensconce/attestation/evidence/error.h"
#include "ensconce/base/file.h"
#include "ensconce/codec/cbor.h"
#include "ensconce/codec/json.h"
#include "made_snp.h"

namespace ensconce {
namespace {

TEST(Statement, ParsesToWhatWasEncoded) {
  const Statement statement = made::statement();
  const Bytes bytes = encode_statement(statement);
  const auto parsed = parse_statement(bytes);
  ASSERT_TRUE(parsed) << parsed.error().to_string();
  EXPECT_EQ(*parsed, statement);
  EXPECT_EQ(encode_statement(*parsed), bytes);
}

TEST(Statement, BindsByItsSha256AndThirtyTwoZeroBytes) {
  const Bytes bytes = encode_statement(made::statement());
  const ByteArray<64> data = report_data_for(bytes);
  EXPECT_TRUE(equal(ByteView(data).first(32), sha256(bytes)));
  EXPECT_TRUE(all_zero(ByteView(data).subspan(32)));
}

// ---- Other forms: a good statement is taken apart, one thing changed, and put together. ------

cbor::Value& member(cbor::Map& map, std::string_view name) {
  for (auto& [key, value] : map) {
    if (key == cbor::Value(name)) {
      return value;
    }
  }
  ADD_FAILURE() << name;
  return map.front().second;
}

cbor::Map map_of(const cbor::Value& value) { return **value.as_map("test"); }

Bytes with_outer(const std::function<void(cbor::Map&)>& change) {
  cbor::Map outer = map_of(*cbor::decode(encode_statement(made::statement())));
  change(outer);
  return cbor::encode(outer);
}

Bytes with_inner(const std::function<void(cbor::Map&)>& change) {
  return with_outer([&](cbor::Map& outer) {
    cbor::Map inner = map_of(*cbor::decode(*member(outer, "ensconce").as_bytes("test")));
    change(inner);
    member(outer, "ensconce") = cbor::encode(inner);
  });
}

Bytes with_part(std::string_view part, const std::function<void(cbor::Map&)>& change) {
  return with_inner([&](cbor::Map& inner) {
    cbor::Map inside = map_of(member(inner, part));
    change(inside);
    member(inner, part) = inside;
  });
}

void expect_refused(const Bytes& bytes, const char* what) {
  const auto parsed = parse_statement(bytes);
  ASSERT_FALSE(parsed) << what;
  EXPECT_TRUE(parsed.error().is(EvidenceError::kStatement)) << what;
}

TEST(Statement, HasExactlyThreeMembers) {
  expect_refused(with_outer([](cbor::Map& m) { m.emplace_back("more", Bytes{1}); }), "four");
  expect_refused(with_outer([](cbor::Map& m) { m.pop_back(); }), "two");
  expect_refused(with_outer([](cbor::Map& m) { member(m, "nonce") = Bytes(31); }), "short nonce");
  expect_refused(with_outer([](cbor::Map& m) { member(m, "nonce") = "text"; }), "text nonce");
  expect_refused(with_outer([](cbor::Map& m) { member(m, "ensconce") = 1; }), "no inner");
  expect_refused(Bytes{0x80}, "a list");
  expect_refused(Bytes{}, "nothing");
  expect_refused(Bytes(kMaxStatement + 1), "too long");
}

TEST(Statement, HasOneEncoding) {
  Bytes bytes = encode_statement(made::statement());
  bytes.push_back(0);
  expect_refused(bytes, "trailing byte");
  // The same three members in another order.
  Bytes swapped = encode_statement(made::statement());
  ASSERT_EQ(swapped[0], 0xa3);
  swapped[0] = 0xbf;  // indefinite length
  swapped.push_back(0xff);
  expect_refused(swapped, "indefinite length");
}

TEST(Statement, PubkeyHashIsSha384OfTheFirstTlsKey) {
  const auto hash = [](cbor::Value value) {
    return with_outer([&](cbor::Map& m) { member(m, "pubkey-hash") = cbor::encode(value); });
  };
  expect_refused(hash(cbor::Array{1, Sha384Digest{}}), "algorithm");
  expect_refused(hash(cbor::Array{7, Sha256Digest{}}), "length");
  expect_refused(hash(cbor::Array{7, Sha384Digest{}, 1}), "three items");
  expect_refused(hash(7), "no list");
  const auto parsed = parse_statement(hash(cbor::Array{7, Sha384Digest{}}));
  ASSERT_FALSE(parsed);
  EXPECT_TRUE(parsed.error().is(EvidenceError::kStatementKeyHash));
}

TEST(Statement, OursHasEveryFieldAndNoOther) {
  for (const char* name : {"v", "boot", "epoch", "keys", "software", "security", "deployment"}) {
    expect_refused(with_inner([&](cbor::Map& m) {
                     std::erase_if(m, [&](const auto& e) { return e.first == cbor::Value(name); });
                   }),
                   name);
  }
  for (const char* name : {"tls", "ohttp", "session", "release", "receipt"}) {
    expect_refused(with_part("keys",
                             [&](cbor::Map& m) {
                               std::erase_if(
                                   m, [&](const auto& e) { return e.first == cbor::Value(name); });
                             }),
                   name);
  }
  for (const char* name : {"padding", "tenancy", "sandbox", "owner_keys", "broker_key"}) {
    expect_refused(with_part("security",
                             [&](cbor::Map& m) {
                               std::erase_if(
                                   m, [&](const auto& e) { return e.first == cbor::Value(name); });
                             }),
                   name);
  }
  expect_refused(with_inner([](cbor::Map& m) { m.emplace_back("x", 1); }), "inner");
  expect_refused(with_part("keys", [](cbor::Map& m) { m.emplace_back("x", 1); }), "keys");
  expect_refused(with_part("security", [](cbor::Map& m) { m.emplace_back("x", 1); }), "security");
}

TEST(Statement, RejectsValuesOutsideTheirBounds) {
  const auto digests = [](std::size_t count, std::size_t len) {
    return cbor::Array(count, cbor::Value(Bytes(len, 0x11)));
  };
  const auto keys = [](const char* name, const cbor::Value& value) {
    return with_part("keys", [&](cbor::Map& m) { member(m, name) = value; });
  };
  const auto security = [](const char* name, const cbor::Value& value) {
    return with_part("security", [&](cbor::Map& m) { member(m, name) = value; });
  };
  expect_refused(with_inner([](cbor::Map& m) { member(m, "v") = 2; }), "version");
  expect_refused(with_inner([](cbor::Map& m) { member(m, "boot") = Bytes(15); }), "boot");
  expect_refused(with_inner([](cbor::Map& m) { member(m, "epoch") = -1; }), "epoch");
  expect_refused(with_inner([](cbor::Map& m) { member(m, "deployment") = Bytes(33); }), "digest");
  expect_refused(with_inner([](cbor::Map& m) { member(m, "software") = ""; }), "empty text");
  expect_refused(with_inner([](cbor::Map& m) { member(m, "software") = "a\nb"; }), "new line");
  expect_refused(with_inner([](cbor::Map& m) { member(m, "software") = std::string(129, 'a'); }),
                 "long text");
  expect_refused(keys("tls", cbor::Array{}), "no TLS key");
  expect_refused(keys("tls", digests(3, 48)), "three TLS keys");
  expect_refused(keys("tls", digests(1, 32)), "short TLS key");
  expect_refused(keys("ohttp", digests(3, 32)), "three OHTTP keys");
  expect_refused(keys("session", Bytes(31)), "session");
  expect_refused(keys("release", Bytes(64)), "release");
  expect_refused(keys("receipt", Bytes(33)), "receipt");
  expect_refused(security("owner_keys", cbor::Array{}), "no owner");
  expect_refused(security("owner_keys", digests(17, 32)), "seventeen owners");
  expect_refused(security("broker_key", Bytes(16)), "broker key");
  expect_refused(security("padding", 1), "padding");
  EXPECT_TRUE(parse_statement(keys("tls", digests(2, 48))));
  EXPECT_TRUE(parse_statement(keys("ohttp", cbor::Array{})));
  EXPECT_TRUE(parse_statement(security("owner_keys", digests(16, 32))));
}

// ---- The vector every implementation reads ---------------------------------------------------

std::filesystem::path source_dir() {
  const char* dir = std::getenv("ENSCONCE_SOURCE_DIR");
  return dir == nullptr ? std::filesystem::current_path() : std::filesystem::path(dir);
}

template <std::size_t N>
ByteArray<N> fixed(const json::Value& object, std::string_view name) {
  return to_array<N>(*from_hex(*object.find(name)->as_text(name))).value();
}

TEST(Statement, EncodesTheWorkedExample) {
  const auto text = read_text_file(source_dir() / "tests/vectors/statement.json");
  ASSERT_TRUE(text) << text.error().to_string();
  const json::Value vector = json::parse(*text).value();
  const json::Value& fields = *vector.find("fields");
  const json::Value& keys = *fields.find("keys");
  const json::Value& security = *fields.find("security");

  Statement statement;
  statement.tls_key_hash = fixed<48>(fields, "tls_key_sha384");
  statement.challenge = fixed<32>(fields, "nonce");
  statement.boot_id = fixed<16>(fields, "boot");
  statement.epoch = fields.find("epoch")->as_uint("epoch").value();
  for (const json::Value& item : **keys.find("tls")->as_array("tls")) {
    statement.keys.tls.push_back(to_array<48>(*from_hex(*item.as_text("tls"))).value());
  }
  for (const json::Value& item : **keys.find("ohttp")->as_array("ohttp")) {
    statement.keys.ohttp.push_back(to_array<32>(*from_hex(*item.as_text("ohttp"))).value());
  }
  statement.keys.session = {fixed<32>(keys, "session")};
  statement.keys.release = to_bytes(ByteView(fixed<65>(keys, "release")));
  statement.keys.receipt = {fixed<32>(keys, "receipt")};
  statement.software = fields.find("software")->as_text("software").value();
  statement.security.padding = security.find("padding")->as_text("padding").value();
  statement.security.tenancy = security.find("tenancy")->as_text("tenancy").value();
  statement.security.sandbox = security.find("sandbox")->as_text("sandbox").value();
  for (const json::Value& item : **security.find("owner_keys")->as_array("owner_keys")) {
    statement.security.owner_keys.push_back(
        {to_array<32>(*from_hex(*item.as_text("owner"))).value()});
  }
  statement.security.broker_key = {fixed<32>(security, "broker_key")};
  statement.deployment_digest = fixed<32>(fields, "deployment");

  const Bytes bytes = encode_statement(statement);
  EXPECT_EQ(to_hex(bytes), vector.find("statement")->as_text("statement").value());
  EXPECT_EQ(to_hex(report_data_for(bytes)),
            vector.find("report_data")->as_text("report_data").value());
  EXPECT_EQ(parse_statement(bytes).value(), statement);

  // docs/protocols/statement.md prints the same bytes.
  const auto page = read_text_file(source_dir() / "docs/protocols/statement.md");
  ASSERT_TRUE(page);
  std::string hex;
  const std::size_t start = page->find("```hex\n");
  ASSERT_NE(start, std::string::npos);
  for (const char c : page->substr(start + 7, page->find("```", start + 7) - start - 7)) {
    if (c != '\n' && c != ' ') {
      hex += c;
    }
  }
  EXPECT_EQ(hex, to_hex(bytes));
}

TEST(Statement, OfABrokerIsKnownByTheKeyItSignsBy) {
  const auto text = read_text_file(source_dir() / "tests/vectors/statement.json");
  ASSERT_TRUE(text);
  const json::Value vector = json::parse(*text).value();
  const auto statement_of = [&](const char* member) {
    return parse_statement(*from_hex(*vector.find(member)->as_text(member))).value();
  };
  EXPECT_TRUE(is_of_broker(statement_of("broker")));
  EXPECT_FALSE(is_of_broker(statement_of("statement")));
}

TEST(Statement, RejectsTheBadVectors) {
  const auto text = read_text_file(source_dir() / "tests/vectors/statement.json");
  ASSERT_TRUE(text);
  const json::Value vector = json::parse(*text).value();
  for (const json::Value& bad : **vector.find("refused")->as_array("refused")) {
    const auto parsed = parse_statement(*from_hex(*bad.find("statement")->as_text("statement")));
    ASSERT_FALSE(parsed) << *bad.find("why")->as_text("why");
    EXPECT_EQ(parsed.error().id(), *bad.find("code")->as_text("code"));
  }
}

}  // namespace
}  // namespace ensconce
