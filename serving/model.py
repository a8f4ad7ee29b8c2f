"""The model as KServe's SDK asks for it, by V1, V2 and gRPC alike.

    from serving.model import ServedModel
    from serving.settings import Settings
    from serving.switch import Switch

    settings = Settings(Path("runs/digits/serving"))
    switch = Switch(settings.folder)
    switch.look()
    model = ServedModel("digits", settings, switch)

`serving.server` registers it with the SDK's ModelServer, which calls its hooks for every request.
"""

from __future__ import annotations

import contextvars
import logging
import time
import uuid
from dataclasses import dataclass
from typing import Any

from grpc import StatusCode
from grpc_interceptor.exceptions import GrpcException
from kserve import InferOutput, InferRequest, InferResponse, Model
from kserve.utils.numpy_codec import from_np_dtype
from prometheus_client import Counter, Gauge, Histogram

from components.signatures import signatures
from serving.answers import Answers
from serving.batching import Batcher, QueueFullError
from serving.payload import BadRequestError, images_of_v1, images_of_v2, json_of
from serving.request_log import RequestLog
from serving.settings import Settings
from serving.switch import Switch

_ONE_PIXEL = (
    b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff,\x00\x00\x00\x00\x01\x00\x01\x00\x00"
    b"\x02\x02D\x01\x00;"
)
VERSION_HEADER = "x-model-version"
RETRY_AFTER_S = 1

IMAGES = Counter("bit_images", "images asked for, by whether there was an answer", ["valid"])
REFUSED = Counter("bit_refused", "requests refused, by HTTP status", ["status"])
BATCH = Histogram("bit_batch_images", "images of a batch", buckets=(1, 2, 4, 8, 16, 32, 64, 256))
VERSION = Gauge("bit_model_version", "number of the version that answers")
WAITING = Gauge("bit_waiting_images", "images that wait for a batch")

entered: contextvars.ContextVar[list[bool]] = contextvars.ContextVar("entered")
"""A list that is filled when the SDK hands the request to the model: what fails before is the
request's own fault."""

_logger = logging.getLogger(__name__)

_CODES = {
    400: StatusCode.INVALID_ARGUMENT,
    404: StatusCode.UNIMPLEMENTED,
    500: StatusCode.INTERNAL,
    503: StatusCode.RESOURCE_EXHAUSTED,
}


class Refused(GrpcException):
    """A request without an answer: an HTTP status, gRPC's code for it, and a sentence."""

    def __init__(self, status: int, sentence: str):
        super().__init__(status_code=_CODES[status], details=sentence)
        self.status = status
        self.sentence = sentence

    def __str__(self) -> str:
        return self.sentence


@dataclass(frozen=True)
class _Asked:
    """A request's images; `v2` is None for V1."""

    images: list[bytes]
    v2: InferRequest | None
    at: float


