"""Jobs of a real Ray cluster whose driver only says what it was told: all around a run, without the run."""

import sys

from tests.backends.ray_jobs.ray_hosts import PLANTED, ray_hosts

LINE = "-m launcher run {runs}/said/recipe.yaml --cluster {runs}/said/profile-1.yaml --run-id said"


def test_a_job_is_sent_once_followed_found_by_its_run_and_sent_again_after_its_end(tmp_path):
    with ray_hosts(tmp_path, ["head"], python="echo", nodes=1) as bench:
        assert bench.submit("said") == "said-a1"
        line = LINE.format(runs=tmp_path / "runs")
        assert line in bench.done("logs", "said", "--follow").splitlines()
        assert bench.state("said") == "done"
        assert line in bench.done("logs", "said").splitlines()
        assert bench.submit("said") == "said-a2"

        sleeps = tmp_path / "sleeps"
        sleeps.write_text("#!/bin/sh\necho begun\nexec sleep 600\n")
        sleeps.chmod(0o755)
        bench.write("sleeps.yaml", python=str(sleeps), nodes=1)
        assert bench.submit("long", profile="sleeps.yaml") == "long-a1"
        bench.until(lambda: bench.state("long") == "running", "the driver runs")
        again = bench.launcher("submit", "small.yaml", "--cluster", "sleeps.yaml", "--run-id", "long")
        assert again.returncode == 2
        assert "long-a1" in again.stderr
        bench.done("cancel", "long")
        bench.until(lambda: bench.state("long") == "failed", "the driver has ended")
        ended = bench.launcher("cancel", "long")
        assert ended.returncode == 2
        assert "no job of this run is alive" in ended.stderr

        code = tmp_path / "code"
        (code / "launcher").mkdir(parents=True)
        (code / "launcher" / "__init__.py").touch()
        (code / "launcher" / "__main__.py").write_text("print('the copy of', __file__.rpartition('/')[2])")
        (code / "data").mkdir()
        (code / "data" / "rows.csv").write_text("left at home")
        bench.write("copy.yaml", python=sys.executable, working_dir=str(code), nodes=1)
        bench.submit("copied", profile="copy.yaml")
        assert "the copy of __main__.py" in bench.done("logs", "copied", "-f").splitlines()

        described = bench.head.run(sys.executable, "-c", JOBS, environment=bench.environment).stdout
        assert "said-a1" in described
        assert "MOOD" in described
        assert PLANTED not in described
        assert bench.head.run("grep", "-rlIF", PLANTED, "/tmp/ray").returncode == 1


def test_what_a_cluster_cannot_take_is_told_before_anything_is_written(tmp_path):
    big = tmp_path / "big"
    big.mkdir()
    with (big / "weights.bin").open("wb") as sparse:
        sparse.truncate(600 * 2**20)
    with ray_hosts(tmp_path, ["head"]) as bench:
        bench.write("nobody.yaml", address="http://10.77.0.10:9999")
        bench.write("relative.yaml", storage="runs")
        bench.write("big.yaml", working_dir=str(big))
        for profile, code, told in (
            ("nobody.yaml", 1, "http://10.77.0.10:9999 does not answer"),
            ("relative.yaml", 2, "cluster.storage: runs"),
            ("big.yaml", 2, "cluster.working_dir"),
        ):
            refused = bench.launcher("submit", "small.yaml", "--cluster", profile, "--run-id", "never")
            assert refused.returncode == code, refused.stderr
            assert told in refused.stderr
            assert not (tmp_path / "runs" / "never").exists()
        stranger = {**bench.environment, "RAY_AUTH_TOKEN_PATH": str(tmp_path / "another")}
        (tmp_path / "another").write_text("0" * 64)
        words = (sys.executable, "-m", "launcher", "submit", "small.yaml", "--cluster", "ray.yaml", "--run-id", "never")
        refused = bench.head.run(*words, folder=tmp_path, environment=stranger)
        assert refused.returncode == 2, refused.stderr
        assert "does not take the token" in refused.stderr


JOBS = """
from ray.job_submission import JobSubmissionClient
print(JobSubmissionClient("http://10.77.0.10:8265").list_jobs())
"""
