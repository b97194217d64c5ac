#include "ensconce/crypto/x509.h"

#include <gtest/gtest.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <functional>

#include "../src/openssl.h"
#include "ensconce/codec/base64.h"

namespace ensconce {
namespace {

using Scheme = Certificate::Scheme;

Instant at(std::string_view text) { return from_rfc3339(text).value(); }
const Instant kFrom = at("2026-01-01T00:00:00Z");
const Instant kUntil = at("2033-01-01T00:00:00Z");

CertificateBuilder& amd_like(CertificateBuilder& builder, std::string cn) {
  return builder.subject_cn(std::move(cn))
      .organisation("Engineering", "US", "Santa Clara", "CA", "Advanced Micro Devices")
      .validity(kFrom, kUntil);
}

// A PKI of AMD's shape, with keys of half its size to be quick, made once for all tests here.
struct Pki {
  RsaPrivateKey ark_key = RsaPrivateKey::generate(2048);
  RsaPrivateKey ask_key = RsaPrivateKey::generate(2048);
  EcPrivateKey vcek_key = EcPrivateKey::generate(Curve::kP384);
  Certificate ark = [this] {
    CertificateBuilder b;
    return amd_like(b, "ARK-Test").serial(10000).ca(-1, true).self_sign(ark_key);
  }();
  Certificate ask = [this] {
    CertificateBuilder b;
    return amd_like(b, "SEV-Test").serial(10001).ca(0, false).key(ask_key).issue(ark, ark_key);
  }();
  Certificate vcek = [this] {
    CertificateBuilder b;
    return amd_like(b, "SEV-VCEK")
        .serial(0)
        .key(vcek_key.public_key())
        .extension("1.3.6.1.4.1.3704.1.4", Bytes(64, 0xcd))
        .extension("1.3.6.1.4.1.3704.1.3", Bytes{2, 1, 4})
        .issue(ask, ask_key);
  }();
};
const Pki& pki() {
  static const Pki instance;
  return instance;
}

bool is_bad(ByteView der) {
  const auto result = Certificate::from_der(der);
  return !result && result.error().is(CryptoError::kBadCertificate);
}

// replace_all changes every place where `from` stands; both have one length.
Bytes replace_all(Bytes in, const Bytes& from, const Bytes& to) {
  EXPECT_EQ(from.size(), to.size());
  std::size_t count = 0;
  for (auto it = std::search(in.begin(), in.end(), from.begin(), from.end()); it != in.end();
       it = std::search(it, in.end(), from.begin(), from.end())) {
    it = std::copy(to.begin(), to.end(), it);
    ++count;
  }
  EXPECT_GT(count, 0U);
  return in;
}

// How a hostile or careless issuer signs.
struct Signing {
  const EVP_MD* md = EVP_sha384();
  int padding = RSA_PKCS1_PSS_PADDING;
  int salt_len = 48;
  const EVP_MD* mgf1 = EVP_sha384();
};

void start(EVP_MD_CTX* ctx, EVP_PKEY* key, const Signing& how) {
  EVP_PKEY_CTX* pctx = nullptr;
  ASSERT_EQ(EVP_DigestSignInit(ctx, &pctx, how.md, nullptr, key), 1);
  if (EVP_PKEY_is_a(key, "RSA") == 1) {
    ASSERT_EQ(EVP_PKEY_CTX_set_rsa_padding(pctx, how.padding), 1);
    if (how.padding == RSA_PKCS1_PSS_PADDING) {
      ASSERT_EQ(EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, how.salt_len), 1);
      ASSERT_EQ(EVP_PKEY_CTX_set_rsa_mgf1_md(pctx, how.mgf1), 1);
    }
  }
}

// resign changes a certificate and signs it again, so that only what was changed can be refused.
Bytes resign(const Certificate& base, ByteView key_pkcs8, const Signing& how = {},
             const std::function<void(X509*)>& change = {}) {
  const ossl::Pkey key = ossl::pkey_from_pkcs8(key_pkcs8);
  const unsigned char* p = base.der().data();
  const ossl::X509Ptr x509(d2i_X509(nullptr, &p, static_cast<long>(base.der().size())));
  if (change) {
    change(x509.get());
  }
  const ossl::MdCtx ctx(EVP_MD_CTX_new());
  start(ctx.get(), key.get(), how);
  EXPECT_GT(X509_sign_ctx(x509.get(), ctx.get()), 0);
  return ossl::encode(i2d_X509, x509.get());
}
Bytes resign_crl(ByteView der, ByteView key_pkcs8, const Signing& how,
                 const std::function<void(X509_CRL*)>& change) {
  const ossl::Pkey key = ossl::pkey_from_pkcs8(key_pkcs8);
  const unsigned char* p = der.data();
  const ossl::X509CrlPtr crl(d2i_X509_CRL(nullptr, &p, static_cast<long>(der.size())));
  change(crl.get());
  const ossl::MdCtx ctx(EVP_MD_CTX_new());
  start(ctx.get(), key.get(), how);
  EXPECT_GT(X509_CRL_sign_ctx(crl.get(), ctx.get()), 0);
  return ossl::encode(i2d_X509_CRL, crl.get());
}

ossl::X509ExtensionPtr extension_of(const char* oid, const Bytes& value, bool critical) {
  const ossl::Asn1ObjectPtr object(OBJ_txt2obj(oid, 1));
  const ossl::Asn1OctetStringPtr data(ASN1_OCTET_STRING_new());
  EXPECT_EQ(ASN1_OCTET_STRING_set(data.get(), value.data(), static_cast<int>(value.size())), 1);
  return ossl::X509ExtensionPtr(
      X509_EXTENSION_create_by_OBJ(nullptr, object.get(), critical ? 1 : 0, data.get()));
}

TEST(Certificate, ReadsWhatTheBuilderWrote) {
  const Pki& p = pki();
  EXPECT_EQ(p.ark.subject_cn(), "ARK-Test");
  EXPECT_EQ(p.ask.issuer_cn(), "ARK-Test");
  EXPECT_EQ(to_hex(p.ark.serial()), "2710");
  EXPECT_EQ(to_hex(p.vcek.serial()), "00");
  EXPECT_EQ(p.vcek.not_before(), kFrom);
  EXPECT_EQ(p.vcek.not_after(), kUntil);
  EXPECT_TRUE(p.ark.is_ca() && p.ark.may_sign_certificates() && p.ark.may_sign_crls());
  EXPECT_TRUE(p.ask.is_ca() && p.ask.may_sign_certificates() && !p.ask.may_sign_crls());
  EXPECT_FALSE(p.vcek.is_ca());
  EXPECT_TRUE(p.ark.self_issued());
  EXPECT_FALSE(p.ask.self_issued());
  EXPECT_TRUE(p.vcek.issued_by_name(p.ask));
  EXPECT_FALSE(p.vcek.issued_by_name(p.ark));
  EXPECT_EQ(p.vcek.ec_public_key().value(), p.vcek_key.public_key());
  EXPECT_EQ(p.vcek.spki_der(), p.vcek_key.public_key().spki_der());
  EXPECT_EQ(p.vcek.spki_sha256(), sha256(p.vcek.spki_der()));
  EXPECT_TRUE(p.ark.ec_public_key().error().is(CryptoError::kBadKey));
  EXPECT_EQ(p.vcek.extension("1.3.6.1.4.1.3704.1.4"), Bytes(64, 0xcd));
  EXPECT_EQ(p.vcek.extension("1.3.6.1.4.1.3704.1.5"), std::nullopt);
  EXPECT_TRUE(p.vcek.critical_extensions().empty());
  EXPECT_EQ(p.ask.critical_extensions(), (std::vector<std::string>{"2.5.29.19", "2.5.29.15"}));
  EXPECT_EQ(Certificate::from_der(p.vcek.der()).value(), p.vcek);
}

TEST(Certificate, KeepsTimesBeyond2050) {
  CertificateBuilder b;
  const auto key = EcPrivateKey::generate(Curve::kP256);
  const Instant far = at("2061-05-06T07:08:09Z");
  EXPECT_EQ(b.subject_cn("far").validity(kFrom, far).self_sign(key).not_after(), far);
}

TEST(Certificate, CarriesNamesAndAddressesForTls) {
  CertificateBuilder b;
  const auto key = EcPrivateKey::generate(Curve::kP256);
  const Certificate c = b.subject_cn("x")
                            .validity(kFrom, kUntil)
                            .dns_name("localhost")
                            .dns_name("127.0.0.1")
                            .self_sign(key);
  EXPECT_EQ(to_hex(c.extension("2.5.29.17").value()), "301182096c6f63616c686f737487047f000001");
  EXPECT_TRUE(c.verify_signed_by(c, Scheme::kEcdsaSha256).has_value());
}

TEST(Certificate, KeepsSerialsOfTwentyBytes) {
  const auto key = EcPrivateKey::generate(Curve::kP256);
  const auto made = [&](const Bytes& magnitude) {
    CertificateBuilder b;
    return b.subject_cn("x").serial(magnitude).validity(kFrom, kUntil).self_sign(key);
  };
  const Bytes high(20, 0x95);  // takes a sign octet
  EXPECT_EQ(made(high).serial(), high);
  EXPECT_NE(std::search(made(high).der().begin(), made(high).der().end(), high.begin(), high.end()),
            made(high).der().end());
  const Bytes low(20, 0x65);
  EXPECT_EQ(made(low).serial(), low);
  EXPECT_EQ(made({0, 0, 7}).serial(), Bytes{7});
  EXPECT_EQ(made({0}).serial(), Bytes{0});
}

TEST(Certificate, TellsASigningLeafFromACa) {
  const auto key = EcPrivateKey::generate(Curve::kP256);
  CertificateBuilder b;
  const Certificate c = b.subject_cn("x").validity(kFrom, kUntil).signing_leaf().self_sign(key);
  EXPECT_FALSE(c.is_ca() || c.may_sign_certificates() || c.may_sign_crls());
  EXPECT_EQ(c.critical_extensions(), (std::vector<std::string>{"2.5.29.15", "2.5.29.19"}));
  EXPECT_EQ(c.extension("2.5.29.15"), (Bytes{0x03, 0x02, 0x06, 0xc0}))
      << "digitalSignature, nonRepudiation";
  EXPECT_EQ(c.extension("2.5.29.19"), (Bytes{0x30, 0x00}));
}

TEST(Certificate, ReturnsNoNameWhenThereAreTwo) {
  const Bytes der = resign(pki().vcek, pki().ask_key.pkcs8_der().expose(), {}, [](X509* x) {
    const ossl::X509NamePtr name(X509_NAME_dup(X509_get_subject_name(x)));
    EXPECT_EQ(X509_NAME_add_entry_by_txt(name.get(), "CN", MBSTRING_UTF8, as_bytes("Other").data(),
                                         5, -1, 0),
              1);
    EXPECT_EQ(X509_set_subject_name(x, name.get()), 1);
  });
  EXPECT_EQ(Certificate::from_der(der).value().subject_cn(), "");
}

TEST(Certificate, RejectsTruncatedExtendedAndForeignBytes) {
  const Bytes& der = pki().vcek.der();
  EXPECT_TRUE(is_bad({}));
  EXPECT_TRUE(is_bad(concat({der, Bytes(1)})));
  for (std::size_t len = 0; len < der.size(); len += 7) {
    EXPECT_TRUE(is_bad(ByteView(der).first(len))) << len;
  }
  EXPECT_TRUE(is_bad(Bytes(100000)));
  EXPECT_TRUE(is_bad(as_bytes("-----BEGIN CERTIFICATE-----")));
  EXPECT_TRUE(is_bad(concat({Bytes{0x30, 0x80}, ByteView(der).subspan(4), Bytes(2)})))
      << "indefinite length";
}

TEST(Certificate, RejectsTwoExtensionsOfOneOid) {
  // …3704.1.3 becomes …3704.1.4.
  const Bytes oid{0x2b, 0x06, 0x01, 0x04, 0x01, 0x9c, 0x78, 0x01, 0x03};
  Bytes to = oid;
  to.back() = 4;
  EXPECT_TRUE(is_bad(replace_all(pki().vcek.der(), oid, to)));
}

TEST(Certificate, RejectsAnExtensionThatDoesNotParse) {
  EXPECT_TRUE(is_bad(replace_all(pki().ask.der(), Bytes{0x30, 0x06, 0x01, 0x01, 0xff},
                                 Bytes{0x31, 0x06, 0x01, 0x01, 0xff})));
}

TEST(Certificate, RejectsTooManyExtensions) {
  const auto with_extensions = [](int n) {
    return resign(pki().vcek, pki().ask_key.pkcs8_der().expose(), {}, [n](X509* x) {
      for (int i = X509_get_ext_count(x); i < n; ++i) {
        const std::string oid = "1.2.3." + std::to_string(i);
        EXPECT_EQ(X509_add_ext(x, extension_of(oid.c_str(), Bytes(1), false).get(), -1), 1);
      }
    });
  };
  EXPECT_TRUE(Certificate::from_der(with_extensions(64)).has_value());
  EXPECT_TRUE(is_bad(with_extensions(65)));
}

TEST(Certificate, RejectsOtherVersionsAndSerials) {
  const SecretBytes key = pki().ask_key.pkcs8_der();
  EXPECT_TRUE(is_bad(
      resign(pki().vcek, key.expose(), {}, [](X509* x) { EXPECT_EQ(X509_set_version(x, 1), 1); })));
  EXPECT_TRUE(is_bad(resign(pki().vcek, key.expose(), {}, [](X509* x) {
    EXPECT_EQ(ASN1_INTEGER_set_int64(X509_get_serialNumber(x), -5), 1);
  })));
  EXPECT_TRUE(is_bad(resign(pki().vcek, key.expose(), {}, [](X509* x) {
    const ossl::Bn n(BN_bin2bn(Bytes(22, 1).data(), 22, nullptr));
    EXPECT_NE(BN_to_ASN1_INTEGER(n.get(), X509_get_serialNumber(x)), nullptr);
  })));
}

TEST(Certificate, RejectsTimesNotInUtcOrWithoutSeconds) {
  const Bytes time = to_bytes("330101000000Z");
  EXPECT_TRUE(is_bad(replace_all(pki().vcek.der(), time, to_bytes("330101000000Y"))));
  EXPECT_TRUE(is_bad(replace_all(pki().vcek.der(), time, to_bytes("331301000000Z"))));
  EXPECT_TRUE(is_bad(replace_all(pki().vcek.der(), time, to_bytes("33010100+0000"))));
}

TEST(Certificate, AcceptsEachLinkOfTheChain) {
  const Pki& p = pki();
  EXPECT_TRUE(p.ark.verify_signed_by(p.ark, Scheme::kRsaPssSha384).has_value());
  EXPECT_TRUE(p.ask.verify_signed_by(p.ark, Scheme::kRsaPssSha384).has_value());
  EXPECT_TRUE(p.vcek.verify_signed_by(p.ask, Scheme::kRsaPssSha384).has_value());
}

TEST(Certificate, RejectsEachChangedByteOfWhatIsSigned) {
  const Pki& p = pki();
  Bytes der = p.vcek.der();
  int verified = 0;
  for (std::size_t i = 0; i < der.size(); ++i) {
    der[i] ^= 1;
    const auto changed = Certificate::from_der(der);
    if (changed) {
      const auto result = changed->verify_signed_by(p.ask, Scheme::kRsaPssSha384);
      ASSERT_FALSE(result.has_value()) << i;
      EXPECT_TRUE(result.error().is(CryptoError::kChain) ||
                  result.error().is(CryptoError::kBadCertificate))
          << i;
      ++verified;
    }
    der[i] ^= 1;
  }
  EXPECT_GT(verified, 300);  // the signature alone is 256 bytes
}

TEST(Certificate, RejectsAnotherIssuer) {
  const Pki& p = pki();
  EXPECT_TRUE(
      p.vcek.verify_signed_by(p.ark, Scheme::kRsaPssSha384).error().is(CryptoError::kChain));
  EXPECT_TRUE(
      p.vcek.verify_signed_by(p.vcek, Scheme::kRsaPssSha384).error().is(CryptoError::kChain))
      << "an EC key does not verify RSA";
}

TEST(Certificate, RejectsEveryOtherScheme) {
  const Pki& p = pki();
  const SecretBytes key = p.ask_key.pkcs8_der();
  const auto refused = [&](const Signing& how) {
    const auto c = Certificate::from_der(resign(p.vcek, key.expose(), how)).value();
    const auto result = c.verify_signed_by(p.ask, Scheme::kRsaPssSha384);
    return !result && result.error().is(CryptoError::kBadCertificate);
  };
  EXPECT_FALSE(refused({}));
  EXPECT_TRUE(refused({.padding = RSA_PKCS1_PADDING})) << "PKCS #1 v1.5";
  EXPECT_TRUE(refused({.salt_len = 32}));
  EXPECT_TRUE(refused({.md = EVP_sha256(), .mgf1 = EVP_sha256()}));
  EXPECT_TRUE(refused({.mgf1 = EVP_sha256()}));
  for (const Scheme scheme : {Scheme::kEcdsaSha256, Scheme::kEcdsaSha384}) {
    EXPECT_TRUE(p.vcek.verify_signed_by(p.ask, scheme).error().is(CryptoError::kBadCertificate));
  }
}

TEST(Certificate, RejectsEcdsaWithAnotherHash) {
  CertificateBuilder b;
  const auto key = EcPrivateKey::generate(Curve::kP256);
  const Certificate c = b.subject_cn("x").validity(kFrom, kUntil).self_sign(key);
  EXPECT_TRUE(c.verify_signed_by(c, Scheme::kEcdsaSha256).has_value());
  EXPECT_TRUE(c.verify_signed_by(c, Scheme::kEcdsaSha384).error().is(CryptoError::kBadCertificate));
  const Certificate sha384 = Certificate::from_der(resign(c, key.pkcs8_der().expose())).value();
  EXPECT_TRUE(sha384.verify_signed_by(c, Scheme::kEcdsaSha384).has_value());
  EXPECT_TRUE(
      sha384.verify_signed_by(c, Scheme::kEcdsaSha256).error().is(CryptoError::kBadCertificate));
}

// Intel's hierarchy: P-256 and SHA-256 from the root to the leaf, serials of 20 octets.
struct EcPki {
  EcPrivateKey root_key = EcPrivateKey::generate(Curve::kP256);
  EcPrivateKey ca_key = EcPrivateKey::generate(Curve::kP256);
  Certificate root = [this] {
    CertificateBuilder b;
    return b.subject_cn("EC Root").validity(kFrom, kUntil).ca(1, true).self_sign(root_key);
  }();
  Certificate ca = [this] {
    CertificateBuilder b;
    return b.subject_cn("EC CA")
        .validity(kFrom, kUntil)
        .ca(0, true)
        .key(ca_key.public_key())
        .issue(root, root_key);
  }();
  // A serial whose first bit is set takes a zero octet before it in DER.
  Bytes serial = concat({Bytes{0xfd}, Bytes(19, 0x5a)});
  Certificate leaf = [this] {
    CertificateBuilder b;
    const Certificate first = b.subject_cn("EC leaf")
                                  .validity(kFrom, kUntil)
                                  .key(root_key.public_key())
                                  .issue(ca, ca_key);
    return Certificate::from_der(
               resign(first, ca_key.pkcs8_der().expose(), {.md = EVP_sha256()},
                      [this](X509* x) { set_serial(X509_get_serialNumber(x), serial); }))
        .value();
  }();

