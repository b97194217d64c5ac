#include "ensconce/attestation/evidence/ra_tls.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "ensconce/attestation/evidence/snp_report.h"
#include "ensconce/attestation/evidence/statement.h"
#include "ensconce/attestation/verify/ra_tls_verifier.h"
#include "ensconce/base/file.h"
#include "ensconce/codec/cbor.h"
#include "ensconce/codec/der.h"
#include "ensconce/codec/json.h"
#include "made_intel.h"

namespace ensconce {
namespace {

using made::kNow;

constexpr std::string_view kTaggedOid = kTaggedEvidenceOid;
constexpr std::string_view kLegacyOid = "1.2.840.113741.1337.6";

const EcPrivateKey& key() {
  static const EcPrivateKey made = EcPrivateKey::generate(Curve::kP256);
  return made;
}

const RsaPrivateKey& rsa_key() {
  static const RsaPrivateKey made = RsaPrivateKey::generate(2048);
  return made;
}

cbor::Value hash_claim(std::uint64_t algorithm, ByteView hash) {
  return cbor::encode(cbor::Array{algorithm, hash});
}

Bytes spki_hash() { return to_bytes(ByteView(sha256(key().public_key().spki_der()))); }

Bytes claims_buffer() {
  return cbor::encode(cbor::Map{{"pubkey-hash", hash_claim(1, spki_hash())}});
}

ByteArray<64> padded(ByteView hash) {
  ByteArray<64> out{};
  std::copy(hash.begin(), hash.end(), out.begin());
  return out;
}

Bytes quote_bytes(ByteView report_data_hash) {
  const IntelPki& pki = made::shared_intel_pki();
  return write_intel_quote(pki.sign(made::sgx_quote(pki, padded(report_data_hash))));
}

Bytes quote_about(ByteView buffer) { return quote_bytes(sha256(buffer)); }

Bytes tagged(const Bytes& quote, const Bytes& buffer, std::uint64_t tag = 60000) {
  return cbor::encode(cbor::Value::tagged(tag, cbor::Array{quote, buffer}));
}

CertificateBuilder& builder(CertificateBuilder& out) {
  return out.subject_cn("RATLS").serial(1).validity(kNow - Millis(1000), kNow + Millis(1000));
}

Certificate certificate(std::string_view oid, const Bytes& value) {
  CertificateBuilder out;
  return builder(out).extension(std::string(oid), value).self_sign(key());
}

Certificate tagged_certificate(const Bytes& buffer) {
  return certificate(kTaggedOid, tagged(quote_about(buffer), buffer));
}

// ---- Form ------------------------------------------------------------------------------------

void expect_refused(const Bytes& extension) {
  const auto parsed = parse_tagged_evidence(extension);
  ASSERT_FALSE(parsed);
  EXPECT_TRUE(parsed.error().is(EvidenceError::kRaTls)) << parsed.error().to_string();
}

void expect_claims_refused(const cbor::Value& claims) {
  expect_refused(tagged({1, 2, 3}, cbor::encode(claims)));
}

TEST(RaTls, ReadsTaggedEvidence) {
  const Bytes buffer = cbor::encode(cbor::Map{
      {"nonce", Bytes{9, 9}}, {"pubkey-hash", hash_claim(7, Bytes(48, 4))}, {"x", Bytes{}}});
  const Bytes extension = tagged({1, 2, 3}, buffer);
  const auto parsed = parse_tagged_evidence(extension);
  ASSERT_TRUE(parsed) << parsed.error().to_string();
  EXPECT_EQ(parsed->form, TaggedForm::kIntelQuote);
  EXPECT_EQ(parsed->evidence, (Bytes{1, 2, 3}));
  EXPECT_EQ(parsed->claims.buffer, buffer);
  EXPECT_EQ(parsed->claims.pubkey_hash_algorithm, KeyHashAlgorithm::kSha384);
  EXPECT_EQ(name_of(parsed->claims.pubkey_hash_algorithm), "sha-384");
  EXPECT_EQ(parsed->claims.pubkey_hash, Bytes(48, 4));
  EXPECT_EQ(parsed->claims.nonce, (Bytes{9, 9}));
  EXPECT_EQ(write_tagged_evidence(*parsed), extension);
}

cbor::Value record(const cbor::Value& type, const cbor::Value& value,
                   const cbor::Value& indicator) {
  return cbor::Array{type, value, indicator};
}

Bytes snp_record(ByteView report, ByteView buffer) {
  return cbor::encode(record(kSnpRecordType, cbor::encode(cbor::Array{report, buffer}), 4));
}

TEST(RaTls, ReadsAnSnpRecord) {
  const Bytes extension = snp_record(Bytes{1, 2, 3}, claims_buffer());
  const auto parsed = parse_tagged_evidence(extension);
  ASSERT_TRUE(parsed) << parsed.error().to_string();
  EXPECT_EQ(parsed->form, TaggedForm::kSnpRecord);
  EXPECT_EQ(parsed->evidence, (Bytes{1, 2, 3}));
  EXPECT_EQ(parsed->claims.buffer, claims_buffer());
  EXPECT_EQ(write_tagged_evidence(*parsed), extension);
}

TEST(RaTls, RejectsRecordsOfAnotherForm) {
  const cbor::Value pair = cbor::encode(cbor::Array{Bytes{1}, claims_buffer()});
  const auto encoded = [](const cbor::Value& value) { return cbor::encode(value); };
  EXPECT_TRUE(parse_tagged_evidence(encoded(record(kSnpRecordType, pair, 4))));
  expect_refused(encoded(cbor::Array{kSnpRecordType, pair}));  // RFC 9999 lets the indicator out
  expect_refused(encoded(cbor::Array{kSnpRecordType, pair, 4, 4}));
  expect_refused(encoded(record("application/eat+cwt", pair, 4)));
  expect_refused(encoded(record(263, pair, 4)));             // a CoAP content format
  expect_refused(encoded(record(kSnpRecordType, pair, 2)));  // endorsements
  expect_refused(encoded(record(kSnpRecordType, pair, 6)));  // both
  expect_refused(encoded(record(kSnpRecordType, pair, "4")));
  expect_refused(encoded(record(kSnpRecordType, "text", 4)));
  expect_refused(encoded(record(kSnpRecordType, Bytes{0xff}, 4)));
  expect_refused(encoded(record(kSnpRecordType, encoded(cbor::Map{}), 4)));
  expect_refused(encoded(record(kSnpRecordType, encoded(cbor::Array{Bytes{1}}), 4)));
  expect_refused(encoded(record(kSnpRecordType, encoded(cbor::Array{Bytes{1}, Bytes{0xff}}), 4)));
  // A quote's tag inside of the record is another form than either.
  expect_refused(encoded(record(kSnpRecordType, tagged({1}, claims_buffer()), 4)));
}

TEST(RaTls, WritesAWorkersOwnExtension) {
  const Bytes statement = encode_statement(made::statement());
  for (const char* type : {"sgx", "tdx", "snp"}) {
    const auto value = ra_tls_extension_of({type, Bytes{1, 2, 3}}, statement);
    ASSERT_TRUE(value.has_value()) << type;
    const auto parsed = parse_tagged_evidence(*value);
    ASSERT_TRUE(parsed) << type << parsed.error().to_string();
    EXPECT_EQ(parsed->form == TaggedForm::kSnpRecord, std::string_view(type) == "snp");
    EXPECT_EQ(parsed->evidence, (Bytes{1, 2, 3}));
    EXPECT_EQ(parsed->claims.buffer, statement);
    EXPECT_EQ(parsed->claims.pubkey_hash_algorithm, KeyHashAlgorithm::kSha384);
    EXPECT_EQ(parsed->claims.pubkey_hash, to_bytes(ByteView(made::statement().tls_key_hash)));
    EXPECT_EQ(parsed->claims.nonce, to_bytes(ByteView(made::statement().challenge)));
  }
  for (const char* type : {"azure-snp", "azure-tdx", "sev", ""}) {
    EXPECT_FALSE(ra_tls_extension_of({type, Bytes{1}}, statement).has_value()) << type;
  }
}

std::filesystem::path source_dir() {
  const char* dir = std::getenv("ENSCONCE_SOURCE_DIR");
  return dir == nullptr ? std::filesystem::current_path() : std::filesystem::path(dir);
}

// Written by an encoder that shares no code with ours.
TEST(RaTls, AgreesWithTheVectors) {
  const auto text = read_text_file(source_dir() / "tests/vectors/ra_tls.json");
  ASSERT_TRUE(text) << text.error().to_string();
  const json::Value vector = json::parse(*text).value();
  const auto bytes = [](const json::Value& object, std::string_view name) {
    return *from_hex(*object.find(name)->as_text(name));
  };
  EXPECT_EQ(*vector.find("oid")->as_text("oid"), kTaggedEvidenceOid);
  const Bytes statement = bytes(vector, "statement");
  for (const json::Value& one : **vector.find("written")->as_array("written")) {
    const std::string type = *one.find("type")->as_text("type");
    const auto value = ra_tls_extension_of({type, bytes(vector, "evidence")}, statement);
    ASSERT_EQ(value.has_value(), !one.find("extension")->is_null()) << type;
    if (value) {
      EXPECT_EQ(*value, bytes(one, "extension")) << type;
      EXPECT_EQ(parse_tagged_evidence(*value)->claims.buffer, statement) << type;
    }
  }
  for (const json::Value& bad : **vector.find("refused")->as_array("refused")) {
    const auto parsed = parse_tagged_evidence(bytes(bad, "extension"));
    ASSERT_FALSE(parsed) << *bad.find("why")->as_text("why");
    EXPECT_EQ(parsed.error().id(), *bad.find("code")->as_text("code"));
  }
}

TEST(RaTls, TakesClaimsInAnyOrder) {
  // {"pubkey-hash": …, "a": h''}: the shorter key would come first in a sorted map.
  Bytes buffer = from_hex("a26b7075626b65792d686173685824").value();
  const Bytes encoded = cbor::encode(cbor::Array{1, Bytes(32, 7)});
  buffer.insert(buffer.end(), encoded.begin(), encoded.end());
  const Bytes rest = from_hex("616140").value();
  buffer.insert(buffer.end(), rest.begin(), rest.end());
  const auto parsed = parse_tagged_evidence(tagged({1}, buffer));
  ASSERT_TRUE(parsed) << parsed.error().to_string();
  EXPECT_EQ(parsed->claims.pubkey_hash, Bytes(32, 7));
  EXPECT_FALSE(parsed->claims.nonce.has_value());
}

TEST(RaTls, RejectsWhatIsNoTaggedEvidence) {
  expect_refused({});
  expect_refused({0xff});
  expect_refused(tagged({1}, claims_buffer(), 60001));  // a report for the local machine
  expect_refused(cbor::encode(cbor::Array{Bytes{1}, claims_buffer()}));
  expect_refused(cbor::encode(cbor::Value::tagged(60000, Bytes{1})));
  expect_refused(cbor::encode(cbor::Value::tagged(60000, cbor::Array{Bytes{1}})));
  expect_refused(cbor::encode(cbor::Value::tagged(60000, cbor::Array{"1", claims_buffer()})));
  expect_refused(cbor::encode(cbor::Value::tagged(60000, cbor::Array{Bytes{1}, "claims"})));
  expect_refused(tagged({1}, Bytes(16385)));
}

TEST(RaTls, RejectsClaimsOfAnotherForm) {
  const cbor::Value good = hash_claim(1, Bytes(32));
  expect_refused(tagged({1}, {0xff}));
  expect_claims_refused(cbor::Array{});
  expect_claims_refused(cbor::Map{{"nonce", Bytes{1}}});
  expect_claims_refused(cbor::Map{{"pubkey-hash", "text"}});
  expect_claims_refused(cbor::Map{{"pubkey-hash", Bytes{0xff}}});
  expect_claims_refused(cbor::Map{{"pubkey-hash", cbor::encode(cbor::Map{})}});
  expect_claims_refused(cbor::Map{{"pubkey-hash", cbor::encode(cbor::Array{1})}});
  expect_claims_refused(cbor::Map{{"pubkey-hash", cbor::encode(cbor::Array{"1", Bytes(32)})}});
  expect_claims_refused(cbor::Map{{"pubkey-hash", cbor::encode(cbor::Array{1, "hash"})}});
  expect_claims_refused(cbor::Map{{"pubkey-hash", hash_claim(8, Bytes(64))}});  // SHA-512
  expect_claims_refused(cbor::Map{{"pubkey-hash", hash_claim(1, Bytes(31))}});
  expect_claims_refused(cbor::Map{{"pubkey-hash", hash_claim(7, Bytes(32))}});
  expect_claims_refused(cbor::Map{{"nonce", 1}, {"pubkey-hash", good}});
}

TEST(RaTls, ReadsCertificatesOfBothForms) {
  const auto modern = parse_ra_tls(tagged_certificate(claims_buffer()));
  ASSERT_TRUE(modern) << modern.error().to_string();
  EXPECT_EQ(modern->evidence.type, "sgx");
  EXPECT_EQ(modern->claims->buffer, claims_buffer());

  const Bytes quote = quote_bytes(spki_hash());
  const auto legacy = parse_ra_tls(certificate(kLegacyOid, quote));
  ASSERT_TRUE(legacy) << legacy.error().to_string();
  EXPECT_EQ(legacy->evidence.data, quote);
  EXPECT_FALSE(legacy->claims.has_value());
}

Certificate snp_certificate(const Bytes& buffer) {
  const SnpPki& pki = made::shared_pki();
  const SnpReport report = made::signed_report(pki, made::report_for(pki, padded(sha256(buffer))));
  return certificate(kTaggedOid, *ra_tls_extension_of({"snp", write_snp_report(report)}, buffer));
}

TEST(RaTls, ReadsACertificateWithAnSnpReport) {
  const auto parsed = parse_ra_tls(snp_certificate(claims_buffer()));
  ASSERT_TRUE(parsed) << parsed.error().to_string();
  EXPECT_EQ(parsed->evidence.type, "snp");
  EXPECT_EQ(parsed->evidence.data.size(), kSnpReportLen);
  EXPECT_EQ(parsed->claims->buffer, claims_buffer());
  const auto cut = parse_ra_tls(certificate(kTaggedOid, snp_record(Bytes(7), claims_buffer())));
  ASSERT_FALSE(cut);
  EXPECT_TRUE(cut.error().is(EvidenceError::kSnpLength));
}

TEST(RaTls, PrefersTheTaggedForm) {
  CertificateBuilder out;
  const Certificate both =
      builder(out)
          .extension(std::string(kLegacyOid), {1, 2, 3})
          .extension(std::string(kTaggedOid), tagged(quote_about(claims_buffer()), claims_buffer()))
          .self_sign(key());
  ASSERT_TRUE(parse_ra_tls(both)) << parse_ra_tls(both).error().to_string();
  EXPECT_TRUE(parse_ra_tls(both)->claims.has_value());
}

TEST(RaTls, RejectsCertificatesWithoutAQuote) {
  CertificateBuilder out;
  const Certificate plain = builder(out).self_sign(key());
  EXPECT_FALSE(carries_ra_tls(plain));
  EXPECT_TRUE(parse_ra_tls(plain).error().is(EvidenceError::kRaTls));
  const Certificate broken = certificate(kLegacyOid, {1, 2, 3});
  EXPECT_TRUE(carries_ra_tls(broken));
  EXPECT_EQ(parse_ra_tls(broken).error().stage(), Stage::kForm);
  EXPECT_TRUE(parse_ra_tls(certificate(kTaggedOid, {0xff})).error().is(EvidenceError::kRaTls));
}

// ---- Verification ----------------------------------------------------------------------------

Verification verify(const Certificate& certificate, const ExpectedReportData& expected = {}) {
  const IntelPki& pki = made::shared_intel_pki();
  return RaTlsVerifier({made::anchor_of(pki)})
      .verify(parse_ra_tls(certificate).value(), pki.endorsements(false, kNow), expected, kNow);
}

TEST(RaTlsVerify, AcceptsAQuoteAboutTheCertificatesKey) {
  const Verification verification = verify(tagged_certificate(claims_buffer()));
  ASSERT_TRUE(verification.claims) << verification.claims.error().to_string();
  EXPECT_EQ(made::holds(verification.checks, "ratls.binding"), true);
  EXPECT_EQ(made::holds(verification.checks, "ratls.pubkey_hash"), true);
  // The claims carry every check, so that a verdict shows them all.
  EXPECT_EQ(made::holds((*verification.claims)->checks, "ratls.pubkey_hash"), true);
}

Verification verify_snp(const Certificate& certificate) {
  const SnpPki& pki = made::shared_pki();
  return RaTlsVerifier({made::anchor_of(pki)})
      .verify(parse_ra_tls(certificate).value(), pki.endorsements(pki.crl_der(kNow)), {}, kNow);
}

TEST(RaTlsVerify, AcceptsAnSnpReportAboutTheCertificatesKey) {
  const Verification verification = verify_snp(snp_certificate(claims_buffer()));
  ASSERT_TRUE(verification.claims) << verification.claims.error().to_string();
  EXPECT_EQ(made::holds(verification.checks, "snp.signature"), true);
  EXPECT_EQ(made::holds(verification.checks, "ratls.binding"), true);
  EXPECT_EQ(made::holds(verification.checks, "ratls.pubkey_hash"), true);
}

TEST(RaTlsVerify, RejectsAnSnpReportAboutOtherClaimsOrAnotherKey) {
  const Bytes other = cbor::encode(cbor::Map{{"pubkey-hash", hash_claim(1, Bytes(32, 1))}});
  EXPECT_TRUE(made::refused_by(verify_snp(snp_certificate(other)).claims,
                               AttestationError::kRaTlsPubkeyHash));
  const Bytes report = parse_ra_tls(snp_certificate(other))->evidence.data;
  EXPECT_TRUE(made::refused_by(
      verify_snp(certificate(kTaggedOid, snp_record(report, claims_buffer()))).claims,
      AttestationError::kRaTlsBinding));
}

TEST(RaTlsVerify, AcceptsASha384OfTheKey) {
  const Sha384Digest hash = sha384(key().public_key().spki_der());
  EXPECT_TRUE(
      verify(tagged_certificate(cbor::encode(cbor::Map{{"pubkey-hash", hash_claim(7, hash)}})))
          .claims);
}

TEST(RaTlsVerify, RejectsAQuoteAboutOtherClaims) {
  const Bytes quote = quote_bytes(Bytes(32, 1));
  const Verification verification = verify(certificate(kTaggedOid, tagged(quote, claims_buffer())));
  ASSERT_FALSE(verification.claims);
  EXPECT_TRUE(verification.claims.error().is(AttestationError::kRaTlsBinding));
  EXPECT_EQ(made::holds(verification.checks, "ratls.pubkey_hash"), true);
}

TEST(RaTlsVerify, RejectsClaimsAboutAnotherKey) {
  const Bytes buffer = cbor::encode(cbor::Map{{"pubkey-hash", hash_claim(1, Bytes(32, 1))}});
  const Verification verification = verify(tagged_certificate(buffer));
  ASSERT_FALSE(verification.claims);
  EXPECT_TRUE(verification.claims.error().is(AttestationError::kRaTlsPubkeyHash));
  EXPECT_EQ(made::holds(verification.checks, "ratls.binding"), true);
}

TEST(RaTlsVerify, RejectsBytesBehindTheHash) {
  const IntelPki& pki = made::shared_intel_pki();
  ByteArray<64> data = padded(sha256(claims_buffer()));
  data[63] = 1;
  const Bytes quote = write_intel_quote(pki.sign(made::sgx_quote(pki, data)));
  EXPECT_TRUE(
      made::refused_by(verify(certificate(kTaggedOid, tagged(quote, claims_buffer()))).claims,
                       AttestationError::kRaTlsBinding));
}

TEST(RaTlsVerify, TakesEitherHashOfALegacyKey) {
  const Verification by_spki = verify(certificate(kLegacyOid, quote_bytes(spki_hash())));
  ASSERT_TRUE(by_spki.claims) << by_spki.claims.error().to_string();
  EXPECT_EQ(made::holds(by_spki.checks, "ratls.pubkey_hash"), std::nullopt);

  // PKCS#1: SEQUENCE { modulus, exponent }.
  const auto integer = [](Bytes magnitude) {
    if ((magnitude.front() & 0x80) != 0) {
      magnitude.insert(magnitude.begin(), 0);
    }
    return der::write_element(der::kInteger, magnitude);
  };
  const Bytes pkcs1 = der::write_element(
      der::kSequence, concat({integer(rsa_key().modulus()), integer(rsa_key().exponent())}));
  CertificateBuilder out;
  const Certificate rsa = builder(out)
                              .extension(std::string(kLegacyOid), quote_bytes(sha256(pkcs1)))
                              .self_sign(rsa_key());
  EXPECT_TRUE(verify(rsa).claims) << verify(rsa).claims.error().to_string();
}

TEST(RaTlsVerify, RejectsALegacyQuoteAboutAnotherKey) {
  const Verification verification = verify(certificate(kLegacyOid, quote_bytes(Bytes(32, 1))));
  ASSERT_FALSE(verification.claims);
  EXPECT_TRUE(verification.claims.error().is(AttestationError::kRaTlsBinding));
  // Of a key that is not RSA the bits alone are no reading of "the key".
  const Bytes point = key().public_key().point();
  EXPECT_FALSE(verify(certificate(kLegacyOid, quote_bytes(sha256(point)))).claims);
}

TEST(RaTlsVerify, RejectsWhatItsQuoteIsRefusedFor) {
  const Certificate good = tagged_certificate(claims_buffer());
  const IntelPki& pki = made::shared_intel_pki();
  const Verification untrusted =
      RaTlsVerifier(vendor_anchors())
          .verify(parse_ra_tls(good).value(), pki.endorsements(false, kNow), {}, kNow);
  ASSERT_FALSE(untrusted.claims);
  EXPECT_NE(untrusted.claims.error().id().find("intel."), std::string_view::npos);
  EXPECT_FALSE(verify(good, ByteArray<64>{}).claims);
}

}  // namespace
}  // namespace ensconce
