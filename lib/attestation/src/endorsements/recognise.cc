#include "ensconce/attestation/endorsements/recognise.h"

#include <algorithm>

#include "ensconce/attestation/endorsements/intel_endorsements.h"
#include "ensconce/attestation/evidence/cert_table.h"
#include "ensconce/attestation/evidence/event_log.h"
#include "ensconce/attestation/evidence/evidence_kind.h"
#include "ensconce/attestation/evidence/snp_report.h"
#include "ensconce/codec/base64.h"
#include "ensconce/codec/der.h"
#include "ensconce/codec/json.h"

namespace ensconce {
namespace {

// MSG_REPORT_RSP (AMD 56860, table "MSG_REPORT_RSP"): status, size, 24 reserved bytes, the report.
// The driver hands out a buffer that is larger, and zero behind it.
constexpr std::size_t kReportRspHeadLen = 32;
constexpr std::size_t kMaxReportRsp = 8192;

// The report of SEV and SEV-ES (AMD 55766, command ATTESTATION): MNONCE 16, LAUNCH_DIGEST 32,
// POLICY u32, SIG_USAGE u32, SIG_ALGO u32, reserved u32, signature 144.
constexpr std::size_t kSevReportLen = 208;
constexpr std::size_t kSevPolicyOffset = 48;
constexpr std::uint32_t kSevUsagePek = 0x1002;
constexpr unsigned kSevPolicyEsBit = 2;

// TDX module ABI, TDREPORT_STRUCT: 1024 bytes; REPORTTYPE.TYPE, the first, is 0x81 for a TD.
constexpr std::size_t kTdReportStructLen = 1024;
constexpr std::uint8_t kTdReportType = 0x81;

constexpr std::size_t kMaxPemBlocks = 64;
constexpr std::string_view kPemBegin = "-----BEGIN ";
constexpr std::string_view kPemDashes = "-----";
constexpr std::string_view kSpace = " \t\r\n";

std::string evidence_what(EvidenceKind kind) {
  switch (kind) {
    case EvidenceKind::kSnp:
      return "an AMD SEV-SNP report";
    case EvidenceKind::kTdx:
      return "an Intel TDX quote";
    case EvidenceKind::kSgx:
      return "an Intel SGX quote";
    case EvidenceKind::kAzureSnp:
      return "evidence of an Azure confidential VM on AMD SEV-SNP";
    case EvidenceKind::kAzureTdx:
      break;
  }
  return "evidence of an Azure confidential VM on Intel TDX";
}

Recognised evidence(EvidenceKind kind, ByteView bytes) {
  Recognised out;
  out.what = evidence_what(kind);
  out.evidence = EvidenceItem{std::string(name_of(kind)), to_bytes(bytes)};
  return out;
}

Recognised endorsement(std::string what, std::string_view type, ByteView bytes) {
  Recognised out;
  out.what = std::move(what);
  out.endorsements.push_back({std::string(type), to_bytes(bytes)});
  return out;
}

// ---- Reports and quotes ----------------------------------------------------------------------

bool is_sev_report(ByteView bytes) {
  if (bytes.size() != kSevReportLen) {
    return false;
  }
  ByteReader reader(bytes.subspan(kSevPolicyOffset + 4));
  return reader.u32_le().value() == kSevUsagePek;
}

// Nobody in a SEV guest can ask for such a report, so none says what the guest wants said: a nonce
// of the host's is all it carries.
Error sev_report(ByteView bytes) {
  const bool es = (bytes[kSevPolicyOffset] >> kSevPolicyEsBit & 1) != 0;
  const std::string name = es ? "SEV-ES" : "SEV";
  return Error(EvidenceError::kSevReport, "an AMD " + name + " attestation report")
      .with_remedy(name +
                   " guests cannot ask for attestation themselves, so nothing binds such a report "
                   "to what runs inside: deploy on SEV-SNP and give its report (1184 bytes)");
}

bool is_td_report(ByteView bytes) {
  return bytes.size() == kTdReportStructLen && bytes[0] == kTdReportType && bytes[1] == 0;
}

Error td_report() {
  return Error(EvidenceError::kIntelTdReport, "a TDREPORT, which only its own machine can check")
      .with_remedy(
          "have the guest turn it into a quote: configfs-tsm's `outblob`, or the quoting service "
          "of "
          "the host");
}

// report_in_response gives the report inside an answer of the secure processor.
std::optional<ByteView> report_in_response(ByteView bytes) {
  if (bytes.size() < kReportRspHeadLen + kSnpReportLen || bytes.size() > kMaxReportRsp) {
    return std::nullopt;
  }
  ByteReader head(bytes.first(kReportRspHeadLen));
  const std::uint32_t status = head.u32_le().value();
  const std::uint32_t len = head.u32_le().value();
  const ByteView reserved = head.take(head.remaining()).value();
  if (status != 0 || len != kSnpReportLen || !all_zero(reserved) ||
      !all_zero(bytes.subspan(kReportRspHeadLen + kSnpReportLen))) {
    return std::nullopt;
  }
  return bytes.subspan(kReportRspHeadLen, kSnpReportLen);
}

// A report that was cut, or has something behind it, is what people bring most often.
bool begins_like_snp_report(ByteView bytes) {
  constexpr std::uint32_t kFirstVersion = 2;
  constexpr std::uint32_t kLastVersion = 5;
  const auto version = ByteReader(bytes).u32_le();
  return version && *version >= kFirstVersion && *version <= kLastVersion;
}

Result<Recognised> recognise_quote(ByteView bytes) {
  ENSC_TRY_ASSIGN(const IntelQuote quote, parse_intel_quote(bytes));
  return evidence(quote.is_tdx() ? EvidenceKind::kTdx : EvidenceKind::kSgx, bytes);
}

Result<Recognised> recognise_hcl(ByteView bytes) {
  Recognised out;
  out.what = "an HCL report of an Azure confidential VM, without the TPM quote that vouches for it";
  ENSC_TRY_ASSIGN(out.hcl_report, parse_hcl_report(bytes));
  return out;
}

// ---- Certificates and lists ------------------------------------------------------------------

Result<Recognised> recognise_certificate(const Certificate& certificate) {
  if (!carries_ra_tls(certificate)) {
    return endorsement("a certificate", kCertificateType, certificate.der());
  }
  ENSC_TRY_ASSIGN(RaTlsCertificate ra_tls, parse_ra_tls(certificate));
  Recognised out;
  ENSC_TRY_ASSIGN(const EvidenceKind kind, parse_evidence_kind(ra_tls.evidence.type));
  out.what = "an RA-TLS certificate with " + evidence_what(kind) + " inside";
  out.evidence = ra_tls.evidence;
  out.ra_tls = std::move(ra_tls);
  return out;
}

// is_der tells one SEQUENCE that fills the bytes.
bool is_der(ByteView bytes) {
  ByteReader reader(bytes);
  const auto element = der::read_element(reader);
  return element && element->tag == der::kSequence && reader.remaining() == 0;
}

Result<Recognised> recognise_der(ByteView bytes) {
  const auto certificate = Certificate::from_der(bytes);
  if (certificate) {
    return recognise_certificate(*certificate);
  }
  if (RevocationList::from_der(bytes)) {
    return endorsement("a revocation list", kCrlType, bytes);
  }
  return Error(
      EvidenceError::kEndorsementForm,
      "DER that is neither a certificate nor a revocation list: " + certificate.error().detail());
}

struct PemBlock {
  std::string_view label;
  Bytes der;
};

Error bad_pem(std::string detail) {
  return Error(EvidenceError::kEndorsementForm, "PEM: " + std::move(detail));
}

// take_pem_block takes one block (RFC 7468) off the front.
Result<PemBlock> take_pem_block(std::string_view& text) {
  if (!text.starts_with(kPemBegin)) {
    return bad_pem("text outside of its blocks");
  }
  text.remove_prefix(kPemBegin.size());
  const std::size_t label_end = text.find(kPemDashes);
  if (label_end == std::string_view::npos || text.find('\n') < label_end) {
    return bad_pem("a block whose first line does not end");
  }
  PemBlock block;
  block.label = text.substr(0, label_end);
  text.remove_prefix(label_end + kPemDashes.size());
  const std::string end = "-----END " + std::string(block.label) + std::string(kPemDashes);
  const std::size_t body_end = text.find(end);
  if (body_end == std::string_view::npos) {
    return bad_pem("a block without its last line");
  }
  std::string base64;
  std::copy_if(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(body_end),
               std::back_inserter(base64),
               [](char c) { return kSpace.find(c) == std::string_view::npos; });
  auto der = base64_decode(base64);
  if (!der) {
    return bad_pem(der.error().detail());
  }
  block.der = *std::move(der);
  text.remove_prefix(body_end + end.size());
  return block;
}

std::string_view without_space(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(kSpace), text.size()));
  return text;
}

