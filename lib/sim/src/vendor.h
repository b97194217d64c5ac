#pragma once

#include <chrono>
#include <filesystem>
#include <string>

#include "ensconce/crypto/x509.h"

// What the simulated vendors share.
namespace ensconce::sim_vendor {

inline constexpr auto kDay = std::chrono::hours(24);
inline constexpr auto kYear = kDay * 365;

// organisation names the vendor that nobody should take for a genuine one.
CertificateBuilder& organisation(CertificateBuilder& builder, std::string unit);
// mark adds the extension by which a verifier tells a simulated root from a private one.
void mark(CertificateBuilder& root);
std::string pem_of(const Certificate& certificate);
// load_certificate reads a file of one certificate, PEM.
Result<Certificate> load_certificate(const std::filesystem::path& path);

}  // namespace ensconce::sim_vendor
