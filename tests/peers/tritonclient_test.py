#!/usr/bin/env python3
"""Triton's own client, unchanged, against whatever serves the models of models/simple.

    tritonclient_test.py [URL]        URL like 127.0.0.1:8000, or in ENSCONCE_V2_URL

The URL is the one thing in here that knows of Ensconce: everything below is the public interface of
tritonclient.http. Served there must be "simple", "simple_identity" and "every_type" (models/simple/build.py);
other models do not disturb. Exits 77, aloud, where `tritonclient[http]` (PyPI) cannot be imported.
"""

from __future__ import annotations

import os
import pathlib
import sys
from collections.abc import Callable

try:
    import numpy as np
    import tritonclient.http as triton
    from tritonclient.utils import InferenceServerException, np_to_triton_dtype
except ImportError as missing:
    print(f"SKIPPED: this test needs the Python package 'tritonclient[http]' ({missing})",
          file=sys.stderr)
    sys.exit(77)

URL = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("ENSCONCE_V2_URL", "127.0.0.1:8000")

A = np.arange(16, dtype=np.int32).reshape(1, 16)
B = np.full((1, 16), -3, dtype=np.int32)


def given(name: str, array: np.ndarray, *, binary: bool = True,
          datatype: str | None = None) -> triton.InferInput:
    tensor = triton.InferInput(name, list(array.shape), datatype or np_to_triton_dtype(array.dtype))
    tensor.set_data_from_numpy(array, binary_data=binary)
    return tensor


def two(a: np.ndarray = A, b: np.ndarray = B, *, binary: bool = True) -> list[triton.InferInput]:
    return [given("INPUT0", a, binary=binary), given("INPUT1", b, binary=binary)]


def same(got: np.ndarray | None, expected: np.ndarray) -> None:
    assert got is not None, "the output is not there"
    assert got.dtype == expected.dtype, (got.dtype, expected.dtype)
    assert got.shape == expected.shape, (got.shape, expected.shape)
    assert (got == expected).all(), (got, expected)


def refused(call: Callable[[], object], status: str, word: str) -> None:
    try:
        call()
    except InferenceServerException as error:
        assert error.status() == status, error
        assert word in error.message(), error
        return
    raise AssertionError(f"not refused with {status} {word}")


# ---- What is there --------------------------------------------------------------------------------


def tells_health(client: triton.InferenceServerClient) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("simple")
    assert client.is_model_ready("simple", "1")
    assert not client.is_model_ready("no-such-model")
    assert not client.is_model_ready("simple", "2")


def tells_metadata(client: triton.InferenceServerClient) -> None:
    server = client.get_server_metadata()
    assert server["name"] and server["version"], server
    assert "binary_tensor_data" in server["extensions"], server
    for version in ("", "1"):
        model = client.get_model_metadata("simple", version)
        assert model["name"] == "simple" and model["versions"] == ["1"], model
        assert model["platform"], model
        assert model["inputs"] == [
            {"name": name, "datatype": "INT32", "shape": [-1, 16]} for name in ("INPUT0", "INPUT1")
        ], model
        assert model["outputs"] == [
            {"name": name, "datatype": "INT32", "shape": [-1, 16]} for name in ("OUTPUT0", "OUTPUT1")
        ], model
    refused(lambda: client.get_model_metadata("no-such-model"), "404", "unknown_model")
    refused(lambda: client.get_model_metadata("simple", "2"), "404", "unknown_version")


def tells_configuration(client: triton.InferenceServerClient) -> None:
    config = client.get_model_config("simple", "1")
    assert config["name"] == "simple" and config["platform"], config
    assert config["max_batch_size"] == 0, config
    assert config["input"] == [
        {"name": name, "data_type": "TYPE_INT32", "dims": [-1, 16]} for name in ("INPUT0", "INPUT1")
    ], config
    assert config["output"] == [
        {"name": name, "data_type": "TYPE_INT32", "dims": [-1, 16]}
        for name in ("OUTPUT0", "OUTPUT1")
    ], config
    of_strings = client.get_model_config("simple_identity")
    assert of_strings["input"][0]["data_type"] == "TYPE_STRING", of_strings


