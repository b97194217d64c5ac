// The SGX extension of a PCK certificate (Intel SGX PCK Certificate and CRL Profile, "SGX
// Extensions"): a SEQUENCE of SEQUENCE { OID, value }, all under 1.2.840.113741.1.13.1.

#include <algorithm>
#include <initializer_list>

#include "ensconce/attestation/endorsements/intel_endorsements.h"
#include "ensconce/codec/der.h"

namespace ensconce {
namespace {

constexpr std::string_view kSgxOid = "1.2.840.113741.1.13.1";
constexpr ByteArray<9> kSgxOidDer = {0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01};
constexpr std::uint8_t kBoolean = 0x01;
constexpr std::uint8_t kOid = 0x06;
constexpr std::uint8_t kEnumerated = 0x0a;
constexpr std::size_t kMaxEntries = 64;  // the profile knows 18 in one place
constexpr std::uint8_t kMaxSgxType = 2;

Error bad(std::string detail) { return Error(EvidenceError::kIntelPck, std::move(detail)); }

// Path is what follows the arc: {2, 17} is …13.1.2.17. Every arc of the profile is below 128, one
// octet of DER.
using Path = std::initializer_list<std::uint8_t>;

std::string dotted(Path path) {
  std::string out(kSgxOid);
  for (const std::uint8_t arc : path) {
    out += "." + std::to_string(arc);
  }
  return out;
}

// read_all reads exactly one element of that tag.
Result<ByteView> read_all(ByteView der, std::uint8_t tag, const std::string& what) {
  ByteReader reader(der);
  const auto element = der::read_element(reader);
  if (!element || reader.remaining() != 0 || element->tag != tag) {
    return bad(what + " is not of its type");
  }
  return element->content;
}

// Entries is one SEQUENCE of SEQUENCE { OID, value }, borrowed. The order is not guaranteed, so
// members are looked up; one that stands twice is refused, for two readers could take either.
class Entries {
 public:
  static Result<Entries> read(ByteView der, const std::string& what) {
    ENSC_TRY_ASSIGN(const ByteView content, read_all(der, der::kSequence, what));
    Entries out;
    ByteReader reader(content);
    while (reader.remaining() > 0) {
      if (out.entries_.size() == kMaxEntries) {
        return bad(what + ": more than 64 entries");
      }
      ENSC_TRY_ASSIGN(const Entry entry, read_entry(reader, what));
      if (out.entry_of(entry.oid) != nullptr) {
        return bad(what + ": an entry twice");
      }
      out.entries_.push_back(entry);
    }
    return out;
  }

  // find returns the DER of the value, nothing when it is absent.
  [[nodiscard]] std::optional<ByteView> find(Path path) const {
    Bytes oid(kSgxOidDer.begin(), kSgxOidDer.end());
    oid.insert(oid.end(), path.begin(), path.end());
    const Entry* entry = entry_of(oid);
    return entry == nullptr ? std::nullopt : std::optional<ByteView>(entry->value);
  }
  [[nodiscard]] Result<ByteView> take(Path path) const {
    const auto value = find(path);
    if (!value.has_value()) {
      return bad(dotted(path) + " is missing");
    }
    return *value;
  }

 private:
  struct Entry {
    ByteView oid;
    ByteView value;
  };

  static Result<Entry> read_entry(ByteReader& reader, const std::string& what) {
    const auto pair = der::read_element(reader);
    if (!pair || pair->tag != der::kSequence) {
      return bad(what + ": an entry that is no SEQUENCE");
    }
    ByteReader inside(pair->content);
    const auto oid = der::read_element(inside);
    if (!oid || oid->tag != kOid) {
      return bad(what + ": an entry without an OID");
    }
    const auto value = der::read_element(inside);
    if (!value || inside.remaining() != 0) {
      return bad(what + ": an entry without exactly one value");
    }
    return Entry{oid->content, value->whole};
  }

  [[nodiscard]] const Entry* entry_of(ByteView oid) const {
    const auto at = std::find_if(entries_.begin(), entries_.end(),
                                 [&](const Entry& entry) { return equal(entry.oid, oid); });
    return at == entries_.end() ? nullptr : &*at;
  }