  static void set_serial(ASN1_INTEGER* to, const Bytes& magnitude) {
    const ossl::Bn n(BN_bin2bn(magnitude.data(), static_cast<int>(magnitude.size()), nullptr));
    EXPECT_NE(BN_to_ASN1_INTEGER(n.get(), to), nullptr);
  }
};
const EcPki& ec_pki() {
  static const EcPki instance;
  return instance;
}

TEST(Certificate, AcceptsEcdsaOfItsIssuerAndOfNoOther) {
  const EcPki& p = ec_pki();
  EXPECT_TRUE(p.root.verify_signed_by(p.root, Scheme::kEcdsaSha256));
  EXPECT_TRUE(p.ca.verify_signed_by(p.root, Scheme::kEcdsaSha256));
  EXPECT_TRUE(p.leaf.verify_signed_by(p.ca, Scheme::kEcdsaSha256));
  EXPECT_EQ(p.leaf.serial(), p.serial);
  EXPECT_TRUE(
      p.leaf.verify_signed_by(p.root, Scheme::kEcdsaSha256).error().is(CryptoError::kChain));
  EXPECT_TRUE(
      p.leaf.verify_signed_by(pki().ark, Scheme::kEcdsaSha256).error().is(CryptoError::kChain))
      << "an RSA key does not verify ECDSA";
  Bytes der = p.leaf.der();
  der.back() ^= 1;
  const auto changed = Certificate::from_der(der);
  ASSERT_TRUE(changed.has_value());
  EXPECT_TRUE(
      changed->verify_signed_by(p.ca, Scheme::kEcdsaSha256).error().is(CryptoError::kChain));
}

TEST(Certificate, RejectsTwoDifferentSignatureAlgorithms) {
  // The outer AlgorithmIdentifier gets the explicit trailer field, which is accepted by itself.
  const Pki& p = pki();
  const Bytes& der = p.vcek.der();
  const Bytes salt{0xa2, 0x03, 0x02, 0x01, 0x30};
  const auto end_of_outer = std::find_end(der.begin(), der.end(), salt.begin(), salt.end()) + 5;
  Bytes changed(der.begin(), end_of_outer);
  const Bytes trailer{0xa3, 0x03, 0x02, 0x01, 0x01};
  changed.insert(changed.end(), trailer.begin(), trailer.end());
  changed.insert(changed.end(), end_of_outer, der.end());
  const auto algorithm_at = static_cast<std::size_t>(end_of_outer - der.begin()) - 67;
  ASSERT_EQ(changed[algorithm_at + 1], 0x41);
  changed[algorithm_at + 1] = 0x46;
  ASSERT_EQ(changed[algorithm_at + 14], 0x34);
  changed[algorithm_at + 14] = 0x39;
  const std::size_t len = changed.size() - 4;
  changed[2] = static_cast<std::uint8_t>(len >> 8U);
  changed[3] = static_cast<std::uint8_t>(len);
  const auto parsed = Certificate::from_der(changed);
  ASSERT_TRUE(parsed.has_value()) << parsed.error().to_string();
  EXPECT_TRUE(parsed->verify_signed_by(p.ask, Scheme::kRsaPssSha384)
                  .error()
                  .is(CryptoError::kBadCertificate));
}

TEST(Certificate, RejectsAnIssuerWithAShortRsaKey) {
  const Pki& p = pki();
  const ossl::Pkey small(EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", std::size_t{1024}));
  const SecretBytes key = ossl::pkcs8_of(small.get());
  const Certificate issuer = Certificate::from_der(resign(p.ark, key.expose(), {}, [&](X509* x) {
                               EXPECT_EQ(X509_set_pubkey(x, small.get()), 1);
                             })).value();
  EXPECT_TRUE(
      issuer.verify_signed_by(issuer, Scheme::kRsaPssSha384).error().is(CryptoError::kChain));
}

TEST(Pem, ReadsBlocksBetweenOtherText) {
  const Pki& p = pki();
  const auto pem = [](const Certificate& c) {
    std::string out = "-----BEGIN CERTIFICATE-----\r\n";
    const std::string body = base64_encode(c.der());
    for (std::size_t i = 0; i < body.size(); i += 64) {
      out += body.substr(i, 64) + "\r\n";
    }
    return out + "-----END CERTIFICATE-----\r\n";
  };
  const auto many =
      Certificate::many_from_pem("a chain\n" + pem(p.ask) + "and\n" + pem(p.ark) + '\0').value();
  ASSERT_EQ(many.size(), 2U);
  EXPECT_EQ(many[0], p.ask);
  EXPECT_EQ(many[1], p.ark);

  const auto bad = [](const std::string& text) {
    const auto result = Certificate::many_from_pem(text);
    return !result && result.error().is(CryptoError::kBadCertificate);
  };
  EXPECT_TRUE(bad(""));
  EXPECT_TRUE(bad("-----BEGIN CERTIFICATE-----\nAAAA\n"));
  EXPECT_TRUE(bad("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"));
  EXPECT_TRUE(bad("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"));
  EXPECT_TRUE(bad("-----BEGIN CERTIFICATE-----\n" + std::string(200000, 'A') +
                  "\n-----END CERTIFICATE-----\n"));
  std::string seventeen;
  for (int i = 0; i < 16; ++i) {
    seventeen += pem(p.vcek);
  }
  EXPECT_EQ(Certificate::many_from_pem(seventeen).value().size(), 16U);
  EXPECT_TRUE(bad(seventeen + pem(p.vcek)));
}

// ---- CRL ------------------------------------------------------------------------------------

Bytes crl_of(const std::vector<std::uint64_t>& serials) {
  return CertificateBuilder::make_crl(pki().ark, pki().ark_key, kFrom, kUntil, serials);
}

TEST(RevocationList, ListsSerials) {
  const Pki& p = pki();
  const auto empty = RevocationList::from_der(crl_of({})).value();
  EXPECT_FALSE(empty.lists(p.ask));
  EXPECT_FALSE(empty.lists(p.vcek));
  const auto list = RevocationList::from_der(crl_of({99999, 10001, 128})).value();
  EXPECT_TRUE(list.lists(p.ask));
  EXPECT_FALSE(list.lists(p.ark));
  EXPECT_FALSE(list.lists(p.vcek));
  EXPECT_TRUE(RevocationList::from_der(crl_of({0})).value().lists(p.vcek));
  EXPECT_EQ(list.this_update(), kFrom);
  EXPECT_EQ(list.next_update(), kUntil);
  EXPECT_TRUE(list.issued_by_name(p.ark));
  EXPECT_FALSE(list.issued_by_name(p.ask));
}

TEST(RevocationList, IsSignedByAnEcKeyToo) {
  const Bytes key_id(20, 0xab);
  const auto key = EcPrivateKey::generate(Curve::kP256);
  const auto other = EcPrivateKey::generate(Curve::kP256);
  const auto certificate = [&](const Bytes& serial, bool with_key_id) {
    CertificateBuilder b;
    b.subject_cn("EC CA").serial(serial).validity(kFrom, kUntil).ca(0, true);
    if (with_key_id) {
      b.extension("2.5.29.14", concat({Bytes{0x04, 0x14}, key_id}));
    }
    return b.self_sign(key);
  };
  const Bytes high(20, 0x95);
  const Bytes low(20, 0x65);
  const Certificate ca = certificate(low, true);
  const Bytes der = CertificateBuilder::make_crl(ca, key, kFrom, kUntil, {Bytes{1}, high});
  const auto list = RevocationList::from_der(der).value();
  EXPECT_TRUE(list.verify_signed_by(ca, Scheme::kEcdsaSha256).has_value());
  EXPECT_TRUE(
      list.verify_signed_by(ca, Scheme::kRsaPssSha384).error().is(CryptoError::kBadCertificate));
  EXPECT_TRUE(RevocationList::from_der(CertificateBuilder::make_crl(ca, other, kFrom, kUntil, {}))
                  .value()
                  .verify_signed_by(ca, Scheme::kEcdsaSha256)
                  .error()
                  .is(CryptoError::kChain));
  EXPECT_TRUE(list.issued_by_name(ca));
  EXPECT_EQ(list.this_update(), kFrom);
  EXPECT_EQ(list.next_update(), kUntil);
  EXPECT_TRUE(list.lists(certificate(high, false)));
  EXPECT_TRUE(list.lists(certificate({1}, false)));
  EXPECT_FALSE(list.lists(ca));

  // CRL number 1 (RFC 5280 §5.2.3), and the issuer's key id (§5.2.1) where it has one.
  const auto has = [](const Bytes& in, const Bytes& part) {
    return std::search(in.begin(), in.end(), part.begin(), part.end()) != in.end();
  };
  const Bytes number{0x06, 0x03, 0x55, 0x1d, 0x14, 0x04, 0x03, 0x02, 0x01, 0x01};
  const Bytes authority =
      concat({Bytes{0x06, 0x03, 0x55, 0x1d, 0x23, 0x04, 0x18, 0x30, 0x16, 0x80, 0x14}, key_id});
  EXPECT_TRUE(has(der, number));
  EXPECT_TRUE(has(der, authority));
  const Bytes without =
      CertificateBuilder::make_crl(certificate(low, false), key, kFrom, kUntil, {});
  EXPECT_TRUE(has(without, number));
  EXPECT_FALSE(has(without, {0x55, 0x1d, 0x23}));
}

TEST(RevocationList, AcceptsEcdsaReasonsAndLongSerials) {
  // As Intel's lists are: an authority key id, and a reason with each serial.
  const EcPki& p = ec_pki();
  const auto list_of = [&](const Bytes& serial) {
    const Bytes der = CertificateBuilder::make_crl(p.ca, pki().ark_key, kFrom, kUntil, {1});
    const auto change = [&](X509_CRL* crl) {
      const auto key_id =
          extension_of("2.5.29.35", concat({Bytes{0x30, 22, 0x80, 20}, Bytes(20, 7)}), false);
      EXPECT_EQ(X509_CRL_add_ext(crl, key_id.get(), -1), 1);
      X509_REVOKED* entry = sk_X509_REVOKED_value(X509_CRL_get_REVOKED(crl), 0);
      const auto reason = extension_of("2.5.29.21", Bytes{0x0a, 1, 1}, false);
      EXPECT_EQ(X509_REVOKED_add_ext(entry, reason.get(), -1), 1);
      const ossl::Asn1IntegerPtr number(ASN1_INTEGER_new());
      EcPki::set_serial(number.get(), serial);
      EXPECT_EQ(X509_REVOKED_set_serialNumber(entry, number.get()), 1);
    };
    return RevocationList::from_der(
               resign_crl(der, p.ca_key.pkcs8_der().expose(), {.md = EVP_sha256()}, change))
        .value();
  };
  const RevocationList list = list_of(p.serial);
  EXPECT_TRUE(list.verify_signed_by(p.ca, Scheme::kEcdsaSha256));
  EXPECT_TRUE(list.verify_signed_by(p.root, Scheme::kEcdsaSha256).error().is(CryptoError::kChain));
  EXPECT_TRUE(
      list.verify_signed_by(p.ca, Scheme::kEcdsaSha384).error().is(CryptoError::kBadCertificate));
  EXPECT_TRUE(list.lists(p.leaf));
  Bytes other = p.serial;
  other.back() ^= 1;
  EXPECT_FALSE(list_of(other).lists(p.leaf));
}

TEST(RevocationList, RejectsEachChangeAndAnotherIssuer) {
  const Pki& p = pki();
  Bytes der = crl_of({10001});
  const auto list = RevocationList::from_der(der).value();
  EXPECT_TRUE(list.verify_signed_by(p.ark, Scheme::kRsaPssSha384).has_value());
  EXPECT_TRUE(list.verify_signed_by(p.ask, Scheme::kRsaPssSha384).error().is(CryptoError::kChain));
  EXPECT_TRUE(
      list.verify_signed_by(p.ark, Scheme::kEcdsaSha384).error().is(CryptoError::kBadCertificate));
  for (std::size_t i = 0; i < der.size(); ++i) {
    der[i] ^= 1;
    const auto changed = RevocationList::from_der(der);
    EXPECT_FALSE(changed && changed->verify_signed_by(p.ark, Scheme::kRsaPssSha384)) << i;
    der[i] ^= 1;
  }
}

TEST(RevocationList, RejectsOtherForms) {
  const auto bad = [](ByteView der) {
    const auto result = RevocationList::from_der(der);
    return !result && result.error().is(CryptoError::kBadCertificate);
  };
  const Bytes der = crl_of({10001});
  const SecretBytes key = pki().ark_key.pkcs8_der();
  EXPECT_TRUE(bad({}));
  EXPECT_TRUE(bad(concat({der, Bytes(1)})));
  EXPECT_TRUE(bad(ByteView(der).first(der.size() - 1)));
  EXPECT_TRUE(bad(pki().ark.der())) << "a certificate";
  EXPECT_TRUE(is_bad(der)) << "a CRL for a certificate";
  EXPECT_TRUE(bad(Bytes(5'000'000)));
  EXPECT_TRUE(bad(resign_crl(der, key.expose(), {}, [](X509_CRL* crl) {
    const auto delta = extension_of("2.5.29.27", Bytes{2, 1, 1}, true);
    EXPECT_EQ(X509_CRL_add_ext(crl, delta.get(), -1), 1);
  }))) << "a delta list";
  EXPECT_TRUE(bad(resign_crl(der, key.expose(), {}, [](X509_CRL* crl) {
    const auto extension = extension_of("1.2.3.4", Bytes{5, 0}, true);
    X509_REVOKED* entry = sk_X509_REVOKED_value(X509_CRL_get_REVOKED(crl), 0);
    EXPECT_EQ(X509_REVOKED_add_ext(entry, extension.get(), -1), 1);
  }))) << "a critical extension of an entry";
  EXPECT_TRUE(bad(resign_crl(crl_of({}), key.expose(), {}, [](X509_CRL* crl) {
    EXPECT_EQ(X509_CRL_set_version(crl, 0), 1);
  }))) << "v1";
  const auto pkcs1 = RevocationList::from_der(
      resign_crl(der, key.expose(), {.padding = RSA_PKCS1_PADDING}, [](X509_CRL*) {}));
  ASSERT_TRUE(pkcs1.has_value());
  EXPECT_TRUE(pkcs1->verify_signed_by(pki().ark, Scheme::kRsaPssSha384)
                  .error()
                  .is(CryptoError::kBadCertificate));
}

TEST(RsaPrivateKey, KeepsAKeyThroughPkcs8) {
  const SecretBytes der = pki().ark_key.pkcs8_der();
  const auto again = RsaPrivateKey::from_pkcs8_der(der.expose()).value();
  CertificateBuilder b;
  const Certificate c = amd_like(b, "again").self_sign(again);
  EXPECT_EQ(c.spki_der(), pki().ark.spki_der());
  EXPECT_TRUE(c.verify_signed_by(pki().ark, Scheme::kRsaPssSha384).has_value());
  EXPECT_TRUE(RsaPrivateKey::from_pkcs8_der(concat({der.expose(), Bytes(1)}))
                  .error()
                  .is(CryptoError::kBadKey));
}

}  // namespace
}  // namespace ensconce
