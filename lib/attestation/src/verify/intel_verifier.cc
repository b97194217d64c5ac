#include "ensconce/attestation/verify/intel_verifier.h"

#include <algorithm>

#include "chain_words.h"
#include "ensconce/base/printable.h"
#include "intel_tcb.h"

namespace ensconce {
namespace {

using E = AttestationError;
using internal::ca_text;
using internal::outcome;
using internal::quoted;
using internal::TcbFindings;
using internal::TdxModuleFinding;
using internal::unknown_critical_extensions;
constexpr auto kEcdsa = Certificate::Scheme::kEcdsaSha256;

constexpr std::string_view kPlatformCaName = "Intel SGX PCK Platform CA";
constexpr std::string_view kProcessorCaName = "Intel SGX PCK Processor CA";
constexpr std::string_view kPckName = "Intel SGX PCK Certificate";
constexpr std::string_view kSigningName = "Intel SGX TCB Signing";
constexpr ByteArray<16> kIntelQeVendor{0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9,
                                       0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07};

std::string span_of(Instant from, Instant until) {
  return to_rfc3339(from) + " to " + to_rfc3339(until);
}

Bytes masked(ByteView bytes, ByteView mask) {
  Bytes out = to_bytes(bytes);
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] &= mask[i];
  }
  return out;
}

// One verification: what is judged, and what was found so far.
struct Case {
  const IntelQuote& quote;
  const IntelEndorsements& endorsed;
  Instant now;
  Signatures signatures;
  CheckLog log;
  EvidenceClaims claims;
  std::optional<PckExtensions> pck;
  TcbFindings tcb;
};

void ends(Case& c, Instant until) {
  c.claims.endorsed_until = std::min(c.claims.endorsed_until, until);
}

// The key of a certificate, if it is on the one curve Intel uses.
std::optional<EcPublicKey> p256_key(const Certificate& certificate) {
  const Result<EcPublicKey> key = certificate.ec_public_key();
  return key.has_value() && key->curve() == Curve::kP256 ? std::optional(*key) : std::nullopt;
}

// ---- Root ------------------------------------------------------------------------------------

// One root may be listed more than once, by owners who do not know of each other. The listing that
// says of it what it says itself counts; another one explains a refusal, and never causes it.
std::vector<TrustAnchor>::const_iterator find_anchor(const Certificate& root,
                                                     const Sha256Digest& key,
                                                     const std::vector<TrustAnchor>& anchors) {
  const auto listed = [&](const TrustAnchor& anchor) {
    return anchor.spki_sha256 == key && anchor.product == kIntelProduct;
  };
  const bool marked = is_marked_simulated(root);
  const auto fitting = std::find_if(anchors.begin(), anchors.end(), [&](const TrustAnchor& anchor) {
    return listed(anchor) && marked == (anchor.origin == AnchorOrigin::kSimulated);
  });
  return fitting != anchors.end() ? fitting : std::find_if(anchors.begin(), anchors.end(), listed);
}

// The SGX Root CA is the one thing taken on faith; its key is compared, not its name.
void verify_root(Case& c, const std::vector<TrustAnchor>& anchors) {
  const Certificate& root = c.endorsed.root;
  const Sha256Digest key = root.spki_sha256();
  const auto anchor = find_anchor(root, key, anchors);
  const bool pinned = anchor != anchors.end();
  const bool marked = is_marked_simulated(root);
  const std::string mark = marked ? " (a SIMULATED processor's root)" : "";
  if (!ENSC_REQUIRE(
          c.log, E::kIntelRootPinned, pinned,
          "the key of one of " + std::to_string(anchors.size()) + " trust anchors",
          pinned ? std::string(name_of(anchor->origin)) + " " + anchor->product + " " + to_hex(key)
                 : quoted(root.subject_cn()) + mark + " with key " + to_hex(key))) {
    return;
  }
  const AnchorOrigin origin = pinned ? anchor->origin : AnchorOrigin::kPrivate;
  c.claims.anchor = pinned ? *anchor : TrustAnchor{key, std::string(kIntelProduct), origin};
  const Result<void> self = c.signatures.certificate(root, root, kEcdsa);
  ENSC_REQUIRE(c.log, E::kIntelRootSelfSigned, self.has_value(), "the root's signature over itself",
               outcome(self));
  ENSC_REQUIRE(c.log, E::kIntelOrigin, marked == (origin == AnchorOrigin::kSimulated),
               marked ? "listed as simulated" : "not listed as simulated",
               "listed as " + std::string(name_of(origin)));
}