def tells_the_index(client: triton.InferenceServerClient) -> None:
    index = {entry["name"]: entry for entry in client.get_model_repository_index()}
    for name in ("simple", "simple_identity", "every_type"):
        assert index[name]["version"] == "1" and index[name]["state"] == "READY", index


# ---- What is computed -----------------------------------------------------------------------------


def infers_in_every_form(client: triton.InferenceServerClient) -> None:
    """Inputs and outputs, each in JSON and in binary."""
    for binary_in in (False, True):
        result = client.infer("simple", two(binary=binary_in))
        same(result.as_numpy("OUTPUT0"), A + B)
        same(result.as_numpy("OUTPUT1"), A - B)
        for binary_out in (False, True):
            wanted = [
                triton.InferRequestedOutput("OUTPUT1", binary_data=binary_out),
                triton.InferRequestedOutput("OUTPUT0", binary_data=not binary_out),
            ]
            result = client.infer("simple", two(binary=binary_in), model_version="1", outputs=wanted)
            same(result.as_numpy("OUTPUT0"), A + B)
            same(result.as_numpy("OUTPUT1"), A - B)


def infers_any_batch(client: triton.InferenceServerClient) -> None:
    many = np.arange(7 * 16, dtype=np.int32).reshape(7, 16)
    result = client.infer("simple", two(many, many))
    same(result.as_numpy("OUTPUT0"), 2 * many)
    same(result.as_numpy("OUTPUT1"), 0 * many)


def answers_what_is_asked_for(client: triton.InferenceServerClient) -> None:
    wanted = [triton.InferRequestedOutput("OUTPUT1")]
    result = client.infer("simple", two(), outputs=wanted, request_id="request 7")
    same(result.as_numpy("OUTPUT1"), A - B)
    assert result.as_numpy("OUTPUT0") is None
    response = result.get_response()
    assert response["id"] == "request 7", response
    assert response["model_name"] == "simple" and response["model_version"] == "1", response
    described = result.get_output("OUTPUT1")
    assert described["datatype"] == "INT32" and described["shape"] == [1, 16], described


def infers_asynchronously(client: triton.InferenceServerClient) -> None:
    batches = [A + i for i in range(8)]
    started = [client.async_infer("simple", two(a), request_id=str(i))
               for i, a in enumerate(batches)]
    for i, (one, a) in enumerate(zip(started, batches)):
        result = one.get_result()
        assert result.get_response()["id"] == str(i)
        same(result.as_numpy("OUTPUT0"), a + B)


def carries_bytes(client: triton.InferenceServerClient) -> None:
    words = [b"", b"a", "grüße, 世界".encode(), b"x" * 5000] + [str(i).encode() for i in range(12)]
    text = np.array(words, dtype=np.object_).reshape(1, 16)
    for binary_in in (False, True):
        for binary_out in (False, True):
            wanted = [triton.InferRequestedOutput("OUTPUT0", binary_data=binary_out)]
            result = client.infer(
                "simple_identity", [given("INPUT0", text, binary=binary_in)], outputs=wanted)
            got = result.as_numpy("OUTPUT0")
            assert got is not None and got.shape == (1, 16), got
            # tritonclient gives str for JSON and bytes for binary.
            plain = [w.encode() if isinstance(w, str) else bytes(w) for w in got.flatten()]
            assert plain == words, plain
    raw = np.array([bytes([i, 0, 255, 254]) for i in range(16)], dtype=np.object_).reshape(1, 16)
    result = client.infer("simple_identity", [given("INPUT0", raw)])
    assert list(result.as_numpy("OUTPUT0").flatten()) == list(raw.flatten())


def every_type_arrays() -> dict[str, np.ndarray]:
    out = {"BOOL": np.array([True, False, True]),
           "BYTES": np.array([b"one", b"", b"three"], dtype=np.object_)}
    for kind in ("int", "uint"):
        for bits in (8, 16, 32, 64):
            info = np.iinfo(f"{kind}{bits}")
            out[info.dtype.name.upper()] = np.array([info.min, 1, info.max], dtype=info.dtype)
    for bits in (16, 32, 64):
        info = np.finfo(f"float{bits}")
        out[f"FP{bits}"] = np.array([info.min, 0.1, info.smallest_subnormal], dtype=info.dtype)
    import ml_dtypes  # tritonclient's own way to BF16

    out["BF16"] = np.array([1.5, -2, 3], dtype=ml_dtypes.bfloat16)
    return out


