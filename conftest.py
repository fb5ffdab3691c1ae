import os


def pytest_configure(config):
    """Share the cores out to the processes of `pytest -n`, which inherit this."""
    processes = config.getoption("numprocesses", None) or 1
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, os.cpu_count() // processes)))