// Intel SGX DCAP API appendix A: other quoting enclaves have other rules.
void verify_vendor(Case& c) {
  ENSC_REQUIRE(c.log, E::kQeVendor, c.quote.qe_vendor_id == kIntelQeVendor, to_hex(kIntelQeVendor),
               to_hex(c.quote.qe_vendor_id));
}

// ---- PCK chain -------------------------------------------------------------------------------

// PCK Certificate and CRL Profile: names of each role; RFC 5280 section 6.1.3 (a)(4): names chain.
void verify_names(Case& c) {
  const Certificate& root = c.endorsed.root;
  const Certificate& ca = c.endorsed.pck_ca;
  const Certificate& pck = c.endorsed.pck;
  const std::string ca_name = ca.subject_cn();
  const bool holds = root.subject_cn() == kIntelRootName && root.self_issued() &&
                     (ca_name == kPlatformCaName || ca_name == kProcessorCaName) &&
                     ca.issued_by_name(root) && pck.subject_cn() == kPckName &&
                     pck.issued_by_name(ca);
  ENSC_REQUIRE(c.log, E::kIntelNames, holds,
               std::string(kIntelRootName) + " > " + std::string(kPlatformCaName) + " or " +
                   std::string(kProcessorCaName) + " > " + std::string(kPckName),
               printable(root.subject_cn()) + " > " + printable(ca_name) + " > " +
                   printable(pck.subject_cn()) + " (issued by " + printable(pck.issuer_cn()) + ")");
}

void verify_ca(Case& c) {
  const Certificate& root = c.endorsed.root;
  const Certificate& ca = c.endorsed.pck_ca;
  const Certificate& pck = c.endorsed.pck;
  const bool holds = root.is_ca() && root.may_sign_certificates() && ca.is_ca() &&
                     ca.may_sign_certificates() && !pck.is_ca();
  ENSC_REQUIRE(c.log, E::kIntelCa, holds, "root CA, PCK CA a CA, PCK no CA",
               "root " + ca_text(root) + ", PCK CA " + ca_text(ca) + ", PCK " + ca_text(pck));
}

void verify_critical_extensions(Case& c) {
  const std::string unknown = unknown_critical_extensions(
      {&c.endorsed.root, &c.endorsed.pck_ca, &c.endorsed.pck, &c.endorsed.tcb_signing});
  ENSC_REQUIRE(c.log, E::kIntelCriticalExtensions, unknown.empty(),
               "keyUsage and basicConstraints alone",
               unknown.empty() ? "no other" : printable(unknown));
}

void verify_chain_signatures(Case& c) {
  const Result<void> ca = c.signatures.certificate(c.endorsed.pck_ca, c.endorsed.root, kEcdsa);
  ENSC_REQUIRE(c.log, E::kPckCaSignature, ca.has_value(),
               "a signature by " + quoted(c.endorsed.root.subject_cn()), outcome(ca));
  const Result<void> pck = c.signatures.certificate(c.endorsed.pck, c.endorsed.pck_ca, kEcdsa);
  ENSC_REQUIRE(c.log, E::kPckSignature, pck.has_value(),
               "a signature by " + quoted(c.endorsed.pck_ca.subject_cn()), outcome(pck));
}

// The SGX extension says what the platform is; what depends on it is left out where it is missing.
void verify_pck_extension(Case& c) {
  const auto pck = parse_pck_extensions(c.endorsed.pck);
  ENSC_REQUIRE(c.log, E::kPckExtension, pck.has_value(), "the SGX extension of a PCK certificate",
               pck ? "all there" : printable(pck.error().detail(), 256));
  if (pck) {
    c.pck = *pck;
  }
}

