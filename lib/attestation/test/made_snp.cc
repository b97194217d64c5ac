#include "made_snp.h"

#include <algorithm>

#include "ensconce/crypto/x509.h"

namespace ensconce::made {

SnpPki make_pki(SnpPkiOptions options) {
  options.rsa_bits = 2048;
  SeededRandom random(7);
  return SnpPki::generate(options, random, kNow);
}

const SnpPki& shared_pki() {
  static const SnpPki pki = make_pki();
  return pki;
}

TrustAnchor anchor_of(const SnpPki& pki, AnchorOrigin origin) {
  return {pki.ark().spki_sha256(), pki.ark().subject_cn().substr(4), origin};
}

SnpEndorsements endorsements_of(const SnpPki& pki) {
  return {pki.vek(), pki.ask(), pki.ark(), {RevocationList::from_der(pki.crl_der(kNow)).value()}};
}

ByteArray<48> measurement() {
  ByteArray<48> out{};
  out.fill(0xa5);
  return out;
}

Ed25519PrivateKey broker_key() { return Ed25519PrivateKey::from_seed(Bytes(32, 0x42)).value(); }

Ed25519PublicKey owner_key() {
  return Ed25519PrivateKey::from_seed(Bytes(32, 0x43)).value().public_key();
}

Statement statement() {
  Statement s;
  s.tls_key_hash.fill(0x11);
  s.challenge.fill(0x22);
  s.boot_id.fill(0x33);
  s.epoch = 7;
  s.keys.tls = {s.tls_key_hash};
  s.keys.ohttp = {Sha256Digest{0x44}};
  s.keys.session = Ed25519PrivateKey::from_seed(Bytes(32, 0x50)).value().public_key();
  static const Bytes release = EcPrivateKey::generate(Curve::kP256).public_key().point();
  s.keys.release = release;
  s.keys.receipt = Ed25519PrivateKey::from_seed(Bytes(32, 0x51)).value().public_key();
  s.software = "ensconce-worker 0.1.0";
  s.security = {.padding = "none",
                .tenancy = "shared",
                .sandbox = "none",
                .owner_keys = {owner_key()},
                .broker_key = broker_key().public_key()};
  s.deployment_digest.fill(0x66);
  return s;
}

SnpReport report_for(const SnpPki& pki, const ByteArray<64>& report_data) {
  SnpReport report = pki.report_template();
  report.measurement = measurement();
  report.report_data = report_data;
  return report;
}

SnpReport signed_report(const SnpPki& pki, const SnpReport& report) {
  return parse_snp_report(pki.sign_report(report)).value();
}

Verification verify_made(const SnpPki& pki, const SnpReport& report,
                         const SnpEndorsements& endorsements,
                         const ByteArray<64>& expected_report_data, Instant now) {
  const AnchorOrigin origin =
      is_marked_simulated(pki.ark()) ? AnchorOrigin::kSimulated : AnchorOrigin::kPrivate;
  return SnpVerifier({anchor_of(pki, origin)})
      .verify(report, endorsements, expected_report_data, now);
}

Verified<EvidenceClaims> verified(const SnpPki& pki, const ByteArray<64>& report_data) {
  return verify_made(pki, signed_report(pki, report_for(pki, report_data)), endorsements_of(pki),
                     report_data)
      .claims.value();
}

Verified<Attested> attested(const SnpPki& pki, const Statement& s) {
  const Bytes bytes = encode_statement(s);
  return StatementBinder::bind_statement(verified(pki, report_data_for(bytes)), bytes)
      .attested.value();
}

namespace {

std::string common_policy(std::string_view role) {
  const TrustAnchor anchor = anchor_of(shared_pki());
  std::string out;
  out += "format = \"ensconce-policy/1\"\n";
  out += "role = \"" + std::string(role) + "\"\n";
  out += "[anchors]\n";
  out += "accept = [\"vendor\"]\n";
  out += "[[anchors.listed]]\n";
  out += "spki_sha256 = \"" + to_hex(anchor.spki_sha256) + "\"\n";
  out += "origin = \"simulated\"\n";
  out += "product = \"Milan\"\n";
  out += "[snp]\n";
  out += "report_version = { at_least = 3 }\n";
  out += "measurement = { exactly = \"" + to_hex(measurement()) + "\" }\n";
  out += "measurement_covers = \"process\"\n";
  out += "guest_policy = { unconstrained = \"its bits are judged one by one\" }\n";
  out += "guest_svn = { at_least = 0 }\n";
  out += "family_id = { unconstrained = \"no ID block\" }\n";
  out += "image_id = { unconstrained = \"no ID block\" }\n";
  out += "debug = { exactly = false }\n";
  out += "migration_agent = { exactly = false }\n";
  out += "smt = { exactly = true }\n";
  out += "vmpl = { exactly = 0 }\n";
  out += "signing_key = { exactly = \"vcek\" }\n";
  out += "product = { one_of = [\"Milan\", \"Genoa\"] }\n";
  out += "host_data = { exactly = \"" + std::string(64, '0') + "\" }\n";
  out += "id_key_digest = { unconstrained = \"no ID block\" }\n";
  out += "author_key_digest = { unconstrained = \"no ID block\" }\n";
  out += "chip_id = { unconstrained = \"any machine\" }\n";
  out += "minimum_tcb = { at_least = { bootloader = 4, tee = 0, snp = 24, microcode = 219 } }\n";
  out += "platform_info = { unconstrained = \"the provider's affair\" }\n";
  out += "crl = \"required\"\n";
  out += "[security]\n";
  out += "padding = { exactly = \"none\" }\n";
  out += "tenancy = { one_of = [\"shared\", \"single\"] }\n";
  out += "sandbox = { exactly = \"none\" }\n";
  out += "software = { exactly = \"ensconce-worker 0.1.0\" }\n";
  out += "owner_keys = { one_of = [\"" + to_hex(owner_key().bytes) + "\"] }\n";
  out += "broker_key = { exactly = \"" + to_hex(broker_key().public_key().bytes) + "\" }\n";
  return out;
}

}  // namespace

std::string client_policy() {
  std::string out = common_policy("client");
  out += "[freshness]\n";
  out += "evidence_age = { at_most = \"20m\" }\n";
  out += "broker_key = { exactly = \"" + to_hex(broker_key().public_key().bytes) + "\" }\n";
  out += "[[model]]\n";
  out += "name = \"line-reader\"\n";
  out += "owner_key = { exactly = \"" + to_hex(owner_key().bytes) + "\" }\n";
  out += "minimum_version = { at_least = 3 }\n";
  return out;
}

std::string broker_policy() { return common_policy("broker"); }

AppraisalPolicy parsed(const std::string& policy) {
  auto out = AppraisalPolicy::parse(policy, "made.toml");
  if (!out) {
    std::fprintf(stderr, "%s\n", out.error().to_string().c_str());
  }
  return std::move(out).value();
}

std::string with(std::string policy, std::string_view section, std::string_view key,
                 std::string_view line) {
  const std::size_t head = policy.find("\n" + std::string(section) + "\n");
  ENSC_CHECK(head != std::string::npos);
  const std::size_t at = policy.find("\n" + std::string(key) + " = ", head + 1);
  ENSC_CHECK(at != std::string::npos);
  const std::size_t end = policy.find('\n', at + 1);
  return policy.replace(at + 1, end - at - 1, line);
}

std::optional<bool> holds(const std::vector<Check>& checks, std::string_view id) {
  const auto found = std::find_if(checks.begin(), checks.end(),
                                  [&](const Check& check) { return check.id == id; });
  ENSC_CHECK(found != checks.end());
  return found->holds;
}

}  // namespace ensconce::made