class ServedModel(Model):
    """Reads requests, asks for batches, writes answers.

    Args:
      name: in URLs.
      settings: the bounds.
      switch: has the version that answers.
      log: None for none.
    """

    def __init__(
        self, name: str, settings: Settings, switch: Switch, log: RequestLog | None = None
    ):
        super().__init__(name, return_response_headers=True)
        self._settings = settings
        self._switch = switch
        self._log = log
        self._batcher = Batcher(
            switch.answer,
            settings.max_batch,
            settings.max_wait_s,
            settings.max_queue,
            BATCH.observe,
        )
        WAITING.set_function(lambda: self._batcher.waiting)
        self.ready = True

    async def warm_up(self) -> None:
        """Asks for one image, in the thread that is to answer; counted and logged nowhere."""
        await self._batcher.ask([_ONE_PIXEL])

    def start(self) -> None:
        """The SDK's hook: it is ready already."""

    def stop(self) -> None:
        """The SDK's hook: requests that were accepted are still answered."""

    def get_input_types(self) -> list[dict[str, Any]]:
        """The SDK's hook: V2's metadata."""
        return [{"name": "image_bytes", "datatype": "BYTES", "shape": [-1]}]

    def get_output_types(self) -> list[dict[str, Any]]:
        """The SDK's hook: V2's metadata."""
        kinds = {"float32": "FP32", "int64": "INT64", "string": "BYTES", "bool": "BOOL"}
        of_images = signatures(len(self._switch.current.labels), side=1)[1]
        return [
            {
                "name": name,
                "datatype": kinds[tensor.dtype],
                "shape": [-1 if side is None else side for side in tensor.shape],
            }
            for name, tensor in of_images.outputs.items()
        ]

    async def preprocess(self, payload: Any, headers: dict[str, str] | None = None) -> _Asked:
        """The SDK's hook: the request's images.

        Raises:
          Refused: 400.
        """
        at = time.perf_counter()
        if (mark := entered.get(None)) is not None:
            mark.append(True)
        most = self._settings.max_instances
        try:
            if not isinstance(payload, InferRequest):
                # The SDK leaves a body alone whose header does not call it JSON.
                body = json_of(payload) if isinstance(payload, bytes) else payload
                return _Asked(images_of_v1(body, most), None, at)
            _check_v2(payload)
            images = images_of_v2(payload.inputs, most, grpc=payload.from_grpc)
            return _Asked(images, payload, at)
        except BadRequestError as error:
            raise Refused(400, str(error)) from None

    async def predict(
        self,
        payload: _Asked,
        headers: dict[str, str] | None = None,
        response_headers: dict[str, str] | None = None,
    ) -> dict[str, Any] | InferResponse:
        """The SDK's hook: the answer.

        Raises:
          Refused: 503 where too many wait, 500 where the model fails.
        """
        try:
            answers: Answers = await self._batcher.ask(payload.images)
        except QueueFullError as error:
            raise Refused(503, f"the server is busy: {error}; try again") from None
        except Exception as error:
            _logger.exception("version %d failed", self._switch.current.number)
            raise Refused(500, f"the model failed: {type(error).__name__}") from error
        valid = int(answers.valid.sum())
        IMAGES.labels("true").inc(valid)
        IMAGES.labels("false").inc(len(answers) - valid)
        if self._log is not None:
            self._log.add(answers, payload.images, time.perf_counter() - payload.at)
        if response_headers is not None:
            response_headers[VERSION_HEADER] = str(answers.version)
        if payload.v2 is None:
            return {"predictions": answers.rows(), "model_version": str(answers.version)}
        return self._v2(payload.v2, answers)

    def _v2(self, request: InferRequest, answers: Answers) -> InferResponse:
        wanted = [output.name for output in request.request_outputs or ()]
        outputs = []
        for name, column in answers.columns().items():
            if not wanted or name in wanted:
                output = InferOutput(name, list(column.shape), from_np_dtype(column.dtype))
                output.set_data_from_numpy(column, binary_data=request.use_binary_outputs)
                outputs.append(output)
        return InferResponse(
            # The protocol wants one, and not every client sends one.
            response_id=request.id or str(uuid.uuid4()),
            model_name=self.name,
            model_version=str(answers.version),
            infer_outputs=outputs,
            use_binary_outputs=request.use_binary_outputs,
        )


def _check_v2(request: InferRequest) -> None:
    """What the SDK would fail to write in the answer."""
    if request.id is not None and not request.id.isprintable():
        raise BadRequestError("the id holds characters that cannot be printed")
    known = signatures(classes=1, side=1)[1].outputs
    for output in request.request_outputs or ():
        if output.name not in known:
            raise BadRequestError(f"no output {output.name[:40]!r}; there are {', '.join(known)}")
    if not request.from_grpc and (
        request.use_binary_outputs
        or any(output.binary_data for output in request.request_outputs or ())
    ):
        raise BadRequestError("binary outputs are not given over REST: ask without, or by gRPC")