void verify_validity(Case& c) {
  Instant from{0};
  Instant until{c.endorsed.root.not_after()};
  for (const Certificate* certificate :
       {&c.endorsed.root, &c.endorsed.pck_ca, &c.endorsed.pck, &c.endorsed.tcb_signing}) {
    from = std::max(from, certificate->not_before());
    until = std::min(until, certificate->not_after());
  }
  ENSC_REQUIRE(c.log, E::kIntelCertNotYetValid, from <= c.now, "not before " + to_rfc3339(from),
               to_rfc3339(c.now));
  ENSC_REQUIRE(c.log, E::kIntelCertExpired, c.now <= until, "not after " + to_rfc3339(until),
               to_rfc3339(c.now));
  c.claims.endorsed_until = until;
}

// ---- Revocation ------------------------------------------------------------------------------

struct CrlRules {
  E signature;
  E time;
  E revoked;
};

// RFC 5280 section 6.3.3. A list that is not there is not applied: whether it must be is policy.
void verify_crl(Case& c, const std::optional<RevocationList>& list, const CrlRules& rules,
                const Certificate& issuer, std::initializer_list<const Certificate*> listed) {
  if (!list.has_value()) {
    for (const E code : {rules.signature, rules.time, rules.revoked}) {
      c.log.not_applied(code, "a revocation list", "none was given");
    }
    return;
  }
  const Result<void> signature = c.signatures.list(*list, issuer, kEcdsa);
  const bool by_issuer = list->issued_by_name(issuer) && issuer.may_sign_crls();
  ENSC_REQUIRE(c.log, rules.signature, by_issuer && signature.has_value(),
               "a list by " + quoted(issuer.subject_cn()),
               by_issuer ? outcome(signature) : "a list by somebody else");
  const auto next = list->next_update();
  ENSC_REQUIRE(
      c.log, rules.time, next.has_value() && list->this_update() <= c.now && c.now <= *next,
      to_rfc3339(list->this_update()) + " to " + (next ? to_rfc3339(*next) : "no nextUpdate"),
      to_rfc3339(c.now));
  std::string wanted;
  std::string found;
  for (const Certificate* certificate : listed) {
    const std::string serial = to_hex(certificate->serial());
    wanted += (wanted.empty() ? "serial " : ", ") + serial;
    found += list->lists(*certificate) ? (found.empty() ? "revoked: " : ", ") + serial : "";
  }
  ENSC_REQUIRE(c.log, rules.revoked, found.empty(), wanted + " not on the list",
               found.empty() ? "not on the list" : found);
  if (next.has_value()) {
    ends(c, *next);
  }
}

void verify_revocation(Case& c) {
  verify_crl(c, c.endorsed.root_crl, {E::kRootCrlSignature, E::kRootCrlTime, E::kRootCrlRevoked},
             c.endorsed.root, {&c.endorsed.pck_ca, &c.endorsed.tcb_signing});
  verify_crl(c, c.endorsed.pck_crl, {E::kPckCrlSignature, E::kPckCrlTime, E::kPckCrlRevoked},
             c.endorsed.pck_ca, {&c.endorsed.pck});
  c.claims.crl_checked = c.endorsed.root_crl.has_value() && c.endorsed.pck_crl.has_value();
}

// ---- Collateral ------------------------------------------------------------------------------

// TCBSigningChain: the root issues the signer of TCB info and QE identity itself.
void verify_signing_chain(Case& c) {
  const Certificate& signing = c.endorsed.tcb_signing;
  const Certificate& root = c.endorsed.root;
  const Result<void> signature = c.signatures.certificate(signing, root, kEcdsa);
  const bool named = signing.subject_cn() == kSigningName && signing.issued_by_name(root);
  const bool of_role = !signing.is_ca() && p256_key(signing).has_value();
  ENSC_REQUIRE(c.log, E::kTcbSigningChain, named && of_role && signature.has_value(),
               std::string(kSigningName) + " under " + quoted(root.subject_cn()) +
                   ", no CA, with a key on P-256",
               quoted(signing.subject_cn()) + " issued by " + quoted(signing.issuer_cn()) + ", " +
                   (signing.is_ca() ? "CA" : "no CA") + ", signature: " + outcome(signature));
}

