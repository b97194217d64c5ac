#include "state.h"

#include <sys/stat.h>

#include <algorithm>

#include "ensconce/base/file.h"
#include "ensconce/codec/json.h"
#include "ensconce/crypto/x509.h"

namespace ensconce::broker {

namespace {

namespace fs = std::filesystem;

// Peers pin the key, so the certificate need not end before the broker does.
constexpr Millis kCertificateLife = std::chrono::hours(24 * 365 * 20);

Result<void> make_directory(const fs::path& directory) {
  std::error_code error;
  fs::create_directories(directory.parent_path(), error);
  if (mkdir(directory.c_str(), 0700) != 0 && !fs::is_directory(directory, error)) {
    return Error(BaseError::kIo, "cannot make the directory " + directory.string());
  }
  struct stat info {};
  if (stat(directory.c_str(), &info) != 0 || (info.st_mode & 077U) != 0) {
    return Error(BaseError::kIo, directory.string() + " is open to others")
        .with_remedy("chmod 700 " + directory.string());
  }
  return ok();
}

// secret_file reads a secret, or makes and keeps it.
template <typename Make>
Result<SecretBytes> secret_file(const fs::path& path, const Make& make) {
  std::error_code error;
  if (!fs::exists(fs::symlink_status(path, error))) {
    const SecretBytes made = make();
    ENSC_TRY(write_file_atomically(path, made.expose(), 0600));
  }
  return read_secret_file(path);
}

Bytes make_certificate(const EcPrivateKey& key, Instant now) {
  CertificateBuilder builder;
  builder.subject_cn("ensconce-broker")
      .serial(1)
      .validity(now - std::chrono::hours(1), now + kCertificateLife)
      .dns_name("localhost")
      .key(key.public_key());
  return builder.self_sign(key).der();
}

Result<Bytes> certificate_file(const fs::path& path, const EcPrivateKey& key, Instant now) {
  std::error_code error;
  if (!fs::exists(path, error)) {
    ENSC_TRY(write_file_atomically(path, make_certificate(key, now), 0600));
  }
  ENSC_TRY_ASSIGN(Bytes der, read_file(path));
  ENSC_TRY_ASSIGN(const Certificate certificate, Certificate::from_der(der));
  if (certificate.spki_der() != key.public_key().spki_der()) {
    return Error(BaseError::kInvalidArgument, path.string() + " is not of tls.key")
        .with_remedy("remove it; it is made again");
  }
  return der;
}

}  // namespace

Result<State> open_state(const fs::path& directory, const Clock& clock, Random& random) {
  ENSC_TRY(make_directory(directory));
  const auto random_bytes = [&random] {
    SecretBytes out(32);
    random.fill(out.expose_mutable());
    return out;
  };
  // A root key made anew beside an old database would open nothing in it.
  std::error_code error;
  if (fs::exists(directory / "broker.db", error) && !fs::exists(directory / "root.key", error)) {
    return Error(BaseError::kIo, "broker.db is there and root.key is not")
        .with_remedy("restore root.key from where it was backed up");
  }
  ENSC_TRY_ASSIGN(const SecretBytes root, secret_file(directory / "root.key", random_bytes));
  ENSC_TRY_ASSIGN(Aes256Key root_key, Aes256Key::from(root.expose()));
  ENSC_TRY_ASSIGN(const SecretBytes seed, secret_file(directory / "signing.key", random_bytes));
  ENSC_TRY_ASSIGN(Ed25519PrivateKey signing_key, Ed25519PrivateKey::from_seed(seed.expose()));
  ENSC_TRY_ASSIGN(SecretBytes tls_key, secret_file(directory / "tls.key", [] {
                    return EcPrivateKey::generate(Curve::kP256).pkcs8_der();
                  }));
  ENSC_TRY_ASSIGN(const EcPrivateKey key, EcPrivateKey::from_pkcs8_der(tls_key.expose()));
  ENSC_TRY_ASSIGN(Bytes certificate, certificate_file(directory / "tls.crt", key, clock.now()));
  State state{directory,
              std::move(root_key),
              std::move(signing_key),
              TlsIdentity{std::move(certificate), std::move(tls_key)},
              sha256(key.public_key().spki_der()),
              sha384(key.public_key().spki_der())};
  const fs::path identity = directory / "identity.json";
  const std::string text = identity_json(state) + "\n";
  const Result<std::string> present = read_text_file(identity);
  if (!present || *present != text) {
    ENSC_TRY(write_file_atomically(identity, as_bytes(text), 0644));
  }
  return state;
}

std::string identity_json(const State& state) {
  return json::write(json::Object{{"key", to_hex(state.signing_key.public_key().bytes)},
                                  {"tls_pin", to_hex(state.tls_spki_sha256)}});
}

}  // namespace ensconce::broker
