#include "ensconce/attestation/verify/snp_verifier.h"

#include <algorithm>

#include "chain_words.h"
#include "ensconce/base/check.h"
#include "ensconce/base/printable.h"

namespace ensconce {
namespace {

using E = AttestationError;
using internal::ca_text;
using internal::outcome;
using internal::quoted;
using internal::unknown_critical_extensions;
constexpr auto kPss = Certificate::Scheme::kRsaPssSha384;

std::string text_of(const TcbVersion& tcb) {
  std::string out;
  if (tcb.fmc.has_value()) {
    out = "fmc " + std::to_string(*tcb.fmc) + ", ";
  }
  return out + "bootloader " + std::to_string(tcb.bootloader) + ", tee " + std::to_string(tcb.tee) +
         ", snp " + std::to_string(tcb.snp) + ", microcode " + std::to_string(tcb.microcode);
}

// One verification: what is judged, and what was found so far.
struct Case {
  const SnpReport& report;
  const SnpEndorsements& chain;
  Instant now;
  Signatures signatures;
  CheckLog log;
  EvidenceClaims claims;
  SnpFacts facts;
};

// ---- Root ------------------------------------------------------------------------------------

// One root may be listed more than once, by owners who do not know of each other. The listing that
// says of it what it says itself counts; another one explains a refusal, and never causes it.
std::vector<TrustAnchor>::const_iterator find_anchor(const Certificate& ark,
                                                     const Sha256Digest& key,
                                                     const std::vector<TrustAnchor>& anchors) {
  const auto listed = [&](const TrustAnchor& anchor) {
    return anchor.spki_sha256 == key && snp_product_from_name(anchor.product).has_value();
  };
  const std::string cn = ark.subject_cn();
  const bool marked = is_marked_simulated(ark);
  const auto fitting = std::find_if(anchors.begin(), anchors.end(), [&](const TrustAnchor& anchor) {
    return listed(anchor) && cn == "ARK-" + anchor.product &&
           marked == (anchor.origin == AnchorOrigin::kSimulated);
  });
  return fitting != anchors.end() ? fitting : std::find_if(anchors.begin(), anchors.end(), listed);
}

// AMD 57230: the ARK is the one thing taken on faith; its key is compared, not its name.
void verify_root(Case& c, const std::vector<TrustAnchor>& anchors) {
  const Certificate& ark = c.chain.ark;
  const Sha256Digest key = ark.spki_sha256();
  const auto anchor = find_anchor(ark, key, anchors);
  const bool pinned = anchor != anchors.end();
  const bool marked = is_marked_simulated(ark);
  const std::string mark = marked ? " (a SIMULATED processor's root)" : "";
  ENSC_REQUIRE(
      c.log, E::kArkPinned, pinned,
      "the key of one of " + std::to_string(anchors.size()) + " trust anchors",
      pinned ? std::string(name_of(anchor->origin)) + " " + anchor->product + " " + to_hex(key)
             : quoted(ark.subject_cn()) + mark + " with key " + to_hex(key));
  if (!pinned) {
    return;
  }
  c.claims.anchor = *anchor;
  c.facts.product = *snp_product_from_name(anchor->product);
  const Result<void> self = c.signatures.certificate(ark, ark, kPss);
  ENSC_REQUIRE(c.log, E::kArkSelfSigned, self.has_value(), "the root's signature over itself",
               outcome(self));
  ENSC_REQUIRE(c.log, E::kArkOrigin, marked == (anchor->origin == AnchorOrigin::kSimulated),
               marked ? "listed as simulated" : "not listed as simulated",
               "listed as " + std::string(name_of(anchor->origin)));
}

// ---- Chain -----------------------------------------------------------------------------------

// AMD 57230: names of each role; RFC 5280 section 6.1.3 (a)(4): names chain.
void verify_names(Case& c) {
  const bool vlek = c.report.signing_key == SnpSigningKey::kVlek;
  const std::string product(name_of(c.facts.product));
  const std::string ark = "ARK-" + product;
  const std::string ask = (vlek ? "SEV-VLEK-" : "SEV-") + product;
  const std::string vek = vlek ? "SEV-VLEK" : "SEV-VCEK";
  const bool holds = c.chain.ark.subject_cn() == ark && c.chain.ask.subject_cn() == ask &&
                     c.chain.vek.subject_cn() == vek && c.chain.ark.self_issued() &&
                     c.chain.ask.issued_by_name(c.chain.ark) &&
                     c.chain.vek.issued_by_name(c.chain.ask);
  ENSC_REQUIRE(c.log, E::kChainNames, holds, ark + " > " + ask + " > " + vek,
               printable(c.chain.ark.subject_cn()) + " > " + printable(c.chain.ask.subject_cn()) +
                   " > " + printable(c.chain.vek.subject_cn()) + " (issued by " +
                   printable(c.chain.vek.issuer_cn()) + ")");
}

void verify_ca(Case& c) {
  const auto& [vek, ask, ark, crls] = c.chain;
  const bool holds = ark.is_ca() && ark.may_sign_certificates() && ask.is_ca() &&
                     ask.may_sign_certificates() && !vek.is_ca();
  ENSC_REQUIRE(
      c.log, E::kChainCa, holds, "root CA, intermediate CA, chip no CA",
      "root " + ca_text(ark) + ", intermediate " + ca_text(ask) + ", chip " + ca_text(vek));
}

void verify_critical_extensions(Case& c) {
  const std::string unknown =
      unknown_critical_extensions({&c.chain.ark, &c.chain.ask, &c.chain.vek});
  ENSC_REQUIRE(c.log, E::kChainCriticalExtensions, unknown.empty(),
               "keyUsage and basicConstraints alone",
               unknown.empty() ? "no other" : printable(unknown));
}

void verify_signatures(Case& c) {
  const Result<void> ask = c.signatures.certificate(c.chain.ask, c.chain.ark, kPss);
  ENSC_REQUIRE(c.log, E::kIntermediateSignature, ask.has_value(),
               "a signature by " + quoted(c.chain.ark.subject_cn()), outcome(ask));
  const Result<void> vek = c.signatures.certificate(c.chain.vek, c.chain.ask, kPss);
  ENSC_REQUIRE(c.log, E::kVekSignature, vek.has_value(),
               "a signature by " + quoted(c.chain.ask.subject_cn()), outcome(vek));
}

// ---- Report and certificate ------------------------------------------------------------------

// AMD 56860: the signature covers bytes 0x000 to 0x29f. They are written again from the fields, so
// that what is shown is what was signed.
void verify_report_signature(Case& c) {
  const Result<EcPublicKey> key = c.chain.vek.ec_public_key();
  const bool on_p384 = key.has_value() && key->curve() == Curve::kP384;
  ENSC_REQUIRE(c.log, E::kVekKey, on_p384, "a key on P-384",
               on_p384 ? "a key on P-384" : "another key");
  if (!on_p384) {
    return;
  }
  const Bytes bytes = write_snp_report(c.report);
  const Bytes signature = concat({c.report.signature_r, c.report.signature_s});
  const Result<void> holds =
      c.signatures.ecdsa(*key, ByteView(bytes).first(kSnpSignedLen), signature);
  ENSC_REQUIRE(c.log, E::kReportSignature, holds.has_value(), "a signature by the chip's key",
               outcome(holds));
}

void verify_kind(Case& c, const SnpVekExtensions& vek) {
  const bool vlek = c.report.signing_key == SnpSigningKey::kVlek;
  const bool holds = vlek ? !vek.hwid.has_value() : vek.hwid.has_value() && !vek.csp_id.has_value();
  const std::string_view expected = name_of(c.report.signing_key);
  ENSC_REQUIRE(c.log, E::kVekKind, holds, "a " + std::string(expected),
               vek.hwid.has_value() ? "a certificate with a hwID (vcek)"
                                    : "a certificate without a hwID (vlek)");
}

// 57230: productName1 is the product, perhaps with a stepping ("Milan-B0").
void verify_product(Case& c, const SnpVekExtensions& vek) {
  const std::string_view expected = name_of(c.facts.product);
  const std::string& name = vek.product_name;
  const bool cert_holds = name == expected || name.starts_with(std::string(expected) + "-");
  bool cpuid_holds = true;
  std::string cpuid = "no CPUID (version 2)";
  if (c.report.version != 2) {
    const auto product = c.report.cpuid_product();
    cpuid_holds = product == c.facts.product;
    cpuid = product.has_value() ? "CPUID " + std::string(name_of(*product)) : "CPUID not known";
  }
  ENSC_REQUIRE(c.log, E::kVekProduct, cert_holds && cpuid_holds, std::string(expected),
               "certificate " + printable(name) + ", " + cpuid);
}

void verify_tcb(Case& c, const SnpVekExtensions& vek) {
  const TcbVersion& reported = c.facts.reported_tcb;
  const TcbVersion certified{.fmc = vek.fmc,
                             .bootloader = vek.bootloader,
                             .tee = vek.tee,
                             .snp = vek.snp,
                             .microcode = vek.microcode};
  Bytes spare;
  if (vek.spl4.has_value()) {
    spare.push_back(*vek.spl4);
  }
  spare.insert(spare.end(), {vek.spl5, vek.spl6, vek.spl7});
  const Bytes reported_spare = snp_reserved_tcb(c.report.reported_tcb, c.facts.product);
  ENSC_REQUIRE(c.log, E::kVekTcb, reported == certified && spare == reported_spare,
               text_of(reported) + ", reserved " + to_hex(reported_spare),
               text_of(certified) + ", reserved " + to_hex(spare));
}

// 57230: a VCEK is one chip's. Turin's hwID has 8 bytes, and the rest of CHIP_ID is zero; 64 are
// taken as well. A VLEK names no chip.
void verify_chip_id(Case& c, const SnpVekExtensions& vek) {
  const ByteView chip(c.report.chip_id);
  if (c.report.signing_key == SnpSigningKey::kVlek) {
    c.log.not_applied(E::kVekChipId, "a hwID", "a VLEK names no chip");
    return;
  }
  const Bytes hwid = vek.hwid.value_or(Bytes());
  bool holds = false;
  if (!all_zero(chip) && hwid.size() == 64) {
    holds = equal(hwid, chip);
  } else if (!all_zero(chip) && hwid.size() == 8 && c.facts.product == SnpProduct::kTurin) {
    holds = equal(hwid, chip.first(8)) && all_zero(chip.subspan(8));
  }
  ENSC_REQUIRE(c.log, E::kVekChipId, holds, to_hex(chip), to_hex(hwid));
}

void verify_against_certificate(Case& c) {
  const auto vek = parse_snp_vek_extensions(c.chain.vek);
  ENSC_REQUIRE(c.log, E::kVekExtensions, vek.has_value(), "the extensions of a VCEK or VLEK",
               vek ? "all there" : printable(vek.error().detail(), 256));
  if (!vek) {
    return;
  }
  const SnpProduct product = c.facts.product;
  c.facts.current_tcb = tcb_from_raw(c.report.current_tcb, product);
  c.facts.reported_tcb = tcb_from_raw(c.report.reported_tcb, product);
  c.facts.committed_tcb = tcb_from_raw(c.report.committed_tcb, product);
  c.facts.launch_tcb = tcb_from_raw(c.report.launch_tcb, product);
  c.facts.csp_id = vek->csp_id.value_or("");
  verify_kind(c, *vek);
  verify_product(c, *vek);
  verify_tcb(c, *vek);
  verify_chip_id(c, *vek);
}

// ---- Validity and revocation -----------------------------------------------------------------

void verify_validity(Case& c) {
  Instant from{0};
  Instant until{c.chain.ark.not_after()};
  for (const Certificate* certificate : {&c.chain.ark, &c.chain.ask, &c.chain.vek}) {
    from = std::max(from, certificate->not_before());
    until = std::min(until, certificate->not_after());
  }
  ENSC_REQUIRE(c.log, E::kCertNotYetValid, from <= c.now, "not before " + to_rfc3339(from),
               to_rfc3339(c.now));
  ENSC_REQUIRE(c.log, E::kCertExpired, c.now <= until, "not after " + to_rfc3339(until),
               to_rfc3339(c.now));
  c.claims.endorsed_until = until;
}

// AMD 57230: the ARK's lists name intermediates; no list exists for chips, whose certificates all
// have serial 0. There may be several: each must be the root's, the latest in time, and what any of
// them revokes stays revoked.
void verify_crl(Case& c) {
  const std::vector<RevocationList>& lists = c.chain.crls;
  if (lists.empty()) {
    for (const E code : {E::kCrlSignature, E::kCrlTime, E::kCrlRevoked}) {
      c.log.not_applied(code, "a revocation list", "none was given");
    }
    return;
  }
  const bool may_sign = c.chain.ark.may_sign_crls();
  std::string signatures = "holds";
  bool revoked = false;
  for (const RevocationList& list : lists) {
    const Result<void> signature = c.signatures.list(list, c.chain.ark, kPss);
    if (!may_sign || !list.issued_by_name(c.chain.ark)) {
      signatures = "a list by somebody else";
    } else if (!signature) {
      signatures = outcome(signature);
    }
    revoked = revoked || list.lists(c.chain.ask);
  }
  ENSC_REQUIRE(c.log, E::kCrlSignature, signatures == "holds",
               (lists.size() == 1 ? "a list by " : std::to_string(lists.size()) + " lists by ") +
                   quoted(c.chain.ark.subject_cn()),
               signatures);
  const RevocationList& latest = *std::max_element(
      lists.begin(), lists.end(), [](const RevocationList& a, const RevocationList& b) {
        return a.this_update() < b.this_update();
      });
  const auto next = latest.next_update();
  ENSC_REQUIRE(c.log, E::kCrlTime,
               next.has_value() && latest.this_update() <= c.now && c.now <= *next,
               to_rfc3339(latest.this_update()) + " to " +
                   (next.has_value() ? to_rfc3339(*next) : "no nextUpdate"),
               to_rfc3339(c.now));
  const std::string serial = "serial " + to_hex(c.chain.ask.serial());
  ENSC_REQUIRE(c.log, E::kCrlRevoked, !revoked,
               serial + (lists.size() == 1 ? " not on the list" : " on none of the lists"),
               revoked ? "revoked" : "not on the list");
  if (next.has_value()) {
    c.claims.endorsed_until = std::min(c.claims.endorsed_until, *next);
  }
  c.claims.crl_checked = true;
}

void verify_report_data(Case& c, const ExpectedReportData& expected) {
  const std::string got = to_hex(c.report.report_data);
  if (!expected.has_value()) {
    c.log.not_applied(E::kReportData, "nothing in particular", got);
    return;
  }
  ENSC_REQUIRE(c.log, E::kReportData, c.report.report_data == *expected, to_hex(*expected), got);
}

void verify_case(Case& c, const std::vector<TrustAnchor>& anchors,
                 const ExpectedReportData& expected) {
  verify_root(c, anchors);
  if (!c.log.verdict()) {
    return;  // under a root nobody chose, no signature says anything
  }
  verify_names(c);
  verify_ca(c);
  verify_critical_extensions(c);
  verify_signatures(c);
  verify_report_signature(c);
  verify_against_certificate(c);
  verify_report_data(c, expected);
  verify_validity(c);
  verify_crl(c);
}

}  // namespace

Verification SnpVerifier::verify(const SnpReport& report, const SnpEndorsements& endorsements,
                                 const ExpectedReportData& expected, Instant now) const {
  Case c{report, endorsements, now, Signatures(memo_), {}, {}, {}};
  c.claims.kind = EvidenceKind::kSnp;
  c.claims.report_data = report.report_data;
  c.facts.report = report;
  verify_case(c, anchors_, expected);
  const Result<void> verdict = c.log.verdict();
  if (!verdict) {
    return {c.log.checks(), verdict.error()};
  }
  c.claims.hardware = std::move(c.facts);
  c.claims.checks = c.log.checks();
  return {c.log.checks(), Verified<EvidenceClaims>(std::move(c.claims))};
}

}  // namespace ensconce