// The signature is over the bytes as sent; whatever was read of them is nobody's word without it.
Result<void> signed_by_tcb_key(const Case& c, const Bytes& bytes, const ByteArray<64>& signature) {
  ENSC_TRY_ASSIGN(const EcPublicKey key, c.endorsed.tcb_signing.ec_public_key());
  return c.signatures.ecdsa(key, bytes, signature);
}

void verify_tcb_info(Case& c) {
  const TcbInfo& info = c.endorsed.tcb_info;
  const Result<void> signature = signed_by_tcb_key(c, info.signed_bytes, info.signature);
  ENSC_REQUIRE(c.log, E::kTcbInfoSignature, signature.has_value(),
               "a signature by " + quoted(c.endorsed.tcb_signing.subject_cn()), outcome(signature));
  ENSC_REQUIRE(c.log, E::kTcbInfoTime, info.issued <= c.now && c.now <= info.next_update,
               span_of(info.issued, info.next_update), to_rfc3339(c.now));
  ends(c, info.next_update);
  ENSC_REQUIRE(c.log, E::kTcbInfoTee, info.is_tdx == c.quote.is_tdx(),
               c.quote.is_tdx() ? "TDX" : "SGX", info.is_tdx ? "TDX" : "SGX");
  if (c.pck.has_value()) {
    ENSC_REQUIRE(c.log, E::kTcbInfoPlatform,
                 info.fmspc == c.pck->fmspc && info.pce_id == c.pck->pce_id,
                 "fmspc " + to_hex(c.pck->fmspc) + ", pceId " + to_hex(c.pck->pce_id),
                 "fmspc " + to_hex(info.fmspc) + ", pceId " + to_hex(info.pce_id));
  }
}

void verify_qe_identity(Case& c) {
  const QeIdentity& identity = c.endorsed.qe_identity;
  const Result<void> signature = signed_by_tcb_key(c, identity.signed_bytes, identity.signature);
  ENSC_REQUIRE(c.log, E::kQeIdentitySignature, signature.has_value(),
               "a signature by " + quoted(c.endorsed.tcb_signing.subject_cn()), outcome(signature));
  ENSC_REQUIRE(c.log, E::kQeIdentityTime, identity.issued <= c.now && c.now <= identity.next_update,
               span_of(identity.issued, identity.next_update), to_rfc3339(c.now));
  ends(c, identity.next_update);
  const std::string id = c.quote.is_tdx() ? "TD_QE" : "QE";
  ENSC_REQUIRE(c.log, E::kQeIdentityTee, identity.id == id, id, printable(identity.id));
}

// ---- TDX module ------------------------------------------------------------------------------

std::string text_of(const TdxModuleFinding& module) {
  return (module.id.empty() ? "tdxModule" : module.id) + (module.known ? "" : " (not known)");
}

// TdxModuleCheck: of major version 0 there is one module, later ones have identities of their own.
void verify_module_identity(Case& c, const TdxModuleFinding& module) {
  const auto& running = c.tcb.running;
  // Of the module that runs now, TDRelaunchCheck asks the levels alone where it has no identity.
  const bool running_known = !running.has_value() || running->id.empty() || running->known;
  ENSC_REQUIRE(c.log, E::kTdxModuleIdentity, module.known && running_known,
               "a module of the TCB info",
               text_of(module) + (running ? ", now " + text_of(*running) : ""));
}

void verify_module_signer(Case& c, const TdReport& td, const TdxModule& module) {
  const bool signer = td.mr_signer_seam == module.mr_signer;
  const bool attributes =
      all_zero(td.seam_attributes) && masked(td.seam_attributes, module.attributes_mask) ==
                                          masked(module.attributes, module.attributes_mask);
  ENSC_REQUIRE(c.log, E::kTdxModuleSigner, signer && attributes,
               "MRSIGNERSEAM " + to_hex(module.mr_signer) + ", SEAMATTRIBUTES zero and " +
                   to_hex(module.attributes) + " under " + to_hex(module.attributes_mask),
               "MRSIGNERSEAM " + to_hex(td.mr_signer_seam) + ", SEAMATTRIBUTES " +
                   to_hex(td.seam_attributes));
}

