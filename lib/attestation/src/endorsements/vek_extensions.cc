#include <string>

#include "ensconce/attestation/endorsements/snp_endorsements.h"
#include "ensconce/base/printable.h"
#include "ensconce/codec/der.h"

namespace ensconce {
namespace {

constexpr std::string_view kArc = "1.3.6.1.4.1.3704.1.";

Error bad(std::string detail) { return Error(EvidenceError::kEndorsementForm, std::move(detail)); }

Result<std::uint32_t> integer(const Certificate& vek, std::string_view suffix) {
  const auto value = vek.extension(std::string(kArc) + std::string(suffix));
  if (!value.has_value()) {
    return bad("extension " + std::string(kArc) + std::string(suffix) + " is missing");
  }
  auto number = der::read_small_uint(*value);
  if (!number) {
    return bad("extension " + std::string(kArc) + std::string(suffix) + ": " +
               number.error().detail());
  }
  return number;
}

// An SPL is a component of a TCB version: one byte, whatever its encoding's length.
Result<std::uint8_t> spl(const Certificate& vek, std::string_view suffix) {
  ENSC_TRY_ASSIGN(const std::uint32_t value, integer(vek, suffix));
  if (value > 255) {
    return bad("extension " + std::string(kArc) + std::string(suffix) + " is " +
               std::to_string(value) + ", more than a byte");
  }
  return static_cast<std::uint8_t>(value);
}

Result<std::optional<std::uint8_t>> optional_spl(const Certificate& vek, std::string_view suffix) {
  if (!vek.extension(std::string(kArc) + std::string(suffix)).has_value()) {
    return std::optional<std::uint8_t>();
  }
  ENSC_TRY_ASSIGN(const std::uint8_t value, spl(vek, suffix));
  return std::optional<std::uint8_t>(value);
}

// hwID is 8 or 64 raw bytes; the same in an OCTET STRING exists in the wild.
Result<Bytes> hwid_of(Bytes value) {
  if (value.size() == 64 || value.size() == 8) {
    return value;
  }
  if (value.size() == 66 || value.size() == 10) {
    ByteReader reader(value);
    const auto element = der::read_element(reader);
    if (element && element->tag == der::kOctetString && reader.remaining() == 0) {
      return to_bytes(element->content);
    }
  }
  return bad("hwID has " + std::to_string(value.size()) + " bytes; 8 or 64 are expected");
}

Result<std::string> text(const Certificate& vek, std::string_view suffix, const Bytes& value) {
  auto out = der::read_ia5_string(value);
  if (!out) {
    return bad("extension " + std::string(kArc) + std::string(suffix) + " of \"" +
               printable(vek.subject_cn()) + "\": " + out.error().detail());
  }
  return out;
}

}  // namespace

Result<SnpVekExtensions> parse_snp_vek_extensions(const Certificate& vek) {
  SnpVekExtensions out;
  ENSC_TRY_ASSIGN(out.struct_version, integer(vek, "1"));
  const auto product = vek.extension(std::string(kArc) + "2");
  if (!product.has_value()) {
    return bad("extension productName1 is missing");
  }
  ENSC_TRY_ASSIGN(out.product_name, text(vek, "2", *product));
  ENSC_TRY_ASSIGN(out.bootloader, spl(vek, "3.1"));
  ENSC_TRY_ASSIGN(out.tee, spl(vek, "3.2"));
  ENSC_TRY_ASSIGN(out.snp, spl(vek, "3.3"));
  ENSC_TRY_ASSIGN(out.spl4, optional_spl(vek, "3.4"));
  ENSC_TRY_ASSIGN(out.spl5, spl(vek, "3.5"));
  ENSC_TRY_ASSIGN(out.spl6, spl(vek, "3.6"));
  ENSC_TRY_ASSIGN(out.spl7, spl(vek, "3.7"));
  ENSC_TRY_ASSIGN(out.microcode, spl(vek, "3.8"));
  ENSC_TRY_ASSIGN(out.fmc, optional_spl(vek, "3.9"));
  if (auto hwid = vek.extension(std::string(kArc) + "4")) {
    ENSC_TRY_ASSIGN(out.hwid, hwid_of(std::move(*hwid)));
  }
  if (const auto csp = vek.extension(std::string(kArc) + "5")) {
    ENSC_TRY_ASSIGN(out.csp_id, text(vek, "5", *csp));
  }
  return out;
}

}  // namespace ensconce
