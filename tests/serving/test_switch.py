"""A server while versions come and go, while it is too busy, and when it is ended or killed."""

import base64
import http.client
import itertools
import json
import os
import shutil
import threading
import time

import numpy as np
import pytest

from components.pusher.rollback import roll_back
from tests.serving.server import JSON, Server, strict

pytestmark = pytest.mark.slow

REQUESTS = int(os.environ.get("SERVE_REQUESTS", "2000"))
"""By hand: 10,000."""
CLIENTS = 16
BAD = b"\xff\xd8\xff\xe0 this is no image"
PREDICT = "/v1/models/digits:predict"


def body(*images):
    return json.dumps({"instances": [{"b64": base64.b64encode(each).decode()} for each in images]})


class Crowd:
    """Clients with a connection each, that ask until they have had enough.

    `request` makes the body of the request of a number.
    """

    def __init__(self, server, request, clients=CLIENTS, pause_s=0.0):
        self._pause_s = pause_s
        self.found, self.enough = {}, 0
        self._numbers, self._lock = itertools.count(), threading.Lock()
        self._request, self._server = request, server
        self._threads = [threading.Thread(target=self._work) for _ in range(clients)]
        for each in self._threads:
            each.start()

    def _work(self):
        connection = http.client.HTTPConnection("localhost", self._server.port, timeout=120)
        while True:
            with self._lock:
                number = next(self._numbers)
            if self.enough and number >= self.enough:
                return
            text = self._request(number)
            started = time.perf_counter()
            try:
                connection.request("POST", PREDICT, text, JSON)
                response = connection.getresponse()
                answer = response.status, dict(response.headers), strict(response.read())
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                answer = type(error), {}, error
            self.found[number] = (*answer, time.perf_counter() - started)
            time.sleep(self._pause_s)

    def wait_for(self, count):
        while len(self.found) < count:
            time.sleep(0.02)

    def end(self, enough=1):
        """All answers by number, when there are at least so many."""
        self.enough = enough
        for each in self._threads:
            each.join()
        assert sorted(self.found) == list(range(len(self.found)))
        return [self.found[number] for number in range(len(self.found))]


@pytest.fixture
def serving(models, tmp_path):
    from tests.serving.models import push

    push(models[0], tmp_path / "serving", now=100)
    return tmp_path / "serving"


def test_no_request_fails_while_versions_come_and_go(serving, models, images, answers):
    from tests.serving.models import push

    server = Server(serving)
    try:
        before = server.memory_mb()
        good, bad = [body(each) for each in images], body(BAD)
        # The pauses leave the two cores of a small machine something to load a version with.
        crowd = Crowd(
            server, lambda n: bad if n % 100 == 50 else good[n % len(images)], pause_s=0.05
        )
        crowd.wait_for(REQUESTS // 8)
        assert push(models[1], serving, now=200) == 200
        server.wait_for("version 200 answers now")
        crowd.wait_for(REQUESTS // 2)
        roll_back(serving)
        server.wait_for("version 100 answers now")
        crowd.wait_for(3 * REQUESTS // 4)
        assert push(models[2], serving, now=300) == 300
        server.wait_for("version 300 answers now")
        crowd.wait_for(len(crowd.found) + 100)
        found = crowd.end(REQUESTS)
        assert len(found) >= REQUESTS
        by_version = {"100": answers[0], "200": answers[1], "300": answers[2]}
        seen = set()
        for number, (status, headers, answer, _) in enumerate(found):
            assert status == 200, answer
            version = answer["model_version"]
            assert headers["x-model-version"] == version
            (row,) = answer["predictions"]
            if number % 100 == 50:
                assert not row["valid"]
                assert row["error"]
                assert row["probabilities"] == [None] * 10
                continue
            assert row["valid"]
            seen.add(version)
            expected = by_version[version][number % len(images)]
            np.testing.assert_allclose(row["probabilities"], expected, rtol=0, atol=1e-6)
        assert seen == set(by_version)
        assert found[-1][2]["model_version"] == "300"
        times = sorted(each[3] for each in found)
        print(
            f"{len(found)} requests: p50 {1e3 * times[len(times) // 2]:.0f} ms, longest "
            f"{1e3 * times[-1]:.0f} ms; {before:.0f} MB before, {server.memory_mb():.0f} MB after"
        )
    finally:
        server.kill()


def test_a_busy_server_says_when_to_come_back_and_ends_with_every_answer(serving, images, answers):
    few = ("--max-queue", "16", "--max-instances", "16", "--max-batch", "4")
    server = Server(serving, *few)
    try:
        twelve = body(*images)
        found = Crowd(server, lambda _: twelve, clients=32).end(200)
        refused = [headers for status, headers, _, _ in found if status == 503]
        assert refused
        assert all(headers["retry-after"] == "1" for headers in refused)
        assert {status for status, *_ in found} == {200, 503}

        four = body(*images[:4])
        crowd = Crowd(server, lambda _: four, clients=3)
        crowd.wait_for(30)
        assert server.end() == 0
        whole = [each for each in crowd.end() if each[0] == 200]
        assert len(whole) >= 20
        for _, _, answer, _ in whole:
            rows = [row["probabilities"] for row in answer["predictions"]]
            np.testing.assert_allclose(rows, answers[0][:4], rtol=0, atol=1e-6)
        # The others found the port closed, or their idle connection; no answer was cut off.
        others = {each[0] for each in crowd.found.values()} - {200}
        assert all(issubclass(each, ConnectionError) for each in others)
    finally:
        server.kill()


def test_a_killed_server_starts_again_on_its_ports_with_the_highest_that_loads(serving, images):
    server = Server(serving)
    crowd = Crowd(server, lambda _: body(images[0]), clients=4)
    crowd.wait_for(20)
    server.kill()
    crowd.end()
    shutil.copytree(serving / "100", serving / "900")
    (serving / "900" / "saved_model.pb").write_bytes(b"cut")
    again = Server(serving, ports=(server.port, server.grpc_port))
    try:
        status, _, text = again.send("POST", PREDICT, body(images[0]), JSON)
        assert status == 200
        assert strict(text)["model_version"] == "100"
        assert any("version 900" in line for line in again.lines)
    finally:
        again.kill()