void verify_module_level(Case& c, const TdReport& td, const TdxModuleFinding& module) {
  const std::string svn = "SVN " + std::to_string(td.tee_tcb_svn[0]);
  if (module.id.empty()) {
    c.log.not_applied(E::kTdxModuleLevel, "a module with an identity",
                      svn + " is a component of the TCB level");
    return;
  }
  ENSC_REQUIRE(c.log, E::kTdxModuleLevel, module.level != nullptr, "a level of " + module.id,
               module.level != nullptr ? svn + ": " + std::string(name_of(module.level->status))
                                       : svn + " reaches none");
}

void verify_tdx_module(Case& c) {
  const auto* td = std::get_if<TdReport>(&c.quote.body);
  if (td == nullptr) {
    return;  // an enclave has none
  }
  const TdxModuleFinding& module = *c.tcb.module;
  verify_module_identity(c, module);
  if (module.known) {
    verify_module_signer(c, *td, *module.module);
    verify_module_level(c, *td, module);
  }
}

// ---- Quoting enclave and quote ---------------------------------------------------------------

// DCAP API appendix A: the PCK signs the QE report, the QE report names the attestation key, the
// attestation key signs the quote. What is signed is written again from the fields, so that what
// is shown is what was signed.
void verify_qe_signature(Case& c) {
  const std::optional<EcPublicKey> key = p256_key(c.endorsed.pck);
  ENSC_REQUIRE(c.log, E::kPckKey, key.has_value(), "a key on P-256",
               key ? "a key on P-256" : "another key");
  if (!key.has_value()) {
    return;
  }
  const Bytes report = write_sgx_report(c.quote.qe_report);
  const Result<void> holds = c.signatures.ecdsa(*key, report, c.quote.qe_report_signature);
  ENSC_REQUIRE(c.log, E::kQeSignature, holds.has_value(), "a signature by the PCK", outcome(holds));
}

void verify_qe_binding(Case& c) {
  const Bytes bound = concat({c.quote.attestation_key, c.quote.qe_auth_data});
  const Bytes expected = concat({sha256(bound), ByteArray<32>{}});
  ENSC_REQUIRE(c.log, E::kQeBinding, equal(c.quote.qe_report.report_data, expected),
               to_hex(expected), to_hex(c.quote.qe_report.report_data));
}

Result<void> signed_by_attestation_key(const Case& c) {
  const Bytes point = concat({ByteArray<1>{4}, c.quote.attestation_key});
  ENSC_TRY_ASSIGN(const EcPublicKey key, EcPublicKey::from_point(Curve::kP256, point));
  return c.signatures.ecdsa(key, intel_quote_signed_part(c.quote), c.quote.signature);
}

void verify_quote_signature(Case& c) {
  const Result<void> holds = signed_by_attestation_key(c);
  ENSC_REQUIRE(c.log, E::kQuoteSignature, holds.has_value(), "a signature by the attestation key",
               outcome(holds));
}

void verify_report_data(Case& c, const ExpectedReportData& expected) {
  const std::string got = to_hex(c.claims.report_data);
  if (!expected.has_value()) {
    c.log.not_applied(E::kIntelReportData, "nothing in particular", got);
    return;
  }
  ENSC_REQUIRE(c.log, E::kIntelReportData, c.claims.report_data == *expected, to_hex(*expected),
               got);
}

