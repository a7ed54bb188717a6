"""Several hosts with addresses of their own and 20 ms between them: a scheduler, two machines, and who trains."""

import json
import os
import subprocess
import sys

import hosts
import numpy as np
import pytest

from optlib.parallel import async_sgd, train

pytest.importorskip("distributed", reason="distributed is not installed: pip install 'downhill-course[parallel]'")

PORT = 8786
SCHEDULER = f"tcp://{hosts.address(1)}:{PORT}"

#: What runs on the first host, beside the scheduler.
TRAINING = """
import json
import os
import signal
import sys
import time
import numpy as np
from crowd import TABLE
from distributed import Client
from optlib import Optimizer, data, models, rules
from optlib.parallel import async_sgd, parts, train
from test_parallel_cluster import COUNT, At, Counting, kill, places

X, y = data.regression(n=60, d=6, seed=3)
workers = parts(models.LinearRegression(), X, y, 2, batch_size=5)
found = {}
with Client(sys.argv[1], timeout=30) as client:
    client.wait_for_workers(2, timeout=60)
    found["places"] = places(client)
    start = time.perf_counter()
    client.run(os.getpid)
    found["there and back"] = time.perf_counter() - start
    for name in ("sync_sgd", "downpour", "easgd"):
        run = train(TABLE[name](0.02), workers, np.ones(6), steps=8, shards=2, backend=client)
        again = train(TABLE[name](0.02), workers, np.ones(6), steps=8, shards=2, order=run.order)
        found[name] = run.finished and np.array_equal(run.theta, again.theta) and run.theta.tolist() != [1.0] * 6
    killing = At(8, lambda: kill(client, places(client)[-1]))
    run = train(async_sgd(COUNT), [Counting()] * 2, np.zeros(12), steps=12, backend=client, progress=killing)
    found["killed"], found["log"] = run.theta.tolist(), run.log
print(json.dumps(found))
"""


@pytest.fixture
def net(request):
    """Hosts, with a scheduler on the first and a machine on each other, and the variables of their processes."""
    why_not = hosts.reason_why_not()
    if why_not:
        pytest.skip(why_not)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([os.path.dirname(__file__), *sys.path])}
    with hosts.Hosts(*request.param) as made:
        program = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--port", str(PORT)]
        made.start(1, *program, "--host", hosts.address(1), "--no-dashboard", env=environment)
        for number in range(2, len(made.names) + 1):
            program = [sys.executable, "-m", "distributed.cli.dask_worker", SCHEDULER, "--host", hosts.address(number)]
            made.start(number, *program, "--no-nanny", "--no-dashboard", "--nthreads", "1", env=environment)
        yield made, environment


@pytest.mark.parametrize("net", [(3, 0.02)], indirect=True, ids=["20 ms"])
def test_three_hosts(net):
    made, environment = net
    training = made.start(
        1, sys.executable, "-c", TRAINING, SCHEDULER, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    out, err = training.communicate(timeout=240)
    assert training.returncode == 0, err[-3000:]
    found = json.loads(out.splitlines()[-1])
    assert [place.split("/")[2].split(":")[0] for place in found["places"]] == [hosts.address(2), hosts.address(3)]
    assert found["there and back"] > 4 * 0.02  # twice there and twice back: by way of the scheduler
    assert all(found[name] for name in ("sync_sgd", "downpour", "easgd"))
    assert found["killed"] == [-2.0] * 12
    assert any("lost" in line for line in found["log"])


@pytest.mark.slow
@pytest.mark.parametrize("net", [(4, 0.001)], indirect=True, ids=["1 ms"])
def test_a_worker_that_reaches_all_but_a_shard(net):
    """Both live, and the scheduler sees them: its work goes on at a machine that reaches every shard."""
    from distributed import Client
    from test_parallel_cluster import COUNT, At, Counting

    made, _ = net
    with hosts.on(made.names[0]), Client(SCHEDULER, timeout=60) as client:
        client.wait_for_workers(3, timeout=120)
        cutting = At(20, lambda: made.cut(2, 4))
        run = train(
            async_sgd(COUNT), [Counting()] * 2, np.zeros(60), steps=60, shards=2, backend=client, progress=cutting,
            patience=4.0,
        )  # fmt: skip
    assert run.theta.tolist() == [-2.0] * 60
    [line] = [line for line in run.log if line.startswith("worker 0: another took over its data, from step ")]
    assert not line.split("/")[-1].startswith(hosts.address(4))
