#!/usr/bin/python3
"""Shows that architecture.py finds what it must: each case is a small tree with one thing wrong,
held against the real edges.txt."""

import pathlib
import sys
import tempfile
import unittest

import architecture

EDGES = (pathlib.Path(__file__).resolve().parent / "edges.txt").read_text(encoding="utf-8")
HEADERS = (
    "lib/attestation/include/ensconce/attestation/appraise/appraise.h",
    "lib/attestation/include/ensconce/attestation/evidence/statement.h",
    "lib/attestation/include/ensconce/attestation/result/render.h",
    "lib/attestation/include/ensconce/attestation/verify/verified.h",
    "lib/base/include/ensconce/base/bytes.h",
    "lib/channel/include/ensconce/channel/lease.h",
    "lib/channel/include/ensconce/channel/session_proof.h",
    "lib/client/include/ensconce/client/attested_client.h",
    "lib/crypto/include/ensconce/crypto/hash.h",
    "lib/inference/include/ensconce/inference/engine.h",
    "lib/inference/include/ensconce/inference/tensor.h",
    "lib/keybroker/include/ensconce/keybroker/key_broker.h",
    "lib/server/include/ensconce/server/v2_service.h",
    "lib/sim/include/ensconce/sim/snp_pki.h",
    "lib/tee/include/ensconce/tee/provider.h",
)