// EnclaveReportVerifier: the enclave that made the quote is Intel's quoting enclave.
void verify_qe_report(Case& c) {
  const SgxReport& qe = c.quote.qe_report;
  const QeIdentity& identity = c.endorsed.qe_identity;
  const Bytes misc_select = ByteWriter().u32_le(qe.misc_select).bytes();
  ENSC_REQUIRE(c.log, E::kQeIdentityMiscSelect,
               masked(misc_select, identity.misc_select_mask) ==
                   masked(identity.misc_select, identity.misc_select_mask),
               to_hex(identity.misc_select) + " under " + to_hex(identity.misc_select_mask),
               to_hex(misc_select));
  ENSC_REQUIRE(c.log, E::kQeIdentityAttributes,
               masked(qe.attributes, identity.attributes_mask) ==
                   masked(identity.attributes, identity.attributes_mask),
               to_hex(identity.attributes) + " under " + to_hex(identity.attributes_mask),
               to_hex(qe.attributes));
  ENSC_REQUIRE(c.log, E::kQeIdentityMrSigner, qe.mr_signer == identity.mr_signer,
               to_hex(identity.mr_signer), to_hex(qe.mr_signer));
  ENSC_REQUIRE(c.log, E::kQeIdentityIsvProdId, qe.isv_prod_id == identity.isv_prod_id,
               std::to_string(identity.isv_prod_id), std::to_string(qe.isv_prod_id));
  const std::string svn = "ISVSVN " + std::to_string(qe.isv_svn);
  ENSC_REQUIRE(c.log, E::kQeIdentityLevel, c.tcb.qe != nullptr, "a level of " + identity.id,
               c.tcb.qe != nullptr ? svn + ": " + std::string(name_of(c.tcb.qe->status))
                                   : svn + " reaches none");
}

// ---- TCB -------------------------------------------------------------------------------------

std::string text_of(const TcbLevel* level) {
  return level == nullptr ? "none"
                          : std::string(name_of(level->status)) + " of " + to_rfc3339(level->date);
}

// TcbLevelCheck, then convergence with TDX module and quoting enclave (QuoteVerifier).
void verify_tcb(Case& c) {
  if (!c.pck.has_value()) {
    return;
  }
  const auto* td = std::get_if<TdReport>(&c.quote.body);
  std::string got = "SGX " + text_of(c.tcb.sgx) + (td ? ", TDX " + text_of(c.tcb.tdx) : "") +
                    ", of components " + to_hex(c.pck->components) + ", PCESVN " +
                    std::to_string(c.pck->pce_svn) +
                    (td ? ", TEE_TCB_SVN " + to_hex(td->tee_tcb_svn) : "");
  ENSC_REQUIRE(c.log, E::kIntelTcbLevel, c.tcb.sgx != nullptr && c.tcb.taken() != nullptr,
               "one of " + std::to_string(c.endorsed.tcb_info.levels.size()) + " levels",
               std::move(got));
  if (c.tcb.status.has_value()) {
    ENSC_REQUIRE(c.log, E::kIntelTcbRevoked, *c.tcb.status != IntelTcbStatus::kRevoked,
                 "any status but Revoked", std::string(name_of(*c.tcb.status)));
  }
}

IntelTcb tcb_of(const Case& c) {
  const TcbInfo& info = c.endorsed.tcb_info;
  const QeIdentity& identity = c.endorsed.qe_identity;
  IntelTcb out;
  const auto take = [&](const auto* level, auto& status) {
    if (level != nullptr) {
      status = level->status;
    }
  };
  take(c.tcb.sgx, out.sgx_level);
  take(c.tcb.tdx, out.tdx_level);
  take(c.tcb.qe, out.qe);
  const SvnLevel* module = c.tcb.module.has_value() ? c.tcb.module->level : nullptr;
  take(module, out.tdx_module);
  out.tdx_module_id = c.tcb.module.has_value() ? c.tcb.module->id : std::string();
  out.status = c.tcb.status.value_or(IntelTcbStatus::kRevoked);
  const auto add = [&](const auto* level) {
    if (level != nullptr) {
      out.advisories.insert(out.advisories.end(), level->advisories.begin(),
                            level->advisories.end());
    }
  };
  add(c.tcb.taken());
  add(module);
  add(c.tcb.qe);
  std::sort(out.advisories.begin(), out.advisories.end());
  out.advisories.erase(std::unique(out.advisories.begin(), out.advisories.end()),
                       out.advisories.end());
  out.date = c.tcb.taken() != nullptr ? c.tcb.taken()->date : Instant{};
  out.pck = c.pck.value_or(PckExtensions{});
  out.platform_ca = c.endorsed.pck_ca.subject_cn() == kPlatformCaName;
  out.evaluation_data_number =
      std::min(info.evaluation_data_number, identity.evaluation_data_number);
  out.collateral_issued = std::min(info.issued, identity.issued);
  return out;
}

