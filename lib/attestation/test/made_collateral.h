// Intel collateral as text and DER, made here byte by byte: for tests of the parsers, which trust
// nothing and check no signature.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "ensconce/base/bytes.h"
#include "ensconce/crypto/x509.h"

namespace ensconce::made {

// ---- The SGX extension of a PCK certificate -------------------------------------------------

// sgx_entry is SEQUENCE { OID 1.2.840.113741.1.13.1.<path>, value }.
Bytes sgx_entry(const Bytes& path, const Bytes& value);
Bytes octet_string(ByteView content);
Bytes sequence(const std::vector<Bytes>& elements);

struct PckOptions {
  ByteArray<6> fmspc{0x90, 0xc0, 0x6f, 0, 0, 0};
  ByteArray<2> pce_id{0, 0};
  std::uint16_t pce_svn = 13;
  bool platform_ca = true;
};
std::vector<Bytes> tcb_entries(const PckOptions& options = {});
// pck_entries are all entries of the extension, in the profile's order; sequence() of them is it.
std::vector<Bytes> pck_entries(const PckOptions& options = {});

// ---- JSON -----------------------------------------------------------------------------------

// The inner objects, in Intel's order of members.
std::string sgx_tcb_info();
std::string sgx_tcb_info_v2();
std::string tdx_tcb_info();
std::string qe_identity();  // TD_QE
// tcb_level is one level: SGX components 1 to 16 are `sgx` and zeros, TDX components likewise; none
// of TDX for an empty one.
std::string tcb_level(const std::vector<int>& sgx, int pce_svn, const std::vector<int>& tdx,
                      std::string_view status = "UpToDate");
// answer is {"<member>":<inner>,"signature":"<signature()>"}.
std::string answer(std::string_view member, std::string_view inner);
std::string signature();
// replaced changes the first place where `from` stands; it must stand somewhere.
std::string replaced(std::string text, std::string_view from, std::string_view to);

std::string pem_of(const Certificate& certificate);

}  // namespace ensconce::made