// A file of several blocks is one chain, or a bundle; the first certificate with evidence in it is
// what the file is.
Result<Recognised> recognise_pem(std::string_view text) {
  Recognised out;
  std::size_t count = 0;
  while (!(text = without_space(text)).empty()) {
    if (++count > kMaxPemBlocks) {
      return bad_pem("more than 64 blocks");
    }
    ENSC_TRY_ASSIGN(const PemBlock block, take_pem_block(text));
    if (block.label != "CERTIFICATE" && block.label != "X509 CRL") {
      return bad_pem("a block that is neither CERTIFICATE nor X509 CRL");
    }
    ENSC_TRY_ASSIGN(Recognised one, recognise_der(block.der));
    if (one.evidence.has_value() && !out.evidence.has_value()) {
      out.evidence = std::move(one.evidence);
      out.ra_tls = std::move(one.ra_tls);
      out.what = std::move(one.what);
    }
    out.endorsements.insert(out.endorsements.end(), one.endorsements.begin(),
                            one.endorsements.end());
    if (!out.evidence.has_value()) {
      out.what = count == 1 ? one.what : std::to_string(count) + " certificates or lists";
    }
  }
  return out;
}

bool is_cert_table(ByteView bytes) {
  constexpr std::size_t kGuidLen = 16;
  const std::initializer_list<const Guid*> known{&kCertTableArk, &kCertTableAsk, &kCertTableVcek,
                                                 &kCertTableVlek, &kCertTableCrl};
  const auto is_known = [&](ByteView guid) {
    return std::any_of(known.begin(), known.end(),
                       [&](const Guid* one) { return equal(*one, guid); });
  };
  if (bytes.size() >= kGuidLen && is_known(bytes.first(kGuidLen))) {
    return true;
  }
  // A host may put entries of its own first.
  const auto entries = parse_cert_table(bytes);
  return entries && std::any_of(entries->begin(), entries->end(),
                                [&](const CertTableEntry& entry) { return is_known(entry.guid); });
}

