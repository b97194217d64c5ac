#include "ensconce/ohttp/key_config.h"

#include "ohttp_vectors.h"

namespace ensconce {
namespace {

using testing::hex;

const std::string kKey(64, '1');  // of X25519, in hex
// The parts of a configuration: key_id, kem_id, public key, algorithms.
const std::string kGood =
    "01"
    "0020" +
    kKey +
    "0008"
    "00010001"
    "00010003";

bool refuses(ByteView encoded) {
  const auto parsed = parse_key_config(encoded);
  return !parsed && parsed.error().is(OhttpError::kKeyConfig);
}
bool refuses_list(ByteView list) {
  const auto parsed = parse_key_configs(list);
  return !parsed && parsed.error().is(OhttpError::kKeyConfig);
}

Bytes listed(const std::vector<std::string>& configs) {
  ByteWriter out;
  for (const std::string& config : configs) {
    out.u16_be(static_cast<std::uint16_t>(config.size() / 2)).raw(hex(config));
  }
  return std::move(out).take();
}

TEST(OhttpKeyConfig, AgreesWithTheExampleOfRfc9458) {
  const json::Value v = testing::committed("ohttp.json");
  const OhttpKeyConfig config = parse_key_config(hex(v, "key_config")).value();
  EXPECT_EQ(config.key_id, 1);
  EXPECT_EQ(config.kem, hpke::Kem::kX25519);
  EXPECT_EQ(to_hex(config.public_key),
            "31e1f05a740102115220e9af918f738674aec95f54db6e04eb705aae8e798155");
  EXPECT_EQ(config.algorithms, (std::vector<OhttpAlgorithms>{
                                   {hpke::Kdf::kHkdfSha256, hpke::Aead::kAes128Gcm},
                                   {hpke::Kdf::kHkdfSha256, hpke::Aead::kChaCha20Poly1305}}));
  EXPECT_EQ(config.encoded, hex(v, "key_config"));
}

TEST(OhttpKeyConfig, ParsesWhatItMade) {
  SeededRandom random(1);
  for (const hpke::Kem kem : {hpke::Kem::kP256, hpke::Kem::kX25519}) {
    const hpke::PrivateKey key = hpke::PrivateKey::generate(kem, random);
    const std::vector<OhttpAlgorithms> offered(16,
                                               {hpke::Kdf::kHkdfSha512, hpke::Aead::kAes256Gcm});
    const OhttpKeyConfig made = make_key_config(255, key, offered);
    const OhttpKeyConfig parsed = parse_key_config(made.encoded).value();
    EXPECT_EQ(parsed.key_id, 255);
    EXPECT_EQ(parsed.kem, kem);
    EXPECT_EQ(parsed.public_key, key.public_key());
    EXPECT_EQ(parsed.algorithms, offered);
    EXPECT_EQ(parsed.encoded, made.encoded);
    EXPECT_DEATH(make_key_config(1, key, {}), "empty");
    EXPECT_DEATH(make_key_config(1, key, std::vector<OhttpAlgorithms>(17)), "kMaxOffered");
  }
}

TEST(OhttpKeyConfig, RejectsOtherForms) {
  const Bytes good = hex(kGood);
  ASSERT_TRUE(parse_key_config(good).has_value());
  for (std::size_t len = 0; len < good.size(); ++len) {
    EXPECT_TRUE(refuses(ByteView(good).first(len))) << len;
  }
  EXPECT_TRUE(refuses(concat({good, Bytes{0}})));
  for (const std::string_view algorithms : {"0000", "00020001",
                                            "000600010001"
                                            "0001",
                                            "0004"
                                            "00010001"
                                            "00010003",
                                            "000c00010001", "ffff00010001"}) {
    EXPECT_TRUE(refuses(hex("010020" + kKey + std::string(algorithms)))) << algorithms;
  }
}

TEST(OhttpKeyConfig, KeepsTheAlgorithmsWeKnowInTheirOrder) {
  const auto parsed = parse_key_config(hex("010020" + kKey +
                                           "0014"
                                           "00010003"
                                           "00040001"
                                           "0001ffff"
                                           "00030002"
                                           "00010001"));
  EXPECT_EQ(parsed.value().algorithms,
            (std::vector<OhttpAlgorithms>{{hpke::Kdf::kHkdfSha256, hpke::Aead::kChaCha20Poly1305},
                                          {hpke::Kdf::kHkdfSha512, hpke::Aead::kAes256Gcm},
                                          {hpke::Kdf::kHkdfSha256, hpke::Aead::kAes128Gcm}}));
  EXPECT_TRUE(refuses(hex("010020" + kKey +
                          "0004"
                          "00010004")));  // none
  EXPECT_TRUE(refuses(hex("010021" + kKey +
                          "0004"
                          "00010001")));  // another KEM
}

TEST(OhttpKeyConfig, PassesOverInAListWhatItDoesNotKnow) {
  const std::string unknown_kem = "020021" + std::string(112, '2') + "000400010001";
  const std::string unknown_aead = "030020" + kKey + "000400010004";
  const auto configs = parse_key_configs(listed({unknown_kem, kGood, unknown_aead, kGood})).value();
  ASSERT_EQ(configs.size(), 2U);
  EXPECT_EQ(configs[0].encoded, hex(kGood));
  EXPECT_EQ(write_key_configs(configs), listed({kGood, kGood}));
  EXPECT_TRUE(refuses_list(listed({unknown_kem, unknown_aead})));
  EXPECT_TRUE(refuses_list({}));
}

TEST(OhttpKeyConfig, RejectsAListThatDoesNotHaveItsForm) {
  const Bytes good = listed({kGood, kGood});
  for (std::size_t len = 0; len < good.size(); ++len) {
    const bool after_the_first = len == good.size() / 2;
    EXPECT_EQ(refuses_list(ByteView(good).first(len)), !after_the_first) << len;
  }
  EXPECT_TRUE(refuses_list(concat({good, Bytes{0}})));
  EXPECT_TRUE(refuses_list(concat({good, Bytes{0, 0}})));
  // What we know must have its form, whatever stands beside it.
  EXPECT_TRUE(refuses_list(listed({kGood, kGood + "00"})));
  EXPECT_EQ(parse_key_configs(listed(std::vector<std::string>(16, kGood))).value().size(), 16U);
  EXPECT_TRUE(refuses_list(listed(std::vector<std::string>(17, kGood))));
}

TEST(OhttpKeyConfig, WritesAtLeastOneAndAtMostSixteen) {
  const OhttpKeyConfig config = parse_key_config(hex(kGood)).value();
  EXPECT_DEATH(write_key_configs({}), "empty");
  const std::vector<OhttpKeyConfig> many(17, config);
  EXPECT_DEATH(write_key_configs(many), "kMaxConfigs");
}

TEST(OhttpError, HasAnIdAKindAndTheStageOfTheChannel) {
  const std::vector<std::tuple<OhttpError, std::string_view, Kind>> expected = {
      {OhttpError::kKeyConfig, "ohttp.key_config", Kind::kInvalidInput},
      {OhttpError::kForm, "ohttp.form", Kind::kInvalidInput},
      {OhttpError::kKeyId, "ohttp.key_id", Kind::kRejected},
      {OhttpError::kSuite, "ohttp.suite", Kind::kUnsupported},
      {OhttpError::kDecrypt, "ohttp.decrypt", Kind::kRejected},
      {OhttpError::kTruncated, "ohttp.truncated", Kind::kInvalidInput},
      {OhttpError::kTooLarge, "ohttp.too_large", Kind::kExhausted},
      {OhttpError::kBinaryHttp, "bhttp.form", Kind::kInvalidInput}};
  for (const auto& [code, id, kind] : expected) {
    EXPECT_EQ(Error(code).id(), id);
    EXPECT_EQ(Error(code).kind(), kind);
    EXPECT_EQ(Error(code).stage(), Stage::kChannel);
  }
}

}  // namespace
}  // namespace ensconce
