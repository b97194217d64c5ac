#include "x509_form.h"

#include <openssl/objects.h>

#include <algorithm>
#include <array>

#include "ensconce/codec/der.h"
#include "ensconce/codec/utf8.h"
#include "openssl.h"

namespace ensconce::internal {

namespace {

constexpr std::size_t kMaxExtensions = 64;
constexpr std::size_t kMaxSerialLen = 21;  // 20 octets (RFC 5280 section 4.1.2.2) and a sign octet
constexpr std::size_t kMaxOidText = 128;
constexpr std::size_t kMaxNameAttributes = 64;

constexpr std::uint8_t kBoolean = 0x01;
constexpr std::uint8_t kBitString = 0x03;
constexpr std::uint8_t kNull = 0x05;
constexpr std::uint8_t kOid = 0x06;
constexpr std::uint8_t kUtf8String = 0x0c;
constexpr std::uint8_t kPrintableString = 0x13;
constexpr std::uint8_t kUtcTime = 0x17;
constexpr std::uint8_t kGeneralizedTime = 0x18;
constexpr std::uint8_t kSet = 0x31;
constexpr std::uint8_t kVersionTag = 0xa0;
constexpr std::uint8_t kCrlExtensionsTag = 0xa0;
constexpr std::uint8_t kExtensionsTag = 0xa3;

constexpr ByteArray<3> kCommonName = {0x55, 0x04, 0x03};
constexpr std::string_view kKeyUsage = "2.5.29.15";
constexpr std::string_view kBasicConstraints = "2.5.29.19";
// SEQUENCE { rsaEncryption, NULL }
constexpr ByteArray<15> kRsaAlgorithm = {0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86,  0x48, 0x86,
                                         0xf7, 0x0d, 0x01, 0x01, 0x01, kNull, 0x00};

Error bad(std::string detail) { return {CryptoError::kBadCertificate, std::move(detail)}; }

Result<der::Element> take(ByteReader& reader, std::string_view what) {
  auto element = der::read_element(reader);
  if (!element) {
    return bad(element.error().to_string()).with_context(what);
  }
  return element;
}

Result<der::Element> take(ByteReader& reader, std::uint8_t tag, std::string_view what) {
  ENSC_TRY_ASSIGN(const der::Element element, take(reader, what));
  if (element.tag != tag) {
    return bad("another tag was expected").with_context(what);
  }
  return element;
}

bool next_is(const ByteReader& reader, std::uint8_t tag) {
  ByteReader ahead = reader;
  const auto octet = ahead.u8();
  return octet && *octet == tag;
}

// X.690 section 8.19: subidentifiers of seven bits an octet, none begun with zeros, the last whole.
Result<der::Element> take_oid(ByteReader& reader, std::string_view what) {
  ENSC_TRY_ASSIGN(const der::Element oid, take(reader, kOid, what));
  bool begins = true;
  for (const std::uint8_t octet : oid.content) {
    if (begins && octet == 0x80) {
      return bad("an object identifier that is not minimal").with_context(what);
    }
    begins = (octet & 0x80U) == 0;
  }
  if (oid.content.empty() || !begins) {
    return bad("an object identifier that is empty or cut off").with_context(what);
  }
  return oid;
}

Result<void> done(const ByteReader& reader, std::string_view what) {
  return reader.remaining() == 0 ? ok() : bad("something after it").with_context(what);
}

// AlgorithmIdentifier ::= SEQUENCE { OBJECT IDENTIFIER, parameters OPTIONAL }; parameters are a
// SEQUENCE, an OBJECT IDENTIFIER (a named curve) or NULL in all that we know.
Result<der::Element> take_algorithm(ByteReader& reader, std::string_view what) {
  ENSC_TRY_ASSIGN(const der::Element whole, take(reader, der::kSequence, what));
  ByteReader fields(whole.content);
  ENSC_TRY(take_oid(fields, what));
  if (next_is(fields, kOid)) {
    ENSC_TRY(take_oid(fields, what));
  } else if (fields.remaining() > 0) {
    ENSC_TRY_ASSIGN(const der::Element parameters, take(fields, what));
    const bool null = parameters.tag == kNull && parameters.content.empty();
    if (!null && parameters.tag != der::kSequence) {
      return bad("parameters of another kind").with_context(what);
    }
  }
  ENSC_TRY(done(fields, what));
  return whole;
}

// magnitude drops the leading zeros of a number, but not its last digit.
Bytes magnitude(ByteView number) {
  while (number.size() > 1 && number[0] == 0) {
    number = number.subspan(1);
  }
  return to_bytes(number);
}

bool is_minimal_unsigned(ByteView number) {
  return !number.empty() && (number[0] & 0x80U) == 0 &&
         !(number.size() > 1 && number[0] == 0 && (number[1] & 0x80U) == 0);
}

Result<Bytes> take_serial(ByteReader& reader) {
  ENSC_TRY_ASSIGN(const der::Element serial, take(reader, der::kInteger, "serialNumber"));
  if (!is_minimal_unsigned(serial.content) || serial.content.size() > kMaxSerialLen) {
    return bad("serialNumber: negative, too long or not minimal");
  }
  return magnitude(serial.content);
}

struct Parts {
  SignedForm form;
  ByteReader tbs;
};

// Both kinds are SEQUENCE { tbs SEQUENCE, AlgorithmIdentifier, BIT STRING }.
Result<Parts> read_signed_form(ByteView bytes) {
  ByteReader reader(bytes);
  ENSC_TRY_ASSIGN(const der::Element whole, take(reader, der::kSequence, "document"));
  ENSC_TRY(done(reader, "document"));
  ByteReader fields(whole.content);
  ENSC_TRY_ASSIGN(const der::Element tbs, take(fields, der::kSequence, "tbs"));
  ENSC_TRY_ASSIGN(const der::Element algorithm, take_algorithm(fields, "signatureAlgorithm"));
  ENSC_TRY_ASSIGN(const der::Element signature, take(fields, kBitString, "signature"));
  if (fields.remaining() != 0 || signature.content.empty() || signature.content[0] != 0) {
    return bad("signature: not a whole number of octets, or something after it");
  }
  return Parts{.form = {.tbs = to_bytes(tbs.whole),
                        .algorithm = to_bytes(algorithm.whole),
                        .inner_algorithm = {},
                        .signature = to_bytes(signature.content.subspan(1))},
               .tbs = ByteReader(tbs.content)};
}

// take_time_text reads the form of RFC 5280 section 4.1.2.5, seconds always, UTC always, as
// YYYYMMDDHHMMSS; UTCTime's years are 1950 to 2049.
Result<std::string> take_time_text(ByteReader& reader) {
  ENSC_TRY_ASSIGN(const der::Element time, take(reader, "time"));
  std::string text(as_text(time.content));
  const bool utc = time.tag == kUtcTime && text.size() == 13;
  if ((!utc && !(time.tag == kGeneralizedTime && text.size() == 15)) || text.back() != 'Z' ||
      !std::all_of(text.begin(), text.end() - 1, [](char c) { return c >= '0' && c <= '9'; })) {
    return bad("a time not as RFC 5280 wants it");
  }
  text.pop_back();
  if (utc) {
    text.insert(0, text[0] >= '5' ? "19" : "20");
  }
  return text;
}

Result<Instant> take_time(ByteReader& reader) {
  ENSC_TRY_ASSIGN(const std::string text, take_time_text(reader));
  const std::string rfc3339 = text.substr(0, 4) + "-" + text.substr(4, 2) + "-" +
                              text.substr(6, 2) + "T" + text.substr(8, 2) + ":" +
                              text.substr(10, 2) + ":" + text.substr(12, 2) + "Z";
  const auto instant = from_rfc3339(rfc3339);
  // What is written back otherwise (a 30th of February) is no time.
  if (!instant || to_rfc3339(*instant) != rfc3339) {
    return bad("a time not as RFC 5280 wants it");
  }
  return *instant;
}

struct Attribute {
  ByteView type;
  std::uint8_t tag;
  ByteView value;
};

// X.520's DirectoryString but for its two wide kinds, and the one of e-mail addresses.
bool is_name_text(const der::Element& value) {
  constexpr std::uint8_t kTeletexString = 0x14;
  constexpr std::uint8_t kIa5String = 0x16;
  switch (value.tag) {
    case kUtf8String:
      return is_utf8(as_text(value.content));
    case kPrintableString:
    case kIa5String:
      return std::all_of(value.content.begin(), value.content.end(),
                         [](std::uint8_t octet) { return octet < 0x80; });
    default:
      return value.tag == kTeletexString;
  }
}

// Name ::= SEQUENCE OF SET OF SEQUENCE { OBJECT IDENTIFIER, value }. No part of it is empty but
// the whole may be.
Result<std::vector<Attribute>> read_name(ByteView name) {
  std::vector<Attribute> out;
  ByteReader outer(name);
  ENSC_TRY_ASSIGN(const der::Element whole, take(outer, der::kSequence, "name"));
  ENSC_TRY(done(outer, "name"));
  ByteReader sets(whole.content);
  while (sets.remaining() > 0) {
    ENSC_TRY_ASSIGN(const der::Element set, take(sets, kSet, "name"));
    ByteReader attributes(set.content);
    do {
      ENSC_TRY_ASSIGN(const der::Element pair, take(attributes, der::kSequence, "name"));
      ByteReader fields(pair.content);
      ENSC_TRY_ASSIGN(const der::Element type, take_oid(fields, "name"));
      ENSC_TRY_ASSIGN(const der::Element value, take(fields, "name"));
      ENSC_TRY(done(fields, "name"));
      if (!is_name_text(value)) {
        return bad("a name of other than text");
      }
      if (out.size() == kMaxNameAttributes) {
        return bad("a name of too many parts");
      }
      out.push_back({type.content, value.tag, value.content});
    } while (attributes.remaining() > 0);
  }
  return out;
}

Result<Bytes> take_name(ByteReader& reader) {
  ENSC_TRY_ASSIGN(const der::Element name, take(reader, der::kSequence, "name"));
  ENSC_TRY(read_name(name.whole));
  return to_bytes(name.whole);
}

Result<std::string> dotted(ByteView oid_der) {
  const unsigned char* p = oid_der.data();
  const ossl::Asn1ObjectPtr object(d2i_ASN1_OBJECT(nullptr, &p, static_cast<long>(oid_der.size())));
  std::array<char, kMaxOidText> text{};
  const int len = object == nullptr
                      ? 0
                      : OBJ_obj2txt(text.data(), static_cast<int>(text.size()), object.get(), 1);
  if (len <= 0 || len >= static_cast<int>(text.size())) {
    return bad("an object identifier that is empty or too long");
  }
  return std::string(text.data());
}

// RawExtension borrows: a list has one for every entry, and nobody asks for its name.
struct RawExtension {
  ByteView oid;  // whole
  bool critical = false;
  ByteView value;
};

Result<bool> take_flag(ByteReader& reader, std::string_view what) {
  ENSC_TRY_ASSIGN(const der::Element flag, take(reader, kBoolean, what));
  if (flag.content.size() != 1 || (flag.content[0] != 0xff && flag.content[0] != 0)) {
    return bad("not a BOOLEAN").with_context(what);
  }
  return flag.content[0] == 0xff;
}

// Extension ::= SEQUENCE { OBJECT IDENTIFIER, critical BOOLEAN DEFAULT FALSE, OCTET STRING }
Result<RawExtension> take_extension(ByteReader& reader) {
  ENSC_TRY_ASSIGN(const der::Element whole, take(reader, der::kSequence, "extension"));
  ByteReader fields(whole.content);
  RawExtension out;
  ENSC_TRY_ASSIGN(const der::Element oid, take_oid(fields, "extension"));
  out.oid = oid.whole;
  if (next_is(fields, kBoolean)) {
    ENSC_TRY_ASSIGN(out.critical, take_flag(fields, "critical"));
  }
  ENSC_TRY_ASSIGN(const der::Element value, take(fields, der::kOctetString, "extension"));
  ENSC_TRY(done(fields, "extension"));
  out.value = value.content;
  return out;
}

// Extensions ::= SEQUENCE OF Extension, at least one, each once (RFC 5280 section 4.2).
Result<std::vector<RawExtension>> take_extensions(ByteReader& reader) {
  ENSC_TRY_ASSIGN(const der::Element list, take(reader, der::kSequence, "extensions"));
  ByteReader items(list.content);
  std::vector<RawExtension> out;
  do {
    ENSC_TRY_ASSIGN(const RawExtension one, take_extension(items));
    if (out.size() == kMaxExtensions) {
      return bad("too many extensions");
    }
    if (std::any_of(out.begin(), out.end(),
                    [&](const RawExtension& other) { return equal(other.oid, one.oid); })) {
      return bad("an extension twice");
    }
    out.push_back(one);
  } while (items.remaining() > 0);
  return out;
}

bool any_critical(const std::vector<RawExtension>& extensions) {
  return std::any_of(extensions.begin(), extensions.end(),
                     [](const RawExtension& extension) { return extension.critical; });
}

// BasicConstraints ::= SEQUENCE { cA BOOLEAN DEFAULT FALSE, pathLenConstraint INTEGER OPTIONAL }
Result<bool> read_ca(ByteView value) {
  ByteReader reader(value);
  ENSC_TRY_ASSIGN(const der::Element whole, take(reader, der::kSequence, "basicConstraints"));
  ENSC_TRY(done(reader, "basicConstraints"));
  ByteReader fields(whole.content);
  bool ca = false;
  if (next_is(fields, kBoolean)) {
    ENSC_TRY_ASSIGN(ca, take_flag(fields, "cA"));
  }
  if (fields.remaining() > 0) {
    ENSC_TRY_ASSIGN(const der::Element path, take(fields, der::kInteger, "pathLenConstraint"));
    if (!ca || !is_minimal_unsigned(path.content)) {
      return bad("pathLenConstraint: not a number, or of no CA");
    }
  }
  ENSC_TRY(done(fields, "basicConstraints"));
  return ca;
}

// KeyUsage ::= BIT STRING, of at most nine bits.
Result<std::uint8_t> read_key_usage(ByteView value) {
  ByteReader reader(value);
  ENSC_TRY_ASSIGN(const der::Element bits, take(reader, kBitString, "keyUsage"));
  ENSC_TRY(done(reader, "keyUsage"));
  const ByteView content = bits.content;
  if (content.size() < 2 || content.size() > 3 || content[0] > 7) {
    return bad("keyUsage: not a bit string of one to nine bits");
  }
  return content[1];
}

Result<void> read_known_extensions(CertificateForm& out) {
  for (const ExtensionForm& extension : out.extensions) {
    if (extension.oid == kBasicConstraints) {
      ENSC_TRY_ASSIGN(out.ca, read_ca(extension.value));
    } else if (extension.oid == kKeyUsage) {
      ENSC_TRY_ASSIGN(out.key_usage, read_key_usage(extension.value));
    }
  }
  return ok();
}

// SubjectPublicKeyInfo ::= SEQUENCE { AlgorithmIdentifier SEQUENCE, BIT STRING }
Result<Bytes> take_spki(ByteReader& reader) {
  ENSC_TRY_ASSIGN(const der::Element spki, take(reader, der::kSequence, "subjectPublicKeyInfo"));
  ByteReader fields(spki.content);
  ENSC_TRY(take_algorithm(fields, "key algorithm"));
  ENSC_TRY_ASSIGN(const der::Element key, take(fields, kBitString, "key"));
  ENSC_TRY(done(fields, "subjectPublicKeyInfo"));
  if (key.content.empty() || key.content[0] != 0) {
    return bad("key: not a whole number of octets");
  }
  return to_bytes(spki.whole);
}

// RevokedCertificate ::= SEQUENCE { serial INTEGER, date Time, extensions OPTIONAL }
Result<Bytes> take_revoked(ByteReader& reader) {
  ENSC_TRY_ASSIGN(const der::Element entry, take(reader, der::kSequence, "revoked"));
  ByteReader fields(entry.content);
  ENSC_TRY_ASSIGN(Bytes serial, take_serial(fields));
  ENSC_TRY(take_time_text(fields));  // when does not matter: listed is listed
  if (fields.remaining() > 0) {
    ENSC_TRY_ASSIGN(const std::vector<RawExtension> extensions, take_extensions(fields));
    if (any_critical(extensions)) {
      return bad("a CRL entry with a critical extension");
    }
  }
  ENSC_TRY(done(fields, "revoked"));
  return serial;
}

// A critical extension narrows what the list says (RFC 5280 section 5.2: delta lists, indirect
// lists, lists for a part of the certificates). Read without it, such a list would clear too much.
Result<void> take_crl_extensions(ByteReader& tbs) {
  if (tbs.remaining() == 0) {
    return ok();
  }
  ENSC_TRY_ASSIGN(const der::Element wrapped, take(tbs, kCrlExtensionsTag, "crlExtensions"));
  ENSC_TRY(done(tbs, "tbsCertList"));
  ByteReader inside(wrapped.content);
  ENSC_TRY_ASSIGN(const std::vector<RawExtension> extensions, take_extensions(inside));
  ENSC_TRY(done(inside, "crlExtensions"));
  return any_critical(extensions) ? bad("a CRL with a critical extension") : ok();
}

}  // namespace

// TBSCertificate ::= SEQUENCE { [0] version, serialNumber, signature, issuer, validity, subject,
//   subjectPublicKeyInfo, [1] issuerUniqueID, [2] subjectUniqueID, [3] extensions }
// Unique identifiers must not be used (section 4.1.2.8) and are refused with everything else that
// is not where it belongs.
Result<CertificateForm> read_certificate(ByteView der) {
  if (der.size() > kMaxCertificateLen) {
    return bad("larger than any certificate");
  }
  ENSC_TRY_ASSIGN(Parts parts, read_signed_form(der));
  ByteReader& tbs = parts.tbs;
  CertificateForm out;
  ENSC_TRY_ASSIGN(const der::Element version, take(tbs, kVersionTag, "version"));
  if (!equal(version.content, Bytes{der::kInteger, 1, 2})) {
    return bad("not an X.509 v3 certificate");
  }
  ENSC_TRY_ASSIGN(out.serial, take_serial(tbs));
  ENSC_TRY_ASSIGN(const der::Element inner, take_algorithm(tbs, "tbs.signature"));
  ENSC_TRY_ASSIGN(out.issuer, take_name(tbs));
  ENSC_TRY_ASSIGN(const der::Element validity, take(tbs, der::kSequence, "validity"));
  ByteReader times(validity.content);
  ENSC_TRY_ASSIGN(out.not_before, take_time(times));
  ENSC_TRY_ASSIGN(out.not_after, take_time(times));
  ENSC_TRY(done(times, "validity"));
  ENSC_TRY_ASSIGN(out.subject, take_name(tbs));
  ENSC_TRY_ASSIGN(out.spki, take_spki(tbs));
  if (tbs.remaining() > 0) {
    ENSC_TRY_ASSIGN(const der::Element wrapped, take(tbs, kExtensionsTag, "extensions"));
    ENSC_TRY(done(tbs, "tbsCertificate"));
    ByteReader inside(wrapped.content);
    ENSC_TRY_ASSIGN(const std::vector<RawExtension> extensions, take_extensions(inside));
    ENSC_TRY(done(inside, "extensions"));
    for (const RawExtension& one : extensions) {
      ENSC_TRY_ASSIGN(std::string oid, dotted(one.oid));
      out.extensions.push_back({std::move(oid), to_bytes(one.value), one.critical});
    }
  }
  ENSC_TRY(read_known_extensions(out));
  out.form = std::move(parts.form);
  out.form.inner_algorithm = to_bytes(inner.whole);
  return out;
}

// TBSCertList ::= SEQUENCE { version, signature, issuer, thisUpdate, nextUpdate OPTIONAL,
//   revokedCertificates SEQUENCE OF OPTIONAL, [0] crlExtensions OPTIONAL }
Result<CrlForm> read_crl(ByteView der) {
  if (der.size() > kMaxCrlLen) {
    return bad("larger than any CRL we know");
  }
  ENSC_TRY_ASSIGN(Parts parts, read_signed_form(der));
  ByteReader& tbs = parts.tbs;
  CrlForm out;
  ENSC_TRY_ASSIGN(const der::Element version, take(tbs, der::kInteger, "version"));
  if (!equal(version.content, Bytes{1})) {
    return bad("not a v2 CRL");
  }
  ENSC_TRY_ASSIGN(const der::Element inner, take_algorithm(tbs, "tbs.signature"));
  ENSC_TRY_ASSIGN(out.issuer, take_name(tbs));
  ENSC_TRY_ASSIGN(out.this_update, take_time(tbs));
  if (next_is(tbs, kUtcTime) || next_is(tbs, kGeneralizedTime)) {
    ENSC_TRY_ASSIGN(out.next_update, take_time(tbs));
  }
  if (next_is(tbs, der::kSequence)) {
    ENSC_TRY_ASSIGN(const der::Element list, take(tbs, der::kSequence, "revokedCertificates"));
    ByteReader entries(list.content);
    while (entries.remaining() > 0) {
      ENSC_TRY_ASSIGN(Bytes serial, take_revoked(entries));
      out.serials.push_back(std::move(serial));
    }
  }
  ENSC_TRY(take_crl_extensions(tbs));
  std::sort(out.serials.begin(), out.serials.end());
  out.form = std::move(parts.form);
  out.form.inner_algorithm = to_bytes(inner.whole);
  return out;
}

std::string common_name(ByteView name) {
  const auto attributes = read_name(name);
  std::string out;
  bool found = false;
  if (!attributes) {
    return out;
  }
  for (const Attribute& attribute : *attributes) {
    if (!equal(attribute.type, kCommonName)) {
      continue;
    }
    if (found || (attribute.tag != kUtf8String && attribute.tag != kPrintableString &&
                  attribute.tag != der::kIa5String)) {
      return {};
    }
    out = std::string(as_text(attribute.value));
    found = true;
  }
  return out;
}

std::optional<RsaKeyForm> read_rsa_key(ByteView spki) {
  ByteReader outer(spki);
  const auto whole = der::read_element(outer);
  if (!whole || outer.remaining() != 0) {
    return std::nullopt;
  }
  ByteReader fields(whole->content);
  const auto algorithm = der::read_element(fields);
  const auto key = algorithm ? der::read_element(fields) : algorithm;
  if (!key || !equal(algorithm->whole, kRsaAlgorithm) || key->content.size() < 2) {
    return std::nullopt;
  }
  // RSAPublicKey ::= SEQUENCE { modulus INTEGER, publicExponent INTEGER }
  ByteReader bits(key->content.subspan(1));
  const auto sequence = der::read_element(bits);
  if (!sequence || bits.remaining() != 0 || sequence->tag != der::kSequence) {
    return std::nullopt;
  }
  ByteReader numbers(sequence->content);
  const auto modulus = der::read_element(numbers);
  const auto exponent = modulus ? der::read_element(numbers) : modulus;
  if (!exponent || numbers.remaining() != 0 || modulus->tag != der::kInteger ||
      exponent->tag != der::kInteger || !is_minimal_unsigned(modulus->content) ||
      !is_minimal_unsigned(exponent->content)) {
    return std::nullopt;
  }
  return RsaKeyForm{magnitude(modulus->content), magnitude(exponent->content)};
}

}  // namespace ensconce::internal
