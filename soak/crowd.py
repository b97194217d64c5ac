#!/usr/bin/python3
"""Many clients that ask at once, each its next question when it has an answer, and now and then some
that announce large bodies and never send them. A process of its own, so that who measures beside it
does not wait for its threads. Prints what came of it as JSON.

Who is refused with 503 asks the same again after a pause, until it is answered.
"""

import argparse
import contextlib
import http.client
import json
import random
import socket
import ssl
import sys
import threading
import time
import urllib.parse

import questions
from bars import KEPT, Tally, percentile

# What a worker holds for bodies in all is 512 MiB, and 64 MiB of one (net/server.h). Largest first,
# these leave no room for the least of requests; the small ones again, for what others give back.
HOARDED = [64 * 2**20] * 8 + [2**power for power in range(25, 16, -1)]
HOARDED_AGAIN = [2**power for power in range(16, 6, -1)]
PATIENCE_SECONDS = 60  # to be answered at last after a 503


def unverified():
    """A client that looks at no evidence: strangers crowd too."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def connect(url, timeout=questions.DEADLINE_SECONDS):
    where = urllib.parse.urlsplit(url)
    if where.scheme == "https":
        return http.client.HTTPSConnection(where.hostname, where.port, timeout=timeout,
                                           context=unverified())
    return http.client.HTTPConnection(where.hostname, where.port, timeout=timeout)


def says_busy(outcome):
    """A 503. Over OHTTP the worker says it before it has opened anything, so outside the envelope, where
    it could be anybody's: the proxy then passes on that no answer came that holds (docs/proxy.md)."""
    return outcome.status == 503 or (
        outcome.status == 502 and "outside the envelope, status 503" in outcome.words)


class Crowd:
    def __init__(self, arguments):
        self.urls = arguments.urls
        self.bundles = dict(one.split("=") for one in arguments.bundle)
        self.seed = arguments.seed
        self.no_hoard = arguments.no_hoard
        self.deadline = time.monotonic() + arguments.seconds
        self.tally = Tally()
        self.took = []
        self.context = unverified()
        self.rows = questions.sentences()
        # Together, from the first: each opens its first connection when all are there.
        self.together = threading.Barrier(arguments.clients)

    def client(self, number):
        rng = random.Random(f"{self.seed} crowd {number}")
        url = self.urls[number % len(self.urls)]
        connection = connect(url)
        self.together.wait()
        while time.monotonic() < self.deadline:
            if rng.random() < 0.02:
                connection.close()  # and opens anew: handshakes are part of the load
            # Mostly what takes the worker long, so that all of them wait for it.
            question = (questions.sums(rng, rng.choice((1, 4, 64))) if rng.random() < 0.2 else
                        questions.labels(rng, self.rows, rng.randint(1, 8)))
            self.until_answered(rng, connection, url, question)
        connection.close()

    def until_answered(self, rng, connection, url, question):
        began, refused = time.monotonic(), False
        way = "direct" if url.startswith("https:") else "proxy"
        bundle = self.bundles[question.model] if way == "direct" else None
        while True:
            outcome = questions.ask_connection(connection, question, bundle)
            kind = outcome.kind
            if kind == "refused" and not says_busy(outcome):
                kind = "other_refusals"
            self.tally.add(kind, fault=None if kind in ("answered", "refused") else
                           f"{way}: {outcome.status} {outcome.words}")
            self.tally.add(f"{way}_{kind}")
            if kind == "refused":
                self.tally.add(f"{way}_refused_by_{outcome.status}")
            if kind == "answered":
                self.took.append(outcome.seconds)
            if kind != "refused":
                break
            refused = True
            if time.monotonic() - began > PATIENCE_SECONDS:
                self.tally.add("never_answered", fault=f"{way}: {outcome.words}")
                return
            time.sleep(rng.uniform(0.05, 0.3))
        if refused:
            self.tally.add("answered_after_refusal" if kind == "answered" else "lost_after_refusal")
            self.tally.highest("slowest_after_refusal_s", round(time.monotonic() - began, 3))

    def hoard(self, url):
        """Announces bodies until there is no room, holds that for a moment and goes."""
        rng = random.Random(f"{self.seed} hoard")
        end = self.deadline - 0.5
        while time.monotonic() < end:
            time.sleep(max(0, min(rng.uniform(0.3, 3), end - time.monotonic())))
            with contextlib.ExitStack() as held:
                self.announce(held, url, HOARDED)
                self.tally.add("hoards")
                until = time.monotonic() + rng.uniform(0.3, 1)
                while time.monotonic() < until:
                    self.announce(held, url, HOARDED_AGAIN)

    def announce(self, held, url, sizes):
        where = urllib.parse.urlsplit(url)
        for size in sizes:
            with contextlib.suppress(OSError):
                plain = held.enter_context(socket.create_connection(
                    (where.hostname, where.port), timeout=10))
                tls = held.enter_context(self.context.wrap_socket(plain))
                tls.sendall(b"POST /v2/models/simple/infer HTTP/1.1\r\nHost: worker\r\n"
                            b"Content-Type: application/json\r\nEnsconce-Bundle: %s\r\n"
                            b"Content-Length: %d\r\n\r\n"
                            % (self.bundles["simple"].encode(), size))

    def run(self):
        threads = [threading.Thread(target=self.client, args=(number,))
                   for number in range(self.together.parties)]
        if not self.no_hoard:
            threads.append(threading.Thread(
                target=self.hoard, args=(next(u for u in self.urls if u.startswith("https:")),)))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return {"counts": dict(sorted(self.tally.counts.items())), "faults": self.tally.faults[:KEPT],
                "answer_s": {"median": percentile(self.took, 0.5), "p99": percentile(self.took, 0.99),
                             "slowest": percentile(self.took, 1)}}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("urls", nargs="+", help="https: the worker itself; http: a proxy")
    parser.add_argument("--bundle", action="append", default=[], metavar="MODEL=DIGEST",
                        help="what the worker itself wants named")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-hoard", action="store_true", help="leave room for bodies")
    print(json.dumps(Crowd(parser.parse_args()).run()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
