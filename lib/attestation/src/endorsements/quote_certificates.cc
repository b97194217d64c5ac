#include "ensconce/attestation/endorsements/intel_endorsements.h"
#include "ensconce/codec/der.h"

namespace ensconce {
namespace {

constexpr std::size_t kMaxQuoteCertificates = 8;
constexpr std::uint16_t kTypePckLeaf = 4;
constexpr std::uint16_t kTypePckChain = 5;

Error bad_chain(std::string detail) {
  return Error(EvidenceError::kIntelCertification, std::move(detail));
}

Result<std::vector<Certificate>> read_der_chain(ByteView data) {
  std::vector<Certificate> out;
  ByteReader reader(data);
  while (reader.remaining() > 0) {
    if (out.size() == kMaxQuoteCertificates) {
      return bad_chain("more than 8 certificates");
    }
    const auto element = der::read_element(reader);
    if (!element) {
      return bad_chain("certificates in DER: " + element.error().detail());
    }
    const auto certificate = Certificate::from_der(element->whole);
    if (!certificate) {
      return bad_chain(certificate.error().detail());
    }
    out.push_back(*certificate);
  }
  return out;
}

// read_pem_chain takes PEM blocks and white space. One NUL may end the text, as the string in C it
// was for some attesters.
Result<std::vector<Certificate>> read_pem_chain(std::string_view text) {
  constexpr std::string_view kBegin = "-----BEGIN CERTIFICATE-----";
  constexpr std::string_view kEnd = "-----END CERTIFICATE-----";
  constexpr std::string_view kSpace = " \t\r\n";
  if (text.ends_with('\0')) {
    text.remove_suffix(1);
  }
  std::size_t count = 0;
  for (std::size_t at = text.find_first_not_of(kSpace); at != std::string_view::npos;
       at = text.find_first_not_of(kSpace, at)) {
    const std::size_t end = text.find(kEnd, at);
    if (!text.substr(at).starts_with(kBegin) || end == std::string_view::npos) {
      return bad_chain("neither certificates in PEM nor in DER");
    }
    if (++count > kMaxQuoteCertificates) {
      return bad_chain("more than 8 certificates");
    }
    at = end + kEnd.size();
  }
  auto out = Certificate::many_from_pem(text);
  if (!out) {
    return bad_chain(out.error().detail());
  }
  return out;
}

}  // namespace

Result<std::vector<Certificate>> certificates_of_quote(const IntelQuote& quote) {
  const ByteView data = quote.certification_data;
  if (quote.certification_type != kTypePckLeaf && quote.certification_type != kTypePckChain) {
    return std::vector<Certificate>();
  }
  const bool der = !data.empty() && data[0] == der::kSequence;
  ENSC_TRY_ASSIGN(std::vector<Certificate> out,
                  der ? read_der_chain(data) : read_pem_chain(as_text(data)));
  if (quote.certification_type == kTypePckLeaf && out.size() != 1) {
    return bad_chain("more than the PCK certificate");
  }
  return out;
}

}  // namespace ensconce
