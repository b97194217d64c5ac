#pragma once

#include "ensconce/attestation/evidence/sigstruct.h"

// A signer of enclaves for tests: a key that everybody has.
namespace ensconce::made {

// sigstruct names an enclave that was never built, with every field set to something of its own.
// Like Gramine's it fixes all attributes, and is not for debugging.
Sigstruct sigstruct();
// signed_by_test_key puts the key's modulus and a signature that holds into it.
Sigstruct signed_by_test_key(Sigstruct unsigned_one);

}  // namespace ensconce::made
