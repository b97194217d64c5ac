# The simulated vendor PKI alone: what tests of the verifier and the simulator share.
ensc_library(NAME sim_pki SOURCES src/snp_pki.cc DEPS attestation_evidence crypto)
