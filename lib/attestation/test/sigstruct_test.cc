#include "ensconce/attestation/evidence/sigstruct.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>

#include "ensconce/base/file.h"
#include "ensconce/crypto/error.h"
#include "made_sigstruct.h"

namespace ensconce {
namespace {

using E = EvidenceError;

Bytes signed_bytes() { return write_sigstruct(made::signed_by_test_key(made::sigstruct())); }

void expect_refused(const Bytes& bytes, const std::string& what) {
  const auto parsed = parse_sigstruct(bytes);
  ASSERT_FALSE(parsed) << what;
  EXPECT_TRUE(parsed.error().is(E::kSigstruct)) << what << ": " << parsed.error().to_string();
}

TEST(Sigstruct, ReadsWhatItWrites) {
  const Sigstruct made = made::signed_by_test_key(made::sigstruct());
  const Bytes bytes = write_sigstruct(made);
  EXPECT_EQ(bytes.size(), kSigstructLen);
  const auto parsed = parse_sigstruct(bytes);
  ASSERT_TRUE(parsed) << parsed.error().to_string();
  EXPECT_EQ(*parsed, made);
  EXPECT_EQ(write_sigstruct(*parsed), bytes);
  EXPECT_TRUE(verify_sigstruct(*parsed));
}

// Offset and size of each field, from Intel's table; each one alone is set to a value of its own
// and must be found there and nowhere else.
TEST(Sigstruct, KeepsEachFieldWhereTheTablePutsIt) {
  struct Field {
    std::size_t offset;
    std::size_t len;
    const char* name;
    std::function<Bytes(const Sigstruct&)> get;
  };
  const auto bytes = [](auto member) {
    return [member](const Sigstruct& s) { return to_bytes(s.*member); };
  };
  const auto number = [](auto member) {
    return [member](const Sigstruct& s) {
      Bytes out(sizeof(s.*member));
      for (std::size_t i = 0; i < out.size(); ++i) {
        out[i] = static_cast<std::uint8_t>(std::uint64_t{s.*member} >> (8 * i));
      }
      return out;
    };
  };
  const std::vector<Field> fields{
      {20, 4, "DATE", number(&Sigstruct::date)},
      {40, 4, "SWDEFINED", number(&Sigstruct::sw_defined)},
      {128, 384, "MODULUS", bytes(&Sigstruct::modulus)},
      {516, 384, "SIGNATURE", bytes(&Sigstruct::signature)},
      {900, 4, "MISCSELECT", number(&Sigstruct::misc_select)},
      {904, 4, "MISCMASK", number(&Sigstruct::misc_mask)},
      {908, 1, "CET_ATTRIBUTES", number(&Sigstruct::cet_attributes)},
      {909, 1, "CET_ATTRIBUTES_MASK", number(&Sigstruct::cet_attributes_mask)},
      {912, 16, "ISVFAMILYID", bytes(&Sigstruct::isv_family_id)},
      {928, 16, "ATTRIBUTES", bytes(&Sigstruct::attributes)},
      {944, 16, "ATTRIBUTEMASK", bytes(&Sigstruct::attribute_mask)},
      {960, 32, "ENCLAVEHASH", bytes(&Sigstruct::mr_enclave)},
      {1008, 16, "ISVEXTPRODID", bytes(&Sigstruct::isv_ext_prod_id)},
      {1024, 2, "ISVPRODID", number(&Sigstruct::isv_prod_id)},
      {1026, 2, "ISVSVN", number(&Sigstruct::isv_svn)},
      {1040, 384, "Q1", bytes(&Sigstruct::q1)},
      {1424, 384, "Q2", bytes(&Sigstruct::q2)},
  };
  const Sigstruct made = made::signed_by_test_key(made::sigstruct());
  const Bytes whole = write_sigstruct(made);
  for (const Field& field : fields) {
    SCOPED_TRACE(field.name);
    Bytes value(field.len);
    for (std::size_t i = 0; i < value.size(); ++i) {
      value[i] = static_cast<std::uint8_t>(0x91 + i);
    }
    Bytes changed = whole;
    std::copy(value.begin(), value.end(),
              changed.begin() + static_cast<std::ptrdiff_t>(field.offset));
    const auto parsed = parse_sigstruct(changed);
    ASSERT_TRUE(parsed) << parsed.error().to_string();
    EXPECT_EQ(write_sigstruct(*parsed), changed);
    for (const Field& other : fields) {
      EXPECT_EQ(other.get(*parsed), &other == &field ? value : other.get(made)) << other.name;
    }
  }
}

TEST(Sigstruct, RejectsOtherLengths) {
  const Bytes whole = signed_bytes();
  expect_refused({}, "nothing");
  expect_refused(Bytes(whole.begin(), whole.end() - 1), "cut");
  Bytes longer = whole;
  longer.push_back(0);
  expect_refused(longer, "a byte behind it");
}

TEST(Sigstruct, RejectsWhatTheProcessorWouldNotTake) {
  const Bytes whole = signed_bytes();
  const auto with = [&whole](std::size_t at, std::uint8_t byte) {
    Bytes changed = whole;
    changed[at] = byte;
    return changed;
  };
  for (std::size_t i = 0; i < 16; ++i) {
    expect_refused(with(i, whole[i] ^ 0x40), "HEADER " + std::to_string(i));
    expect_refused(with(24 + i, whole[24 + i] ^ 0x40), "HEADER2 " + std::to_string(i));
  }
  expect_refused(with(16, 1), "VENDOR");
  for (std::size_t i = 0; i < 4; ++i) {
    expect_refused(with(512 + i, 17), "EXPONENT " + std::to_string(i));
  }
  const std::pair<std::size_t, std::size_t> reserved[] = {
      {44, 84}, {910, 2}, {992, 16}, {1028, 12}};
  for (const auto& [at, len] : reserved) {
    for (std::size_t i = at; i < at + len; ++i) {
      expect_refused(with(i, 1), "reserved byte " + std::to_string(i));
    }
  }
}

TEST(Sigstruct, TakesIntelAsVendor) {
  Sigstruct intel = made::sigstruct();
  intel.vendor = 0x8086;
  EXPECT_TRUE(parse_sigstruct(write_sigstruct(intel)));
}

// Every bit of the two signed ranges counts, and of the key and the signature.
TEST(Sigstruct, RejectsAChangeOfWhatIsSigned) {
  const Bytes whole = signed_bytes();
  std::size_t refused = 0;
  for (std::size_t at = 0; at < 1028; ++at) {
    if (at >= 512 && at < 516) {
      continue;
    }
    Bytes changed = whole;
    changed[at] ^= static_cast<std::uint8_t>(1U << (at % 8));
    const auto parsed = parse_sigstruct(changed);
    if (!parsed) {
      continue;  // of no form any more
    }
    const Result<void> holds = verify_sigstruct(*parsed);
    ASSERT_FALSE(holds) << at;
    EXPECT_TRUE(holds.error().is(CryptoError::kBadSignature)) << at;
    ++refused;
  }
  EXPECT_EQ(refused, 4 + 4 + 384 + 384 + 128 - 2 - 16);
}

TEST(Sigstruct, DoesNotSignTheQuotients) {
  Bytes changed = signed_bytes();
  changed[1040] ^= 1;
  changed[1807] ^= 1;
  EXPECT_TRUE(verify_sigstruct(parse_sigstruct(changed).value()));
}

TEST(Sigstruct, RejectsAModulusThatIsNoKey) {
  Sigstruct none = made::sigstruct();
  none.modulus = {};
  EXPECT_TRUE(verify_sigstruct(none).error().is(CryptoError::kBadSignature));
}

// OpenSSL's command line read the key's modulus, reversed it and hashed it.
TEST(Sigstruct, NamesItsSignerAsQuotesDo) {
  EXPECT_EQ(to_hex(made::signed_by_test_key(made::sigstruct()).mr_signer()),
            "ffa2c7c7f6436977c856e2d8dc6ad51337fd950c62c69cc55dc6dda19f118526");
}

// Written by another hand: Python laid it out as Gramine does, OpenSSL's command line signed it.
TEST(Sigstruct, TakesWhatOthersSigned) {
  const char* source = std::getenv("ENSCONCE_SOURCE_DIR");
  ASSERT_NE(source, nullptr);
  const auto parsed = parse_sigstruct(
      read_file(std::string(source) + "/lib/attestation/fuzz/corpus/sigstruct/signed").value());
  ASSERT_TRUE(parsed) << parsed.error().to_string();
  EXPECT_TRUE(verify_sigstruct(*parsed));
  EXPECT_EQ(parsed->isv_prod_id, 1);
  EXPECT_EQ(parsed->debug(), SigstructDebug::kOff);
}

TEST(Sigstruct, SaysWhoDecidesAboutDebugging) {
  Sigstruct one = made::sigstruct();
  one.attributes[0] = 0x04;
  one.attribute_mask[0] = 0xff;
  EXPECT_EQ(one.debug(), SigstructDebug::kOff);
  one.attributes[0] = 0x06;
  EXPECT_EQ(one.debug(), SigstructDebug::kOn);
  one.attribute_mask[0] = 0xfd;
  EXPECT_EQ(one.debug(), SigstructDebug::kLaunchersChoice);
  one.attributes[0] = 0x04;
  EXPECT_EQ(one.debug(), SigstructDebug::kLaunchersChoice);
}

}  // namespace
}  // namespace ensconce