def carries_every_type(client: triton.InferenceServerClient) -> None:
    arrays = every_type_arrays()
    model = client.get_model_metadata("every_type")
    assert {one["datatype"] for one in model["inputs"]} == set(arrays), model
    halves = ("FP16", "BF16")  # these have no JSON form
    for binary in (False, True):
        inputs = [given(f"{name}_IN", array, binary=binary or name in halves, datatype=name)
                  for name, array in arrays.items()]
        wanted = [triton.InferRequestedOutput(f"{name}_OUT", binary_data=binary or name in halves)
                  for name in arrays]
        result = client.infer("every_type", inputs, outputs=wanted)
        for name, array in arrays.items():
            got = result.as_numpy(f"{name}_OUT")
            if name == "BYTES":
                got = np.array([w.encode() if isinstance(w, str) else bytes(w) for w in got],
                               dtype=np.object_)
            same(got, array)


# ---- The demo's models, where they are served -----------------------------------------------------


def asks_the_demos_models(client: triton.InferenceServerClient) -> None:
    served = {entry["name"] for entry in client.get_model_repository_index()}
    if "sentence-labels" in served:
        text = np.array(["The lab results of my blood test have not arrived."], dtype=np.object_)
        answer = client.infer("sentence-labels", [given("text", text)],
                              outputs=[triton.InferRequestedOutput("label")])
        assert answer.as_numpy("label").tolist() == [b"test-results"], answer.as_numpy("label")
    if "line-reader" in served:
        picture = pathlib.Path(__file__).resolve().parents[2] / "models/samples/invoice.png"
        image = np.array([picture.read_bytes()], dtype=np.object_)
        answer = client.infer("line-reader", [given("image", image)])
        assert b"48213" in answer.as_numpy("text")[0], answer.as_numpy("text")
    print(f"    of {sorted(served & {'sentence-labels', 'line-reader'})}")


# ---- What is refused ------------------------------------------------------------------------------


def refuses_by_name(client: triton.InferenceServerClient) -> None:
    def infer(inputs: list[triton.InferInput], **more: object) -> Callable[[], object]:
        return lambda: client.infer("simple", inputs, **more)

    good = given("INPUT1", B)
    floats = A.astype(np.float32)
    refused(infer([given("INPUT0", floats), good]), "400", "wrong_type: input \"INPUT0\"")
    refused(infer([given("INPUT0", A[:, :15]), good]), "400", "wrong_shape: input \"INPUT0\"")
    refused(infer([given("INPUT0", A[0]), good]), "400", "wrong_shape: input \"INPUT0\"")
    refused(infer([given("INPUT0", A)]), "400", "missing_input: input \"INPUT1\"")
    refused(infer([*two(), given("INPUT2", A)]), "400", "unknown_input")
    refused(infer([*two(), given("INPUT1", A)]), "400", "unknown_input: input \"INPUT1\"")
    refused(infer(two(), outputs=[triton.InferRequestedOutput("OUTPUT2")]), "400", "unknown_output")
    refused(infer(two(), outputs=[triton.InferRequestedOutput("OUTPUT0", class_count=3)]), "501",
            "classification")
    # Through a proxy it is the policy that does not know the model.
    refused(lambda: client.infer("no-such-model", two()), "404", "model")
    refused(infer(two(), model_version="2"), "404", "unknown_version")
    same(client.infer("simple", two()).as_numpy("OUTPUT0"), A + B)


def main() -> int:
    url = URL.removeprefix("http://").rstrip("/")
    with triton.InferenceServerClient(url, concurrency=4) as client:
        for step in (tells_health, tells_metadata, tells_configuration, tells_the_index,
                     infers_in_every_form, infers_any_batch, answers_what_is_asked_for,
                     infers_asynchronously, carries_bytes, carries_every_type, asks_the_demos_models,
                     refuses_by_name):
            step(client)
            print(f"ok: {step.__name__}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
