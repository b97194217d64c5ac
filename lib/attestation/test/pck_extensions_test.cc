#include <gtest/gtest.h>

#include <algorithm>

#include "ensconce/attestation/endorsements/intel_endorsements.h"
#include "ensconce/codec/der.h"
#include "made_collateral.h"

namespace ensconce {
namespace {

using E = EvidenceError;
using made::octet_string;
using made::sequence;
using made::sgx_entry;

// refused parses entries that must not be taken, and returns what the error says.
std::string refused(const std::vector<Bytes>& entries) {
  const auto parsed = parse_pck_extension_value(sequence(entries));
  if (parsed) {
    return "taken";
  }
  EXPECT_TRUE(parsed.error().is(E::kIntelPck)) << parsed.error().to_string();
  return parsed.error().detail();
}

// with puts another entry in the place of one; `entries` are in the profile's order.
std::vector<Bytes> with(std::size_t index, Bytes entry) {
  std::vector<Bytes> entries = made::pck_entries();
  entries.at(index) = std::move(entry);
  return entries;
}
std::vector<Bytes> with_tcb(const std::vector<Bytes>& tcb) {
  return with(1, sgx_entry({2}, sequence(tcb)));
}
std::vector<Bytes> with_configuration(const Bytes& value) {
  return with(6, sgx_entry({7}, sequence({sgx_entry({7, 1}, value)})));
}

constexpr std::string_view kArc = "1.2.840.113741.1.13.1";
std::string at(std::string_view suffix, std::string_view what) {
  return std::string(kArc) + std::string(suffix) + std::string(what);
}

TEST(PckExtensions, GivesEveryField) {
  const auto parsed = parse_pck_extension_value(sequence(made::pck_entries()));
  ASSERT_TRUE(parsed) << parsed.error().to_string();
  EXPECT_TRUE(equal(parsed->ppid, Bytes(16, 0x11)));
  EXPECT_EQ(parsed->components,
            (std::array<std::uint8_t, 16>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 255}));
  EXPECT_EQ(parsed->pce_svn, 13);
  EXPECT_TRUE(equal(parsed->cpu_svn, Bytes(16, 0xc5)));
  EXPECT_EQ(to_hex(parsed->pce_id), "0000");
  EXPECT_EQ(to_hex(parsed->fmspc), "90c06f000000");
  EXPECT_EQ(parsed->sgx_type, 1);
  ASSERT_TRUE(parsed->platform_instance_id.has_value());
  EXPECT_TRUE(equal(*parsed->platform_instance_id, Bytes(16, 0x66)));
  EXPECT_EQ(parsed->dynamic_platform, true);
  EXPECT_EQ(parsed->cached_keys, false);
  EXPECT_EQ(parsed->smt_enabled, true);
}

TEST(PckExtensions, LacksThePlatformUnderTheProcessorCa) {
  const auto parsed = parse_pck_extension_value(
      sequence(made::pck_entries({.pce_svn = 65535, .platform_ca = false})));
  ASSERT_TRUE(parsed) << parsed.error().to_string();
  EXPECT_EQ(parsed->pce_svn, 65535);
  EXPECT_EQ(parsed->platform_instance_id, std::nullopt);
  EXPECT_EQ(parsed->dynamic_platform, std::nullopt);
  EXPECT_EQ(parsed->cached_keys, std::nullopt);
  EXPECT_EQ(parsed->smt_enabled, std::nullopt);
}

TEST(PckExtensions, AreLookedUpInAnyOrderAndOthersLeftAlone) {
  std::vector<Bytes> tcb = made::tcb_entries();
  std::reverse(tcb.begin(), tcb.end());
  std::vector<Bytes> entries = with_tcb(tcb);
  std::reverse(entries.begin(), entries.end());
  entries.insert(entries.begin(), sgx_entry({99}, {0x05, 0}));
  const auto parsed = parse_pck_extension_value(sequence(entries));
  ASSERT_TRUE(parsed) << parsed.error().to_string();
  EXPECT_EQ(parsed->components[1], 2);
  EXPECT_EQ(to_hex(parsed->fmspc), "90c06f000000");
}

TEST(PckExtensions, RejectsEachMissingEntry) {
  const char* const suffixes[] = {".1", ".2", ".3", ".4", ".5"};
  for (std::size_t i = 0; i < std::size(suffixes); ++i) {
    std::vector<Bytes> entries = made::pck_entries();
    entries.erase(entries.begin() + static_cast<std::ptrdiff_t>(i));
    EXPECT_EQ(refused(entries), at(suffixes[i], " is missing"));
  }
  for (std::size_t i = 0; i < 18; ++i) {
    std::vector<Bytes> tcb = made::tcb_entries();
    tcb.erase(tcb.begin() + static_cast<std::ptrdiff_t>(i));
    EXPECT_EQ(refused(with_tcb(tcb)), at(".2." + std::to_string(i + 1), " is missing"));
  }
}

TEST(PckExtensions, RejectsAnEntryTwice) {
  std::vector<Bytes> entries = made::pck_entries();
  entries.push_back(sgx_entry({4}, octet_string(Bytes(6))));
  EXPECT_EQ(refused(entries), at("", ": an entry twice"));
  std::vector<Bytes> tcb = made::tcb_entries();
  tcb.push_back(sgx_entry({2, 1}, der::write_small_uint(200)));
  EXPECT_EQ(refused(with_tcb(tcb)), at(".2", ": an entry twice"));
  EXPECT_EQ(refused(with(6, sgx_entry({7}, sequence({sgx_entry({7, 1}, {0x01, 1, 0}),
                                                     sgx_entry({7, 1}, {0x01, 1, 0})})))),
            at(".7", ": an entry twice"));
}

TEST(PckExtensions, RejectsValuesOutOfTheirRange) {
  std::vector<Bytes> tcb = made::tcb_entries();
  tcb[3] = sgx_entry({2, 4}, der::write_small_uint(256));
  EXPECT_EQ(refused(with_tcb(tcb)), at(".2.4", " is beyond 255"));
  tcb = made::tcb_entries();
  tcb[16] = sgx_entry({2, 17}, der::write_small_uint(65536));
  EXPECT_EQ(refused(with_tcb(tcb)), at(".2.17", " is beyond 65535"));
  tcb[16] = sgx_entry({2, 17}, {0x02, 1, 0x80});
  EXPECT_EQ(refused(with_tcb(tcb)), at(".2.17", ": a negative INTEGER"));
  for (const Bytes& type : {Bytes{0x0a, 1, 3}, Bytes{0x0a, 2, 0, 1}, Bytes{0x0a, 0}}) {
    EXPECT_EQ(refused(with(4, sgx_entry({5}, type))), at(".5", " is no SGX type we know"));
  }
  for (const Bytes& value : {Bytes{0x01, 1, 1}, Bytes{0x01, 2, 0, 0}, Bytes{0x01, 0}}) {
    EXPECT_EQ(refused(with_configuration(value)), at(".7.1", " is no DER BOOLEAN"));
  }
}

TEST(PckExtensions, RejectsOtherTypesAndLengths) {
  const Bytes null{0x05, 0};
  EXPECT_EQ(refused(with(0, sgx_entry({1}, null))), at(".1", " is not of its type"));
  EXPECT_EQ(refused(with(1, sgx_entry({2}, null))), at(".2", " is not of its type"));
  EXPECT_EQ(refused(with(4, sgx_entry({5}, {0x02, 1, 1}))), at(".5", " is not of its type"));
  EXPECT_EQ(refused(with(6, sgx_entry({7}, null))), at(".7", " is not of its type"));
  EXPECT_EQ(refused(with_configuration(null)), at(".7.1", " is not of its type"));
  const std::vector<std::pair<std::uint8_t, std::size_t>> lengths = {{1, 16}, {3, 2}, {4, 6}};
  for (const auto& [arc, len] : lengths) {
    for (const std::size_t other : {len - 1, len + 1}) {
      EXPECT_EQ(refused(with(arc - 1U, sgx_entry({arc}, octet_string(Bytes(other))))),
                at("." + std::to_string(arc),
                   ": expected " + std::to_string(len) + " bytes, got " + std::to_string(other)));
    }
  }
  EXPECT_EQ(refused(with(5, sgx_entry({6}, octet_string(Bytes(15))))),
            at(".6", ": expected 16 bytes, got 15"));
  std::vector<Bytes> tcb = made::tcb_entries();
  tcb[17] = sgx_entry({2, 18}, octet_string(Bytes(17)));
  EXPECT_EQ(refused(with_tcb(tcb)), at(".2.18", ": expected 16 bytes, got 17"));
}

TEST(PckExtensions, RejectsEntriesOfAnotherForm) {
  const Bytes oid = der::write_element(0x06, Bytes{0x2a, 0x03});
  const auto refuses = [](const Bytes& entry) { return refused(with(0, entry)); };
  EXPECT_EQ(refuses({0x05, 0}), at("", ": an entry that is no SEQUENCE"));
  EXPECT_EQ(refuses({0x30, 0x80}), at("", ": an entry that is no SEQUENCE"));
  EXPECT_EQ(refuses(sequence({})), at("", ": an entry without an OID"));
  EXPECT_EQ(refuses(sequence({{0x05, 0}, oid})), at("", ": an entry without an OID"));
  EXPECT_EQ(refuses(sequence({oid})), at("", ": an entry without exactly one value"));
  EXPECT_EQ(refuses(sequence({oid, {0x05, 0}, {0x05, 0}})),
            at("", ": an entry without exactly one value"));
  std::vector<Bytes> many = made::pck_entries();
  while (many.size() < 64) {
    many.push_back(sgx_entry({100, static_cast<std::uint8_t>(many.size())}, {0x05, 0}));
  }
  EXPECT_TRUE(parse_pck_extension_value(sequence(many)));
  many.push_back(sgx_entry({101}, {0x05, 0}));
  EXPECT_EQ(refused(many), at("", ": more than 64 entries"));
}

TEST(PckExtensions, RejectsEveryTruncationAndWhatComesAfter) {
  const Bytes good = sequence(made::pck_entries());
  for (std::size_t len = 0; len < good.size(); ++len) {
    const auto parsed = parse_pck_extension_value(ByteView(good).first(len));
    ASSERT_FALSE(parsed) << len;
    ASSERT_TRUE(parsed.error().is(E::kIntelPck)) << len;
  }
  EXPECT_TRUE(parse_pck_extension_value(concat({good, Bytes(1)})).error().is(E::kIntelPck));
}

TEST(PckExtensions, AreReadFromTheCertificate) {
  const EcPrivateKey key = EcPrivateKey::generate(Curve::kP256);
  const Instant now = from_rfc3339("2026-03-01T00:00:00Z").value();
  CertificateBuilder builder;
  builder.subject_cn("Intel SGX PCK Certificate").validity(now, now + Millis(1000));
  EXPECT_EQ(parse_pck_extensions(builder.self_sign(key)).error().detail(),
            "extension " + at("", " is missing"));
  EXPECT_TRUE(parse_pck_extensions(builder.self_sign(key)).error().is(E::kIntelPck));
  builder.extension(std::string(kArc), sequence(made::pck_entries()));
  const auto parsed = parse_pck_extensions(builder.self_sign(key));
  ASSERT_TRUE(parsed) << parsed.error().to_string();
  EXPECT_EQ(to_hex(parsed->fmspc), "90c06f000000");
}

}  // namespace
}  // namespace ensconce
