#include "ensconce/attestation/evidence/intel_quote.h"

#include <string>

#include "ensconce/base/check.h"

namespace ensconce {
namespace {

// SGX DCAP API, appendix A ("Quote Header"), and TDX DCAP API, appendix: the same 48 bytes in
// versions 3 to 5.
constexpr std::size_t kHeaderLen = 48;
constexpr std::uint16_t kEcdsaP256 = 2;
constexpr std::uint16_t kEcdsaP384 = 3;  // defined there; no quoting enclave makes it
constexpr std::uint32_t kTeeSgx = 0x00;
constexpr std::uint32_t kTeeTdx = 0x81;

// TDX DCAP API, appendix ("Version 5 Quote Body"): the types of a body. Earlier versions have no
// such field; there these stand for what the TEE type means.
constexpr std::uint16_t kBodySgx = 1;
constexpr std::uint16_t kBodyTd10 = 2;
constexpr std::uint16_t kBodyTd15 = 3;

// In versions 4 and 5 everything from the QE report on lies inside certification data of this type.
constexpr std::uint16_t kQeReportCertification = 6;
constexpr std::uint16_t kFirstCertificationType = 1;
constexpr std::uint16_t kLastCertificationType = 5;

constexpr std::size_t kMaxQeAuthData = 1024;  // Intel's own writes 32 bytes
constexpr std::size_t kMaxCertificationData = 32768;

// SGX DCAP API, appendix A ("Enclave Report Body"): what stands between the fields.
constexpr std::size_t kReservedAfterMiscSelect = 12;  // 20
constexpr std::size_t kReservedAfterMrEnclave = 32;   // 96
constexpr std::size_t kReservedAfterMrSigner = 32;    // 160
constexpr std::size_t kReservedAfterConfigSvn = 42;   // 262

// TDX module ABI, TDREPORT_STRUCT: REPORTTYPE.TYPE is the first byte.
constexpr std::size_t kTdReportStructLen = 1024;
constexpr std::uint8_t kTdReportType = 0x81;

std::size_t body_len(std::uint16_t type) {
  switch (type) {
    case kBodySgx:
      return kSgxReportLen;
    case kBodyTd10:
      return kTdReport10Len;
    default:
      return kTdReport15Len;
  }
}

std::uint64_t little_endian(ByteView bytes) {
  std::uint64_t out = 0;
  for (std::size_t i = bytes.size(); i > 0; --i) {
    out = out << 8 | bytes[i - 1];
  }
  return out;
}

Result<void> take_reserved(ByteReader& reader, std::size_t len) {
  ENSC_TRY_ASSIGN(const ByteView bytes, reader.take(len));
  if (!all_zero(bytes)) {
    return Error(EvidenceError::kIntelReserved,
                 "reserved bytes of an SGX report body are not all zero");
  }
  return ok();
}

Result<SgxReport> read_sgx_report(ByteReader& reader) {
  SgxReport report;
  ENSC_TRY_ASSIGN(report.cpu_svn, reader.array<16>());
  ENSC_TRY_ASSIGN(report.misc_select, reader.u32_le());
  ENSC_TRY(take_reserved(reader, kReservedAfterMiscSelect));
  ENSC_TRY_ASSIGN(report.isv_ext_prod_id, reader.array<16>());
  ENSC_TRY_ASSIGN(report.attributes, reader.array<16>());
  ENSC_TRY_ASSIGN(report.mr_enclave, reader.array<32>());
  ENSC_TRY(take_reserved(reader, kReservedAfterMrEnclave));
  ENSC_TRY_ASSIGN(report.mr_signer, reader.array<32>());
  ENSC_TRY(take_reserved(reader, kReservedAfterMrSigner));
  ENSC_TRY_ASSIGN(report.config_id, reader.array<64>());
  ENSC_TRY_ASSIGN(report.isv_prod_id, reader.u16_le());
  ENSC_TRY_ASSIGN(report.isv_svn, reader.u16_le());
  ENSC_TRY_ASSIGN(report.config_svn, reader.u16_le());
  ENSC_TRY(take_reserved(reader, kReservedAfterConfigSvn));
  ENSC_TRY_ASSIGN(report.isv_family_id, reader.array<16>());
  ENSC_TRY_ASSIGN(report.report_data, reader.array<64>());
  return report;
}

Result<TdReport> read_td_report(ByteReader& reader, std::uint16_t type) {
  TdReport report;
  ENSC_TRY_ASSIGN(report.tee_tcb_svn, reader.array<16>());
  ENSC_TRY_ASSIGN(report.mr_seam, reader.array<48>());
  ENSC_TRY_ASSIGN(report.mr_signer_seam, reader.array<48>());
  ENSC_TRY_ASSIGN(report.seam_attributes, reader.array<8>());
  ENSC_TRY_ASSIGN(report.td_attributes, reader.array<8>());
  ENSC_TRY_ASSIGN(report.xfam, reader.array<8>());
  ENSC_TRY_ASSIGN(report.mr_td, reader.array<48>());
  ENSC_TRY_ASSIGN(report.mr_config_id, reader.array<48>());
  ENSC_TRY_ASSIGN(report.mr_owner, reader.array<48>());
  ENSC_TRY_ASSIGN(report.mr_owner_config, reader.array<48>());
  for (ByteArray<48>& rtmr : report.rtmr) {
    ENSC_TRY_ASSIGN(rtmr, reader.array<48>());
  }
  ENSC_TRY_ASSIGN(report.report_data, reader.array<64>());
  if (type == kBodyTd15) {
    ENSC_TRY_ASSIGN(report.tee_tcb_svn_2, reader.array<16>());
    ENSC_TRY_ASSIGN(report.mr_service_td, reader.array<48>());
  }
  return report;
}

// Gives the TEE type.
Result<std::uint32_t> read_header(ByteReader& reader, IntelQuote& quote) {
  ENSC_TRY_ASSIGN(quote.version, reader.u16_le());
  if (quote.version < 3 || quote.version > 5) {
    return Error(EvidenceError::kIntelVersion,
                 "quote version " + std::to_string(quote.version) + "; this code knows 3 to 5");
  }
  ENSC_TRY_ASSIGN(const std::uint16_t key_type, reader.u16_le());
  if (key_type != kEcdsaP256) {
    return Error(EvidenceError::kIntelKeyType, "attestation key type " + std::to_string(key_type) +
                                                   "; 2 (ECDSA P-256) is the only one");
  }
  // Version 3 was made before there was TDX, and calls the field reserved.
  ENSC_TRY_ASSIGN(const std::uint32_t tee, reader.u32_le());
  if (tee != kTeeSgx && (tee != kTeeTdx || quote.version == 3)) {
    return Error(EvidenceError::kIntelTeeType, "TEE type " + std::to_string(tee) +
                                                   " in a quote of version " +
                                                   std::to_string(quote.version));
  }
  ENSC_TRY_ASSIGN(quote.qe_svn, reader.u16_le());
  ENSC_TRY_ASSIGN(quote.pce_svn, reader.u16_le());
  ENSC_TRY_ASSIGN(quote.qe_vendor_id, reader.array<16>());
  ENSC_TRY_ASSIGN(quote.user_data, reader.array<20>());
  return tee;
}

// Version 5 writes type and size before its body; they say nothing that the TEE type denies.
Result<std::uint16_t> read_body_type(ByteReader& reader, std::uint32_t tee) {
  ENSC_TRY_ASSIGN(const std::uint16_t type, reader.u16_le());
  ENSC_TRY_ASSIGN(const std::uint32_t size, reader.u32_le());
  const bool fits = tee == kTeeSgx ? type == kBodySgx : type == kBodyTd10 || type == kBodyTd15;
  if (!fits) {
    return Error(
        EvidenceError::kIntelTeeType,
        "body type " + std::to_string(type) + " does not go with TEE type " + std::to_string(tee));
  }
  if (size != body_len(type)) {
    return Error(EvidenceError::kIntelTeeType, "a body of type " + std::to_string(type) + " has " +
                                                   std::to_string(body_len(type)) +
                                                   " bytes, this says " + std::to_string(size));
  }
  return type;
}

Result<void> read_body(ByteReader& reader, std::uint32_t tee, IntelQuote& quote) {
  std::uint16_t type = tee == kTeeSgx ? kBodySgx : kBodyTd10;
  if (quote.version == 5) {
    ENSC_TRY_ASSIGN(type, read_body_type(reader, tee));
  }
  if (type == kBodySgx) {
    ENSC_TRY_ASSIGN(quote.body, read_sgx_report(reader));
  } else {
    ENSC_TRY_ASSIGN(quote.body, read_td_report(reader, type));
  }
  return ok();
}

// What vouches for the attestation key; it fills what is left.
Result<void> read_qe_part(ByteReader& reader, IntelQuote& quote) {
  ENSC_TRY_ASSIGN(quote.qe_report, read_sgx_report(reader));
  ENSC_TRY_ASSIGN(quote.qe_report_signature, reader.array<64>());
  ENSC_TRY_ASSIGN(const std::uint16_t auth_len, reader.u16_le());
  if (auth_len > kMaxQeAuthData) {
    return Error(EvidenceError::kIntelLength,
                 "QE authentication data of " + std::to_string(auth_len) + " bytes; at most 1024");
  }
  ENSC_TRY_ASSIGN(const ByteView auth, reader.take(auth_len));
  quote.qe_auth_data = to_bytes(auth);
  ENSC_TRY_ASSIGN(quote.certification_type, reader.u16_le());
  if (quote.certification_type < kFirstCertificationType ||
      quote.certification_type > kLastCertificationType) {
    return Error(EvidenceError::kIntelCertification, "certification data of type " +
                                                         std::to_string(quote.certification_type) +
                                                         "; this code knows 1 to 5");
  }
  ENSC_TRY_ASSIGN(const std::uint32_t len, reader.u32_le());
  if (len > kMaxCertificationData) {
    return Error(EvidenceError::kIntelLength,
                 "certification data of " + std::to_string(len) + " bytes; at most 32768");
  }
  ENSC_TRY_ASSIGN(const ByteView data, reader.take(len));
  quote.certification_data = to_bytes(data);
  if (reader.remaining() != 0) {
    return Error(EvidenceError::kIntelLength, "the certification data ends " +
                                                  std::to_string(reader.remaining()) +
                                                  " bytes before the signature data does");
  }
  return ok();
}

Result<void> read_signature_part(ByteReader& quote_reader, IntelQuote& quote) {
  ENSC_TRY_ASSIGN(const std::uint32_t len, quote_reader.u32_le());
  ENSC_TRY_ASSIGN(const ByteView part, quote_reader.take(len));
  ByteReader reader(part);
  ENSC_TRY_ASSIGN(quote.signature, reader.array<64>());
  ENSC_TRY_ASSIGN(quote.attestation_key, reader.array<64>());
  if (quote.version != 3) {
    ENSC_TRY_ASSIGN(const std::uint16_t type, reader.u16_le());
    if (type != kQeReportCertification) {
      return Error(EvidenceError::kIntelCertification,
                   "certification data of type " + std::to_string(type) +
                       " around the QE report; it is 6 in versions 4 and 5");
    }
    ENSC_TRY_ASSIGN(const std::uint32_t inner, reader.u32_le());
    if (inner != reader.remaining()) {
      return Error(EvidenceError::kIntelLength,
                   "QE report certification data of " + std::to_string(inner) +
                       " bytes where the signature data has " + std::to_string(reader.remaining()));
    }
  }
  return read_qe_part(reader, quote);
}

Result<IntelQuote> read_quote(ByteView bytes) {
  ByteReader reader(bytes);
  IntelQuote quote;
  ENSC_TRY_ASSIGN(const std::uint32_t tee, read_header(reader, quote));
  ENSC_TRY(read_body(reader, tee, quote));
  ENSC_TRY(read_signature_part(reader, quote));
  if (!all_zero(bytes.subspan(reader.offset()))) {
    return Error(EvidenceError::kIntelTrailing,
                 "bytes other than zero after the quote, which ends at offset " +
                     std::to_string(reader.offset()));
  }
  return quote;
}

void put_sgx_report(ByteWriter& writer, const SgxReport& report) {
  writer.raw(report.cpu_svn).u32_le(report.misc_select);
  writer.raw(ByteArray<kReservedAfterMiscSelect>{});
  writer.raw(report.isv_ext_prod_id).raw(report.attributes).raw(report.mr_enclave);
  writer.raw(ByteArray<kReservedAfterMrEnclave>{}).raw(report.mr_signer);
  writer.raw(ByteArray<kReservedAfterMrSigner>{}).raw(report.config_id);
  writer.u16_le(report.isv_prod_id).u16_le(report.isv_svn).u16_le(report.config_svn);
  writer.raw(ByteArray<kReservedAfterConfigSvn>{});
  writer.raw(report.isv_family_id).raw(report.report_data);
}

void put_td_report(ByteWriter& writer, const TdReport& report) {
  writer.raw(report.tee_tcb_svn).raw(report.mr_seam).raw(report.mr_signer_seam);
  writer.raw(report.seam_attributes).raw(report.td_attributes).raw(report.xfam);
  writer.raw(report.mr_td).raw(report.mr_config_id).raw(report.mr_owner);
  writer.raw(report.mr_owner_config);
  for (const ByteArray<48>& rtmr : report.rtmr) {
    writer.raw(rtmr);
  }
  writer.raw(report.report_data);
  if (report.tee_tcb_svn_2) {
    writer.raw(*report.tee_tcb_svn_2).raw(*report.mr_service_td);
  }
}

std::uint16_t body_type_of(const IntelQuote& quote) {
  const auto* td = std::get_if<TdReport>(&quote.body);
  if (td == nullptr) {
    return kBodySgx;
  }
  ENSC_CHECK(td->tee_tcb_svn_2.has_value() == td->mr_service_td.has_value());
  return td->tee_tcb_svn_2 ? kBodyTd15 : kBodyTd10;
}

Bytes qe_part_of(const IntelQuote& quote) {
  ENSC_CHECK(quote.qe_auth_data.size() <= kMaxQeAuthData);
  ENSC_CHECK(quote.certification_data.size() <= kMaxCertificationData);
  ENSC_CHECK(quote.certification_type >= kFirstCertificationType &&
             quote.certification_type <= kLastCertificationType);
  ByteWriter writer;
  put_sgx_report(writer, quote.qe_report);
  writer.raw(quote.qe_report_signature);
  writer.u16_le(static_cast<std::uint16_t>(quote.qe_auth_data.size())).raw(quote.qe_auth_data);
  writer.u16_le(quote.certification_type);
  writer.u32_le(static_cast<std::uint32_t>(quote.certification_data.size()));
  writer.raw(quote.certification_data);
  return std::move(writer).take();
}

}  // namespace

std::uint64_t SgxReport::attribute_flags() const {
  return little_endian(ByteView(attributes).first(8));
}

std::uint64_t TdReport::attribute_flags() const { return little_endian(td_attributes); }

const ByteArray<64>& IntelQuote::report_data() const {
  return std::visit([](const auto& report) -> const ByteArray<64>& { return report.report_data; },
                    body);
}

bool looks_like_intel_quote(ByteView bytes) {
  if (bytes.size() < kHeaderLen) {
    return false;
  }
  const std::uint64_t version = little_endian(bytes.first(2));
  const std::uint64_t key_type = little_endian(bytes.subspan(2, 2));
  const std::uint64_t tee = little_endian(bytes.subspan(4, 4));
  return version >= 3 && version <= 5 && (key_type == kEcdsaP256 || key_type == kEcdsaP384) &&
         (tee == kTeeSgx || tee == kTeeTdx);
}

Result<IntelQuote> parse_intel_quote(ByteView bytes) {
  if (bytes.size() > kMaxIntelQuote) {
    return Error(EvidenceError::kIntelLength,
                 "a quote has at most 65536 bytes, this has " + std::to_string(bytes.size()));
  }
  if (bytes.size() == kTdReportStructLen && bytes[0] == kTdReportType) {
    return Error(EvidenceError::kIntelTdReport, "a TDREPORT in place of a quote")
        .with_remedy(
            "a TDREPORT can be verified only on the machine that made it: have that machine's "
            "quoting enclave turn it into a quote, and give the quote");
  }
  Result<IntelQuote> quote = read_quote(bytes);
  if (!quote && quote.error().is(BaseError::kTruncated)) {
    return Error(EvidenceError::kIntelLength, "the quote is cut off: " + quote.error().detail());
  }
  return quote;
}

Bytes write_intel_quote(const IntelQuote& quote) {
  const Bytes qe_part = qe_part_of(quote);
  ByteWriter part;
  part.raw(quote.signature).raw(quote.attestation_key);
  if (quote.version != 3) {
    part.u16_le(kQeReportCertification).u32_le(static_cast<std::uint32_t>(qe_part.size()));
  }
  part.raw(qe_part);
  ByteWriter writer;
  writer.raw(intel_quote_signed_part(quote));
  writer.u32_le(static_cast<std::uint32_t>(part.bytes().size())).raw(part.bytes());
  return std::move(writer).take();
}

Bytes intel_quote_signed_part(const IntelQuote& quote) {
  const std::uint16_t type = body_type_of(quote);
  ENSC_CHECK(quote.version == 5 || (quote.version == 4 && type != kBodyTd15) ||
             (quote.version == 3 && type == kBodySgx));
  ByteWriter writer;
  writer.u16_le(quote.version).u16_le(kEcdsaP256).u32_le(type == kBodySgx ? kTeeSgx : kTeeTdx);
  writer.u16_le(quote.qe_svn).u16_le(quote.pce_svn).raw(quote.qe_vendor_id).raw(quote.user_data);
  if (quote.version == 5) {
    writer.u16_le(type).u32_le(static_cast<std::uint32_t>(body_len(type)));
  }
  if (const auto* td = std::get_if<TdReport>(&quote.body)) {
    put_td_report(writer, *td);
  } else {
    put_sgx_report(writer, std::get<SgxReport>(quote.body));
  }
  return std::move(writer).take();
}

Bytes write_sgx_report(const SgxReport& report) {
  ByteWriter writer;
  put_sgx_report(writer, report);
  ENSC_CHECK(writer.bytes().size() == kSgxReportLen);
  return std::move(writer).take();
}

Result<void> expect_tee(const IntelQuote& quote, bool tdx) {
  if (quote.is_tdx() != tdx) {
    return Error(EvidenceError::kIntelTeeType,
                 std::string("the evidence is said to be of ") + (tdx ? "TDX" : "SGX") +
                     " and is a quote of " + (tdx ? "SGX" : "TDX"));
  }
  return ok();
}

}  // namespace ensconce
