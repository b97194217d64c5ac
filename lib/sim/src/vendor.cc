#include "vendor.h"

#include "ensconce/base/file.h"
#include "ensconce/codec/base64.h"
#include "ensconce/codec/der.h"

namespace ensconce::sim_vendor {
namespace {

// The same mark as verify/trust_anchor.h names; this library may not include verify/. A test holds
// the two together.
constexpr std::string_view kSimulatedOid = "2.25.75365650290442272240323753511806695581";
constexpr std::uint8_t kUtf8String = 0x0c;

}  // namespace

CertificateBuilder& organisation(CertificateBuilder& builder, std::string unit) {
  return builder.organisation(std::move(unit), "US", "Santa Clara", "CA",
                              "Ensconce Simulated Processors");
}

void mark(CertificateBuilder& root) {
  root.extension(std::string(kSimulatedOid),
                 der::write_element(kUtf8String, as_bytes("ensconce simulated")));
}

std::string pem_of(const Certificate& certificate) {
  const std::string base64 = base64_encode(certificate.der());
  std::string out = "-----BEGIN CERTIFICATE-----\n";
  for (std::size_t at = 0; at < base64.size(); at += 64) {
    out += base64.substr(at, 64);
    out += '\n';
  }
  return out + "-----END CERTIFICATE-----\n";
}

Result<Certificate> load_certificate(const std::filesystem::path& path) {
  ENSC_TRY_ASSIGN(const std::string text, read_text_file(path));
  ENSC_TRY_ASSIGN(const std::vector<Certificate> certificates, Certificate::many_from_pem(text));
  if (certificates.size() != 1) {
    return Error(BaseError::kInvalidArgument, path.string() + " holds more than one certificate");
  }
  return certificates.front();
}

}  // namespace ensconce::sim_vendor