class Architecture(unittest.TestCase):
    def problems(self, files, edges=EDGES):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for name, text in {**dict.fromkeys(HEADERS, "#pragma once\n"), **files}.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text, encoding="utf-8")
            return architecture.examine(root, edges).problems

    def accepts(self, path, text):
        self.assertEqual(self.problems({path: text}), [])

    def rejects(self, path, text, words):
        problems = self.problems({path: text})
        self.assertEqual(len(problems), 1, problems)
        self.assertIn(words, problems[0])
        self.assertTrue(problems[0].startswith(path), problems[0])

    def test_accepts_what_an_edge_reaches(self):
        self.accepts("lib/server/src/a.cc", '#include "ensconce/base/bytes.h"\n'
                     '#include "ensconce/attestation/evidence/statement.h"\n')

    def test_rejects_an_edge_that_points_back(self):
        self.rejects("lib/crypto/src/a.cc", '#include "ensconce/server/v2_service.h"\n',
                     "crypto may not use server")

    def test_rejects_it_in_angle_brackets_and_with_spaces(self):
        self.rejects("lib/crypto/src/a.cc", "\n  #  include <ensconce/server/v2_service.h>\n",
                     "crypto may not use server")

    def test_rejects_an_attester_that_judges(self):
        self.rejects("lib/tee/src/a.cc", '#include "ensconce/attestation/verify/verified.h"\n',
                     "tee may not use attestation/verify")

    def test_rejects_attestation_that_makes_evidence(self):
        self.rejects("lib/attestation/src/verify/a.cc", '#include "ensconce/tee/provider.h"\n',
                     "attestation/verify may not use tee")

    def test_rejects_a_verifier_that_knows_a_policy(self):
        self.rejects("lib/attestation/src/verify/a.cc",
                     '#include "ensconce/attestation/appraise/appraise.h"\n',
                     "attestation/verify may not use attestation/appraise")

    def test_rejects_an_appraisal_that_knows_its_rendering(self):
        self.rejects("lib/attestation/src/appraise/a.cc",
                     '#include "ensconce/attestation/result/render.h"\n',
                     "attestation/appraise may not use attestation/result")

    def test_rejects_the_simulator_in_what_ships(self):
        self.rejects("apps/worker/main.cc", '#include "ensconce/sim/snp_pki.h"\n',
                     "apps/worker may not use sim")
        self.rejects("bench/latency/latency.cc", '#include "ensconce/sim/snp_pki.h"\n',
                     "bench may not use sim")

    def test_accepts_the_simulator_in_its_program_and_in_tests(self):
        self.accepts("apps/sim/main.cc", '#include "ensconce/sim/snp_pki.h"\n')
        self.accepts("lib/attestation/test/a_test.cc", '#include "ensconce/sim/snp_pki.h"\n')

    def test_rejects_a_client_in_the_measured_program(self):
        self.rejects("apps/worker/main.cc", '#include "ensconce/client/attested_client.h"\n',
                     "apps/worker may not use client")

    def test_rejects_more_of_a_library_than_the_edge_names(self):
        self.accepts("lib/keybroker/src/a.cc", '#include "ensconce/channel/lease.h"\n')
        self.rejects("lib/keybroker/src/a.cc", '#include "ensconce/channel/session_proof.h"\n',
                     "keybroker may not use channel")
        self.accepts("lib/client/src/a.cc", '#include "ensconce/inference/tensor.h"\n')
        self.rejects("lib/client/src/a.cc", '#include "ensconce/inference/engine.h"\n',
                     "client may not use inference")

    def test_rejects_a_foreign_library_outside_its_files(self):
        self.accepts("lib/crypto/src/a.cc", "#include <openssl/evp.h>\n")
        self.rejects("lib/sealed_model/src/a.cc", "#include <openssl/evp.h>\n",
                     "this file may not see that library")
        self.rejects("lib/inference/src/a.cc", "#include <onnxruntime_cxx_api.h>\n",
                     "this file may not see that library")
        self.rejects("lib/server/src/a.cc", "#include <boost/asio.hpp>\n",
                     "this file may not see that library")
        self.rejects("apps/worker/main.cc", "#include <CLI/CLI.hpp>\n",
                     "this file may not see that library")

    def test_rejects_a_foreign_library_in_a_public_header(self):
        for name in ("openssl/evp.h", "boost/asio.hpp", "fmt/format.h", "zzz/unheard_of.h"):
            self.rejects("lib/crypto/include/ensconce/crypto/a.h", f"#include <{name}>\n",
                         "a public header sees no library but ours")

    def test_rejects_a_private_header_of_another_library(self):
        files = {"lib/crypto/src/openssl.h": "#pragma once\n",
                 "lib/crypto/src/a.cc": '#include "openssl.h"\n'}
        self.assertEqual(self.problems(files), [])
        files["lib/net/src/b.cc"] = '#include "../../crypto/src/openssl.h"\n'
        [problem] = self.problems(files)
        self.assertIn("neither a public header nor a private one", problem)

    def test_accepts_a_fixture_of_another_test_in_tests_alone(self):
        files = {"lib/net/test/fixture.h": "#pragma once\n",
                 "tests/integration/a_test.cc": '#include "fixture.h"\n'}
        self.assertEqual(self.problems(files), [])
        files["lib/crypto/src/a.cc"] = '#include "fixture.h"\n'
        self.assertEqual(len(self.problems(files)), 1)

    def test_rejects_a_header_that_does_not_exist(self):
        self.rejects("lib/crypto/src/a.cc", '#include "ensconce/base/nothing.h"\n',
                     "no such public header")

    def test_rejects_a_folder_nobody_named(self):
        self.rejects("lib/util/src/a.cc", "", "edges.txt does not know util")

    def test_rejects_a_link_that_no_edge_allows(self):
        self.accepts("lib/tee/CMakeLists.txt",
                     "ensc_library(NAME tee SOURCES src/a.cc DEPS attestation_evidence)\n")
        self.rejects("lib/tee/CMakeLists.txt",
                     "ensc_library(NAME tee SOURCES src/a.cc\n  DEPS attestation SYSTEM x)\n",
                     "tee links attestation")
        self.rejects("lib/oip/CMakeLists.txt",
                     "ensc_library(NAME oip SOURCES src/a.cc DEPS codec inference)\n",
                     "oip links inference")
        self.rejects("lib/net/CMakeLists.txt",
                     "target_link_libraries(ensc_net PUBLIC ensconce::crypto)\n",
                     "net links crypto")
        self.rejects("apps/worker/CMakeLists.txt",
                     "ensc_program(NAME ensconce-worker SOURCES main.cc DEPS server sim)\n",
                     "ensconce-worker links sim")

    def test_rejects_a_cycle_in_the_list_itself(self):
        problems = self.problems({}, EDGES + "\nbase > server\n")
        self.assertTrue(any("a cycle" in p for p in problems), problems)

    def test_rejects_a_line_it_cannot_read(self):
        self.assertEqual(len(self.problems({}, EDGES + "\nbase server\n")), 1)


if __name__ == "__main__":
    sys.exit(unittest.main())
