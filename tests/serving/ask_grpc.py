"""Asks a server over gRPC, by KServe's own messages; runs in .venv-serve and prints JSON."""

import base64
import json
import sys
from pathlib import Path

import grpc
from kserve.protocol.grpc import grpc_predict_v2_pb2 as messages
from kserve.protocol.grpc import grpc_predict_v2_pb2_grpc as service


def request(images, name="image_bytes", **changes):
    told = {"name": name, "datatype": "BYTES", "shape": [len(images)], **changes}
    told["contents"] = {"bytes_contents": images}
    return messages.ModelInferRequest(model_name="digits", inputs=[told])


def main(port, *files):
    images = [Path(file).read_bytes() for file in files]
    found = {"refused": []}
    with grpc.insecure_channel(f"localhost:{port}") as channel:
        stub = service.GRPCInferenceServiceStub(channel)
        found["live"] = stub.ServerLive(messages.ServerLiveRequest()).live
        found["ready"] = stub.ModelReady(messages.ModelReadyRequest(name="digits")).ready
        for key, sent in (
            ("bytes", images),
            ("base64", [base64.b64encode(each) for each in images]),
        ):
            answer = stub.ModelInfer(request([*sent, b"no image"]))
            found["version"] = answer.model_version
            by_name = {each.name: each for each in answer.outputs}
            probabilities = by_name["probabilities"]
            found[key] = {
                "shape": list(probabilities.shape),
                "probabilities": list(probabilities.contents.fp32_contents)[
                    : -probabilities.shape[1]
                ],
                "valid": list(by_name["valid"].contents.bool_contents),
                "error": by_name["error"].contents.bytes_contents[-1].decode(),
            }
        for wrong in (
            request(images, name="pixels"),
            request(images, shape=[99]),
            request([]),
            messages.ModelInferRequest(
                model_name="digits",
                inputs=[{"name": "image_bytes", "datatype": "BYTES", "shape": [1]}],
                raw_input_contents=[b"\xff\xff\xff\x7fabc"],
            ),
        ):
            try:
                stub.ModelInfer(wrong)
                found["refused"].append("OK")
            except grpc.RpcError as error:
                found["refused"].append(error.code().name)
        try:
            stub.RepositoryModelUnload(messages.RepositoryModelUnloadRequest(model_name="digits"))
        except grpc.RpcError as error:
            found["unload"] = error.code().name
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