// ---- Event log -------------------------------------------------------------------------------

// UEFI 2.10 section 38: index 1 to 4 are RTMR0 to RTMR3; index 0 is MRTD, which the TDX module
// measures in another way.
void verify_event_log(Case& c, const EventLog* log) {
  const auto* td = std::get_if<TdReport>(&c.quote.body);
  if (log == nullptr || td == nullptr) {
    c.log.not_applied(E::kEventLogReplay, "an event log of a TD",
                      log == nullptr ? "none was given" : "an enclave has no registers");
    return;
  }
  const std::map<std::uint32_t, Sha384Digest> replayed = replay_sha384(*log);
  std::string differs;
  for (std::uint32_t i = 0; i < std::size(td->rtmr); ++i) {
    const auto found = replayed.find(i + 1);
    const Sha384Digest value = found == replayed.end() ? Sha384Digest{} : found->second;
    if (value != td->rtmr[i]) {
      differs += " RTMR" + std::to_string(i) + " " + to_hex(value);
    }
  }
  for (const auto& [index, value] : replayed) {
    if (index > std::size(td->rtmr)) {
      differs += " register " + std::to_string(index) + ", which does not exist";
      break;
    }
  }
  ENSC_REQUIRE(c.log, E::kEventLogReplay, differs.empty(), "RTMR0 to RTMR3 of the quote",
               differs.empty() ? "the same" : "another:" + differs);
  c.claims.event_log_checked = true;
}

void verify_case(Case& c, const std::vector<TrustAnchor>& anchors,
                 const ExpectedReportData& expected, const EventLog* event_log) {
  verify_root(c, anchors);
  if (!c.log.verdict()) {
    return;  // under a root nobody chose, no signature says anything
  }
  verify_vendor(c);
  verify_names(c);
  verify_ca(c);
  verify_critical_extensions(c);
  verify_chain_signatures(c);
  verify_pck_extension(c);
  verify_validity(c);
  verify_revocation(c);
  verify_signing_chain(c);
  verify_tcb_info(c);
  verify_qe_identity(c);
  c.tcb = internal::find_tcb(c.quote, c.pck.has_value() ? &*c.pck : nullptr, c.endorsed.tcb_info,
                             c.endorsed.qe_identity);
  verify_tdx_module(c);
  verify_qe_signature(c);
  verify_qe_binding(c);
  verify_quote_signature(c);
  verify_report_data(c, expected);
  verify_qe_report(c);
  verify_tcb(c);
  verify_event_log(c, event_log);
}

}  // namespace

Verification IntelVerifier::verify(const IntelQuote& quote, const IntelEndorsements& endorsements,
                                   const ExpectedReportData& expected, Instant now,
                                   const EventLog* event_log) const {
  Case c{quote, endorsements, now, Signatures(memo_), {}, {}, {}, {}};
  c.claims.kind = quote.is_tdx() ? EvidenceKind::kTdx : EvidenceKind::kSgx;
  c.claims.report_data = quote.report_data();
  verify_case(c, anchors_, expected, event_log);
  const Result<void> verdict = c.log.verdict();
  if (!verdict) {
    return {c.log.checks(), verdict.error()};
  }
  if (quote.is_tdx()) {
    c.claims.hardware = TdxFacts{quote, tcb_of(c)};
  } else {
    c.claims.hardware = SgxFacts{quote, tcb_of(c)};
  }
  c.claims.checks = c.log.checks();
  return {c.log.checks(), Verified<EvidenceClaims>(std::move(c.claims))};
}

}  // namespace ensconce
