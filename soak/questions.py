"""Questions whose right answers are known, and what may come of asking one.

    answered      the right answer
    wrong         another one: never allowed
    refused       a status of 400 and up, or an exit code, with words
    wordless      a refusal that says nothing, or says it in no form that was promised
    broken        no answer: nobody there, or the connection ended
    hung          longer than anybody's own limits

Each sum is of numbers of its own, so an answer that belongs to somebody else is a wrong one.
"""

import dataclasses
import http.client
import json
import pathlib
import subprocess
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
MODELS = ("simple", "sentence-labels")
# The client's own limits are 10 s to connect and 60 s for an answer (net/client.h).
DEADLINE_SECONDS = 75
COLUMNS = 16  # of the model "simple"
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # loopback: by no proxy


@dataclasses.dataclass
class Question:
    model: str
    body: bytes  # a V2 request
    answer: dict  # {output: flat values}
    texts: tuple = ()  # the same for the command line; sentences alone can be asked there


@dataclasses.dataclass
class Outcome:
    kind: str
    words: str = ""
    status: int = 0  # of HTTP, or an exit code
    seconds: float = 0.0


def v2_request(inputs, outputs):
    return json.dumps({"inputs": inputs, "outputs": [{"name": name} for name in outputs]}).encode()


def sums(rng, rows=None):
    rows = rows or rng.randint(1, 8)
    left, right = ([rng.randint(-2**29, 2**29) for _ in range(rows * COLUMNS)] for _ in range(2))
    inputs = [{"name": name, "shape": [rows, COLUMNS], "datatype": "INT32", "data": data}
              for name, data in (("INPUT0", left), ("INPUT1", right))]
    answer = {"OUTPUT0": [a + b for a, b in zip(left, right)],
              "OUTPUT1": [a - b for a, b in zip(left, right)]}
    return Question("simple", v2_request(inputs, answer), answer)


def sentences():
    """(label, sentence): those the demo holds the model to."""
    text = (ROOT / "models/sentence-labels/held-out.tsv").read_text(encoding="utf-8")
    return [line.split("\t") for line in text.splitlines() if "\t" in line][::6]


def labels(rng, rows, number=None):
    chosen = [rng.choice(rows) for _ in range(number or rng.randint(1, 4))]
    texts = tuple(sentence for _, sentence in chosen)
    inputs = [{"name": "text", "shape": [len(texts)], "datatype": "BYTES", "data": texts}]
    answer = {"label": [label for label, _ in chosen]}
    return Question("sentence-labels", v2_request(inputs, answer), answer, texts)


def judge(question, status, body):
    """Of an answer over HTTP that is whole."""
    try:
        said = json.loads(body)
        if status >= 400:
            if isinstance(said["error"], str) and said["error"]:
                return Outcome("refused", said["error"], status)
            return Outcome("wordless", repr(said), status)
        got = {one["name"]: one["data"] for one in said["outputs"]}
    except (ValueError, KeyError, TypeError) as error:
        return Outcome("wordless" if status >= 400 else "wrong", f"{error!r}: {body[:200]!r}", status)
    if status != 200 or got != question.answer:
        return Outcome("wrong", f"{status}, expected {question.answer}, got {got}", status)
    return Outcome("answered", "", status)


def timed(ask):
    began = time.monotonic()
    outcome = ask()
    outcome.seconds = time.monotonic() - began
    if outcome.seconds > DEADLINE_SECONDS:
        return Outcome("hung", f"{outcome.kind}: {outcome.words}", outcome.status, outcome.seconds)
    return outcome


def ask_url(base, question):
    """Asks over plain HTTP, a connection for each question, as a program that knows no better."""
    request = urllib.request.Request(f"{base}/v2/models/{question.model}/infer", data=question.body,
                                     headers={"Content-Type": "application/json"})

    def ask():
        try:
            with DIRECT.open(request, timeout=DEADLINE_SECONDS) as response:
                return judge(question, response.status, response.read())
        except urllib.error.HTTPError as error:
            try:
                return judge(question, error.code, error.read())
            except (OSError, http.client.HTTPException) as cut:
                return Outcome("broken", repr(cut))
        except (OSError, http.client.HTTPException) as error:  # URLError is an OSError
            return Outcome("broken", repr(error))
    return timed(ask)


def ask_connection(connection, question, bundle):
    """Asks over an open connection of http.client, which opens itself again after its end. bundle: the
    manifest digest that the worker itself wants named; None for a proxy, which names it."""
    headers = {"Content-Type": "application/json"}
    if bundle is not None:
        headers["Ensconce-Bundle"] = bundle

    def ask():
        try:
            connection.request("POST", f"/v2/models/{question.model}/infer", body=question.body,
                               headers=headers)
            response = connection.getresponse()
            return judge(question, response.status, response.read())
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            return Outcome("broken", repr(error))
    return timed(ask)


def ask_infer(program, url, policy, channel, question):
    """Asks by `ensconce infer`, a process for each question."""
    argv = [program, "infer", "--policy", policy, "--channel", channel, url, "--model",
            question.model, *(word for text in question.texts for word in ("--text", text))]

    def ask():
        try:
            done = subprocess.run([str(word) for word in argv], stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True, check=False,
                                  timeout=DEADLINE_SECONDS)
        except subprocess.TimeoutExpired:
            return Outcome("hung", "ensconce infer")
        if done.returncode < 0:
            return Outcome("wordless", f"ended by signal {-done.returncode}", done.returncode)
        if done.returncode > 0:
            said_nothing = done.stdout.strip() or not done.stderr.strip()
            return Outcome("wordless" if said_nothing else "refused",
                           (done.stderr + done.stdout).strip(), done.returncode)
        try:
            got = json.loads(done.stdout)["outputs"]["label"]
        except (ValueError, KeyError, TypeError) as error:
            return Outcome("wrong", f"{error!r}: {done.stdout[:200]!r}")
        if got != question.answer["label"]:
            return Outcome("wrong", f"expected {question.answer}, got {got}")
        return Outcome("answered")
    return timed(ask)