Result<Recognised> recognise_cert_table(ByteView bytes) {
  Recognised out;
  out.what = "a certificate table";
  ENSC_TRY_ASSIGN(out.endorsements, endorsements_from_cert_table(bytes));
  return out;
}

// ---- JSON ------------------------------------------------------------------------------------

Error unknown(std::string detail) {
  return Error(EvidenceError::kEvidenceUnknown, std::move(detail))
      .with_remedy(
          "known are: an SNP report (1184 bytes, or the 32-byte head of MSG_REPORT_RSP before "
          "it), an Intel TDX or SGX quote, Azure vTPM evidence (JSON), an Ensconce evidence "
          "document (JSON), an RA-TLS certificate; and as endorsements certificates and CRLs (DER "
          "or PEM), Intel's TCB info and QE identity (JSON), an SNP certificate table, a TCG event "
          "log");
}

Result<Recognised> recognise_json(ByteView bytes) {
  constexpr json::Limits kLimits{.max_bytes = kMaxIntelJson, .max_depth = 32, .max_values = 65536};
  const auto value = json::parse(as_text(bytes), kLimits);
  if (!value) {
    return unknown("text that begins like JSON and is none: " + value.error().detail());
  }
  if (value->find("tcbInfo") != nullptr) {
    ENSC_TRY(parse_tcb_info(bytes));
    return endorsement("Intel's TCB info", kTcbInfoType, bytes);
  }
  if (value->find("enclaveIdentity") != nullptr) {
    ENSC_TRY(parse_qe_identity(bytes));
    return endorsement("Intel's identity of a quoting enclave", kQeIdentityType, bytes);
  }
  if (looks_like_azure_evidence(bytes)) {
    ENSC_TRY_ASSIGN(const AzureEvidence azure, parse_azure_evidence(bytes));
    return evidence(azure.is_tdx() ? EvidenceKind::kAzureTdx : EvidenceKind::kAzureSnp, bytes);
  }
  return unknown("JSON of no kind known here");
}

}  // namespace

// Kinds that say what they are come first; SNP's report is known by its length alone.
Result<Recognised> recognise(ByteView bytes) {
  const std::string_view text = without_space(as_text(bytes));
  if (text.starts_with("{")) {
    return recognise_json(bytes);
  }
  if (text.starts_with(kPemBegin)) {
    return recognise_pem(text);
  }
  if (looks_like_intel_quote(bytes)) {
    return recognise_quote(bytes);
  }
  if (as_text(bytes).starts_with("HCLA")) {
    return recognise_hcl(bytes);
  }
  if (looks_like_event_log(bytes)) {
    ENSC_TRY(parse_event_log(bytes));
    return endorsement("a TCG event log", kEventLogType, bytes);
  }
  if (is_sev_report(bytes)) {
    return sev_report(bytes);
  }
  if (is_td_report(bytes)) {
    return td_report();
  }
  if (is_der(bytes)) {
    return recognise_der(bytes);
  }
  if (is_cert_table(bytes)) {
    return recognise_cert_table(bytes);
  }
  if (bytes.size() == kSnpReportLen) {
    return evidence(EvidenceKind::kSnp, bytes);
  }
  if (const auto report = report_in_response(bytes)) {
    return evidence(EvidenceKind::kSnp, *report);
  }
  std::string what = std::to_string(bytes.size()) + " bytes of no kind known here";
  if (begins_like_snp_report(bytes)) {
    what += "; they begin like an SNP report, which has exactly " + std::to_string(kSnpReportLen);
  }
  return unknown(std::move(what));
}

}  // namespace ensconce