  std::vector<Entry> entries_;
};

template <std::size_t N>
Result<ByteArray<N>> octets(const Entries& entries, Path path) {
  ENSC_TRY_ASSIGN(const ByteView der, entries.take(path));
  ENSC_TRY_ASSIGN(const ByteView content, read_all(der, der::kOctetString, dotted(path)));
  auto out = to_array<N>(content);
  if (!out) {
    return bad(dotted(path) + ": " + out.error().detail());
  }
  return out;
}

Result<std::uint32_t> integer(const Entries& entries, Path path, std::uint32_t max) {
  ENSC_TRY_ASSIGN(const ByteView der, entries.take(path));
  const auto number = der::read_small_uint(der);
  if (!number) {
    return bad(dotted(path) + ": " + number.error().detail());
  }
  if (*number > max) {
    return bad(dotted(path) + " is beyond " + std::to_string(max));
  }
  return *number;
}

Result<std::uint8_t> sgx_type(const Entries& entries) {
  ENSC_TRY_ASSIGN(const ByteView der, entries.take({5}));
  ENSC_TRY_ASSIGN(const ByteView content, read_all(der, kEnumerated, dotted({5})));
  if (content.size() != 1 || content[0] > kMaxSgxType) {
    return bad(dotted({5}) + " is no SGX type we know");
  }
  return content[0];
}

Result<std::optional<bool>> boolean(const Entries& entries, Path path) {
  const auto der = entries.find(path);
  if (!der.has_value()) {
    return std::optional<bool>();
  }
  ENSC_TRY_ASSIGN(const ByteView content, read_all(*der, kBoolean, dotted(path)));
  if (content.size() != 1 || (content[0] != 0 && content[0] != 0xff)) {
    return bad(dotted(path) + " is no DER BOOLEAN");  // X.690 §11.1
  }
  return std::optional<bool>(content[0] != 0);
}

Result<void> read_tcb(const Entries& entries, PckExtensions& out) {
  ENSC_TRY_ASSIGN(const ByteView der, entries.take({2}));
  ENSC_TRY_ASSIGN(const Entries tcb, Entries::read(der, dotted({2})));
  for (std::size_t i = 0; i < out.components.size(); ++i) {
    ENSC_TRY_ASSIGN(const std::uint32_t svn,
                    integer(tcb, {2, static_cast<std::uint8_t>(i + 1)}, 0xff));
    out.components[i] = static_cast<std::uint8_t>(svn);
  }
  ENSC_TRY_ASSIGN(const std::uint32_t pce_svn, integer(tcb, {2, 17}, 0xffff));
  out.pce_svn = static_cast<std::uint16_t>(pce_svn);
  ENSC_TRY_ASSIGN(out.cpu_svn, octets<16>(tcb, {2, 18}));
  return ok();
}

// What only a certificate of the Platform CA has.
Result<void> read_platform(const Entries& entries, PckExtensions& out) {
  if (entries.find({6}).has_value()) {
    ENSC_TRY_ASSIGN(out.platform_instance_id, octets<16>(entries, {6}));
  }
  if (const auto der = entries.find({7})) {
    ENSC_TRY_ASSIGN(const Entries configuration, Entries::read(*der, dotted({7})));
    ENSC_TRY_ASSIGN(out.dynamic_platform, boolean(configuration, {7, 1}));
    ENSC_TRY_ASSIGN(out.cached_keys, boolean(configuration, {7, 2}));
    ENSC_TRY_ASSIGN(out.smt_enabled, boolean(configuration, {7, 3}));
  }
  return ok();
}

}  // namespace

Result<PckExtensions> parse_pck_extension_value(ByteView extn_value) {
  ENSC_TRY_ASSIGN(const Entries entries, Entries::read(extn_value, dotted({})));
  PckExtensions out;
  ENSC_TRY_ASSIGN(out.ppid, octets<16>(entries, {1}));
  ENSC_TRY(read_tcb(entries, out));
  ENSC_TRY_ASSIGN(out.pce_id, octets<2>(entries, {3}));
  ENSC_TRY_ASSIGN(out.fmspc, octets<6>(entries, {4}));
  ENSC_TRY_ASSIGN(out.sgx_type, sgx_type(entries));
  ENSC_TRY(read_platform(entries, out));
  return out;
}

Result<PckExtensions> parse_pck_extensions(const Certificate& pck) {
  const auto value = pck.extension(kSgxOid);
  if (!value.has_value()) {
    return bad("extension " + std::string(kSgxOid) + " is missing");
  }
  return parse_pck_extension_value(*value);
}

}  // namespace ensconce
